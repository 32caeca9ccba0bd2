import { auditActor } from '#services/core/audit/audit-context.ts';
import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { Config } from '#services/platform/config/load.ts';
import { mintRefreshToken, nonceHashOf, type RefreshSecrets, uuidToBytes } from './refresh-token-format.ts';
import { familySeedInsert } from './seed-families.store.ts';

export type SeedFamiliesPorts = Pick<Ports, 'random'> & {
  readonly keyRing: Pick<RefreshSecrets, 'secret'>;
  readonly tokenSettings: Pick<Config['tokens'], 'refreshAbsoluteSeconds' | 'refreshTokenSeconds'> & {
    readonly audience: string;
  };
};

/**
 * Creates a first-party token family for each of many new sessions in one statement, each with its audit row. For test
 * data only: a sign-in calls `createFamily`.
 * @returns the refresh token of each session, by session id; none for a session that has ended
 */
export async function seedFamilies(
  tx: Tx,
  ports: SeedFamiliesPorts,
  sessionIds: readonly string[],
  caller: Caller,
): Promise<ReadonlyMap<string, string>> {
  const { version: kv, key } = ports.keyRing.secret('refresh');
  const { audience, refreshAbsoluteSeconds, refreshTokenSeconds } = ports.tokenSettings;
  const families = sessionIds.map((sessionId) => ({
    sessionId,
    id: ports.random.uuid(),
    nonce: ports.random.bytes(32),
  }));
  const { actor_kind, actor_id } = auditActor(caller);
  const inserted = await tx.query<{ id: string; incarnation: string }>(familySeedInsert, [
    families.map(({ id }) => id),
    families.map(({ nonce }) => nonceHashOf(nonce)),
    sessionIds,
    FIRST_PARTY_CLIENT_ID,
    kv,
    audience,
    refreshTokenSeconds,
    refreshAbsoluteSeconds,
    actor_kind,
    actor_id,
  ]);
  const incarnations = new Map(inserted.map(({ id, incarnation }) => [id, incarnation]));
  return new Map(
    families.flatMap(({ sessionId, id, nonce }) => {
      const incarnation = incarnations.get(id);
      if (incarnation === undefined) return [];
      const parts = { kv, familyBytes: uuidToBytes(id), generation: 0, nonce };
      return [[sessionId, mintRefreshToken(key, incarnation, parts, '')] as const];
    }),
  );
}
