import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { type SeedFamiliesPorts, seedFamilies } from '#services/core/tokens/refresh/seed-families.ts';
import { findCredential } from '../users/accounts.store.ts';
import { insertLoadSessions, insertLoadUsers, readLoadUsers, upsertLoadPasswords } from './load-users.store.ts';
import { lockSeed } from './seed.store.ts';

/** Marks every seeded user. No mail can reach the address: `.test` is reserved (RFC 2606). */
export const LOAD_USER_DOMAIN = 'load.sallyport.test';
const LOAD_USER_NAME = 'Load test user';
const LOAD_USER_AGENT = 'sallyport demo seed (test data)';
/** Seeded sessions end by themselves, so that seeding again needs to end none. */
const SESSION_SECONDS = 86_400;
/** Users of one transaction. */
const BATCH = 1_000;

export type LoadUser = {
  readonly email: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly refreshToken: string;
};

type SeedLoadUsersPorts = Pick<Ports, 'transact' | 'sql' | 'hasher' | 'random'> & SeedFamiliesPorts;

const emailOf = (number: number): string => `user-${String(number).padStart(6, '0')}@${LOAD_USER_DOMAIN}`;

/**
 * Creates test users for load tests, all with the same password, and opens a new session with a token family for each.
 * It may run again: existing users stay, and each gets another session. For development and staging only.
 */
export async function seedLoadUsers(
  ports: SeedLoadUsersPorts,
  {
    count,
    password,
    onProgress = () => {},
  }: { readonly count: number; readonly password: string; readonly onProgress?: (seeded: number) => void },
  caller: Caller,
): Promise<LoadUser[]> {
  const digest = await digestOf(ports, password);
  const emails = Array.from({ length: count }, (_, index) => emailOf(index + 1));
  const seeded: LoadUser[] = [];
  for (let start = 0; start < count; start += BATCH) {
    seeded.push(...(await seedBatch(ports, emails.slice(start, start + BATCH), digest, caller)));
    onProgress(seeded.length);
  }
  return seeded;
}

function seedBatch(
  ports: SeedLoadUsersPorts,
  emails: readonly string[],
  digest: string,
  caller: Caller,
): Promise<LoadUser[]> {
  const { random } = ports;
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'seed');
    await lockSeed(tx);
    const made = emails.map((email) => ({ id: random.uuid(), email }));
    await insertLoadUsers(tx, made, LOAD_USER_NAME);
    const users = await readLoadUsers(tx, emails);
    const accounts = users.map(({ id }) => ({ id: random.uuid(), userId: id }));
    await upsertLoadPasswords(tx, accounts, digest);
    const opened = users.map(({ id, email }) => ({
      email,
      userId: id,
      id: random.uuid(),
      token: random.bytes(24).toString('base64url'),
    }));
    await insertLoadSessions(tx, opened, { lifeSeconds: SESSION_SECONDS, userAgent: LOAD_USER_AGENT });
    const tokens = await seedFamilies(
      tx,
      ports,
      opened.map(({ id }) => id),
      caller,
    );
    return opened.flatMap(({ email, userId, id: sessionId }) => {
      const refreshToken = tokens.get(sessionId);
      return refreshToken === undefined ? [] : [{ email, userId, sessionId, refreshToken }];
    });
  });
}

/** One digest for all users: hashing 10,000 times would take an hour of a core. */
async function digestOf({ sql, hasher }: SeedLoadUsersPorts, password: string): Promise<string> {
  const admission = { clientPrefix: 'seed', knownDevice: true };
  const known = await findCredential(sql, emailOf(1));
  if (known?.digest && (await hasher.verify(password, known.digest, admission))) return known.digest;
  return hasher.hash(password, admission);
}
