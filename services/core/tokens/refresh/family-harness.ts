import { randomBytes, randomUUID } from 'node:crypto';
import { isAppError } from '#services/platform/define/error.ts';
import {
  callerFrom,
  createFamilyCopy,
  type FamilyCopy,
  type FamilyCopyOptions,
  insertUser,
  publicClient,
  refreshSecrets,
  refreshSettings,
} from '#tools/testing/fixtures/families.ts';
import { quietLog, rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import type { Json } from '#tools/testing/http-client.ts';
import type { CreatedFamily, NewFamily } from './create-family.ts';
import { checkRefreshToken, mintRefreshToken, type RefreshSecrets } from './refresh-token-format.ts';
import type { PresentedBy } from './rotate-family.ts';

type FamilyRow = {
  readonly generation: number;
  readonly grace_uses: number;
  readonly grace_streak: number;
  readonly grace_contested: boolean;
  readonly revoke_reason: string | null;
  readonly revoked_at: Date | null;
  readonly created_at: Date;
  readonly rotated_at: Date;
  readonly lost_answer_at: Date | null;
  readonly idle_expires_at: Date;
  readonly expires_at: Date;
  readonly kv: number;
  readonly prev_kv: number;
  readonly rotation_marks: readonly string[];
};

/** A grace window so long that it does not close during a slow test. */
export const GRACE_SECONDS = 3_600;

/** API copies that share a separate database, with two server keys. */
export type FamilyHarness = {
  readonly databaseUrl: string;
  readonly incarnation: string;
  readonly keys: ReadonlyMap<number, Buffer>;
  readonly secrets: RefreshSecrets;
  /** Fields of every error the copies logged; cleared by `reset`. */
  readonly errors: object[];
  /** Opens another copy, closed with the harness. Its timeouts are long, so that a busy machine changes no outcome. */
  copyWith(settings?: Partial<typeof refreshSettings>, options?: Partial<FamilyCopyOptions>): FamilyCopy;
  /** Sets the server key for new tokens; 1 after `reset`. */
  makeUnder(kv: 1 | 2): void;
  reset(): void;
  newFamily(family?: Partial<NewFamily>, at?: FamilyCopy): Promise<CreatedFamily & { readonly userId: string }>;
  /** Makes a token of any generation of the family, as the server would. */
  forge(token: string, generation: number, kv?: number): string;
  rowOf(familyId: string): Promise<FamilyRow>;
  /** The row as text, to compare it before and after. */
  imageOf(familyId: string): Promise<string>;
  /** The audit rows of the family's refresh tokens, in order. */
  auditOf(familyId: string): Promise<Json[]>;
  revocationsOf(familyId: string): Promise<Json[]>;
  /** Changes the row. @param assignments SQL */
  set(familyId: string, assignments: string): Promise<unknown>;
  close(): Promise<void>;
};

export async function openFamilyHarness(): Promise<FamilyHarness> {
  const database = await createTestDatabase();
  const incarnation = randomUUID();
  const keys = new Map([1, 2].map((kv) => [kv, randomBytes(32)]));
  let newest = 1;
  const secrets = refreshSecrets(keys, () => newest);
  const errors: object[] = [];
  const copies: FamilyCopy[] = [];
  const copyWith: FamilyHarness['copyWith'] = (settings = {}, options = {}) => {
    const copy = createFamilyCopy({
      url: database.url,
      secrets,
      incarnation,
      log: { ...quietLog, error: (fields) => void errors.push(fields) },
      settings: { ...refreshSettings, graceSeconds: GRACE_SECONDS, ...settings },
      ...options,
    });
    copies.push(copy);
    return copy;
  };
  const own = copyWith();
  const rows = rowsOf<Json>(own.pool);
  const harness: FamilyHarness = {
    databaseUrl: database.url,
    incarnation,
    keys,
    secrets,
    errors,
    copyWith,
    makeUnder: (kv) => {
      newest = kv;
    },
    reset: () => {
      newest = 1;
      errors.length = 0;
    },
    newFamily: async (family = {}, at = own) => {
      const userId = await insertUser(own.pool);
      return { userId, ...(await at.create({ user_id: userId, ...family })) };
    },
    forge: (token, generation, kv = 1) => {
      const parts = checkRefreshToken(token, [''], secrets, incarnation);
      if (parts === null) throw new Error('not a token');
      return mintRefreshToken(keys.get(kv) as Buffer, incarnation, { ...parts, generation, kv }, '');
    },
    rowOf: async (familyId) => (await rows`SELECT * FROM refresh_families WHERE id = ${familyId}`)[0],
    imageOf: async (familyId) => JSON.stringify(await harness.rowOf(familyId)),
    auditOf: (familyId) =>
      rows`SELECT type, outcome, actor_kind, actor_id, client_id, ip_hash, detail FROM audit_outbox
        WHERE target_id = ${familyId} AND type LIKE 'token.%' AND type <> 'token.family_created' ORDER BY id`,
    revocationsOf: (familyId) =>
      rows`SELECT reason, user_id, client_id FROM revocations WHERE kind = 'family' AND value = ${familyId}`,
    set: (familyId, assignments) => rows(`UPDATE refresh_families SET ${assignments} WHERE id = $1`, [familyId]),
    close: async () => {
      await Promise.all(copies.map((copy) => copy.close()));
      await database.drop();
    },
  };
  return harness;
}

/** The outcome of a token presented to a copy, or the code of the refusal. */
export const outcome = (at: FamilyCopy, token: string, by: PresentedBy = publicClient, ip?: string): Promise<string> =>
  at.refresh(token, by, ip === undefined ? undefined : callerFrom(ip)).then(
    (answer) => answer.outcome,
    (err: unknown) => (isAppError(err) ? err.code : String(err)),
  );

/** Presents tokens in one tick, so that they share one statement. */
export const together = (at: FamilyCopy, tokens: readonly string[]): Promise<string[]> =>
  Promise.all(tokens.map((token) => outcome(at, token)));

export const next = async (at: FamilyCopy, token: string): Promise<string> => (await at.refresh(token)).refresh_token;

/** Tokens of generations 0 to `last`; the last is current, and the one before is within grace. */
export async function generations(at: FamilyCopy, first: string, last: number): Promise<string[]> {
  const tokens = [first];
  for (let generation = 0; generation < last; generation += 1) tokens.push(await next(at, tokens.at(-1) as string));
  return tokens;
}
