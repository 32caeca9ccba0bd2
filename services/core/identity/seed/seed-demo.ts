import { clientSecretHash } from '#services/core/access/access-directory.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { findCredential } from '../users/accounts.store.ts';
import { addRoles, lockSeed, upsertClient, upsertPassword, upsertUser } from './seed.store.ts';

export type SeedUser = {
  readonly email: string;
  readonly name: string;
  readonly password: string;
  readonly roles: readonly string[];
};

export type SeedClient = {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly name: string;
  readonly grant_types: readonly string[];
  /** A loopback address may have any port. */
  readonly redirect_uris: readonly string[];
  /** Scopes that a sign-in through the client may request. */
  readonly scopes: readonly string[];
  /** Scopes of its client credentials tokens; those that are permissions are its own. */
  readonly credential_scopes: readonly string[];
  /** Audiences of its tokens; `*`: any. */
  readonly audiences: readonly string[];
};

type SeedPorts = Pick<Ports, 'transact' | 'sql' | 'hasher' | 'random'>;

/**
 * Creates users, and a client if there is one, with the given secrets, or updates existing ones. It may run again, and in
 * two processes at once. For development only: a production start never calls it.
 * @returns the ids of the users, in the order given
 */
export async function seedDemo(
  ports: SeedPorts,
  scenario: { readonly users: readonly SeedUser[]; readonly client?: SeedClient },
  caller: Caller,
): Promise<readonly string[]> {
  // Hashing may wait in a queue, so it finishes before the transaction begins.
  const digests = await Promise.all(scenario.users.map((user) => newDigest(ports, user)));
  return ports.transact(async (tx) => {
    const ids: string[] = [];
    await setAuditContext(tx, caller, 'seed');
    await lockSeed(tx);
    for (const [index, user] of scenario.users.entries()) {
      const userId = await upsertUser(tx, { ...user, id: ports.random.uuid() });
      const digest = digests[index];
      if (digest !== undefined) await upsertPassword(tx, ports.random.uuid(), userId, digest);
      await addRoles(tx, userId, user.roles);
      ids.push(userId);
    }
    if (scenario.client !== undefined) {
      const { clientSecret, ...client } = scenario.client;
      await upsertClient(tx, { ...client, id: ports.random.uuid(), secretHash: clientSecretHash(clientSecret) });
    }
    return ids;
  });
}

/** The digest to store; undefined if the stored one already belongs to this password. */
async function newDigest({ sql, hasher }: SeedPorts, { email, password }: SeedUser): Promise<string | undefined> {
  const admission = { clientPrefix: 'seed', knownDevice: true };
  const known = await findCredential(sql, email);
  if (known?.digest && (await hasher.verify(password, known.digest, admission))) return undefined;
  return hasher.hash(password, admission);
}
