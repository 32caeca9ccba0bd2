import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

// When two processes start at once, the second waits for the first and finds its rows.
const seedLock = defineStatement('seedLock', `SELECT pg_advisory_xact_lock(72707370)`);

const seedUserUpsert = defineStatement('seedUserUpsert')`
  INSERT INTO users (id, email, name, "emailVerified") VALUES ($1, $2, $3, now())
  ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING id`;

const seedAccountUpsert = defineStatement('seedAccountUpsert')`
  INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $2, 'credential', $2, $3)
  ON CONFLICT ("providerId", "accountId") DO UPDATE SET password = EXCLUDED.password, "updatedAt" = now()`;

const seedRolesInsert = defineStatement('seedRolesInsert')`
  INSERT INTO user_roles (user_id, role) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`;

const seedClientUpsert = defineStatement('seedClientUpsert')`
  INSERT INTO oauth_clients (id, "clientId", secret_hash, name, auth_method, grant_types, scopes, credential_scopes, redirect_uris,
    audiences)
  VALUES ($1, $2, $3, $4, 'client_secret_basic', $5, $6, $7, $8, $9)
  ON CONFLICT ("clientId") DO UPDATE SET secret_hash = EXCLUDED.secret_hash, grant_types = EXCLUDED.grant_types,
    scopes = EXCLUDED.scopes, credential_scopes = EXCLUDED.credential_scopes, redirect_uris = EXCLUDED.redirect_uris,
    audiences = EXCLUDED.audiences
  WHERE (oauth_clients.secret_hash, oauth_clients.grant_types, oauth_clients.scopes, oauth_clients.credential_scopes, oauth_clients.redirect_uris, oauth_clients.audiences)
    IS DISTINCT FROM (EXCLUDED.secret_hash, EXCLUDED.grant_types, EXCLUDED.scopes, EXCLUDED.credential_scopes, EXCLUDED.redirect_uris, EXCLUDED.audiences)`;

export const lockSeed = async (tx: Sql): Promise<void> => {
  await tx.query(seedLock);
};

/** @returns the id of the existing or new user */
export async function upsertUser(tx: Sql, user: { id: string; email: string; name: string }): Promise<string> {
  const [row] = await tx.query<{ id: string }>(seedUserUpsert, [user.id, user.email, user.name]);
  return row!.id;
}

export const upsertPassword = async (tx: Sql, id: string, userId: string, digest: string): Promise<void> => {
  await tx.query(seedAccountUpsert, [id, userId, digest]);
};

export const addRoles = async (tx: Sql, userId: string, roles: readonly string[]): Promise<void> => {
  if (roles.length > 0) await tx.query(seedRolesInsert, [userId, roles]);
};

export const upsertClient = async (
  tx: Sql,
  client: {
    id: string;
    clientId: string;
    secretHash: string;
    name: string;
    grant_types: readonly string[];
    scopes: readonly string[];
    credential_scopes: readonly string[];
    redirect_uris: readonly string[];
    audiences: readonly string[];
  },
): Promise<void> => {
  await tx.query(seedClientUpsert, [
    client.id,
    client.clientId,
    client.secretHash,
    client.name,
    client.grant_types,
    client.scopes,
    client.credential_scopes,
    client.redirect_uris,
    client.audiences,
  ]);
};
