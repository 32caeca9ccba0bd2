import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { migrationStates } from '#services/platform/postgres/migrate.ts';
import { createEmptyDatabase } from '#tools/testing/harness/ports.ts';
import type { TestDatabase } from '#tools/testing/harness/stores.ts';

const FOLDER = 'prisma/migrations';
const RENAMING = '20261125000100_client_columns';

let database: TestDatabase;
let client: pg.Client;
let before: Record<string, unknown>;
const rows = async (sql: string): Promise<Record<string, unknown>[]> => (await client.query(sql)).rows;
const written = async () =>
  (
    await rows(`SELECT (SELECT count(*) FROM audit_outbox) AS events, (SELECT count(*) FROM revocations) AS revocations,
      (SELECT sum("tokenEpoch") FROM oauth_clients) AS epochs`)
  )[0];

beforeAll(async () => {
  database = await createEmptyDatabase(inject('templateUrl'));
  // Makes the table of migrations, which grants name.
  await migrationStates(database.url);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const names = readdirSync(FOLDER).filter((name) => name <= RENAMING);
  for (const name of names.sort()) {
    if (name === RENAMING) {
      await client.query(`INSERT INTO oauth_clients (id, "clientId", "clientSecret", "grantTypes", scopes, "dpopBoundAccessTokens")
        VALUES ('bare', 'bare', NULL, NULL, NULL, NULL), ('secret', 'secret', '${'h'.repeat(43)}', NULL, NULL, NULL)`);
      await client.query(`INSERT INTO oauth_clients (id, "clientId", name, "clientSecret", "tokenEndpointAuthMethod", "redirectUris",
          "postLogoutRedirectUris", "backchannelLogoutUri", "requirePKCE", "rotatesRefreshTokens", "certificateBoundAccessTokens",
          "clientCredentialsScopes", "idTokenSignedResponseAlg", icon)
        VALUES ('full', 'full', 'Full', 'x', 'client_secret_post', '{https://a.test/}', '{https://a.test/bye}', 'https://a.test/out',
          false, false, true, '{keys:read}', 'ES256', 'data:image/png;base64,AA')`);
      before = (await written()) as Record<string, unknown>;
    }
    await client.query(`BEGIN; ${readFileSync(`${FOLDER}/${name}/migration.sql`, 'utf8')}; COMMIT`);
  }
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

test('clients of an older database keep their settings under the new names', async () => {
  const [bare, full, secret] = await rows(
    `SELECT * FROM oauth_clients WHERE id IN ('bare', 'full', 'secret') ORDER BY id`,
  );
  const initial = {
    grant_types: [],
    scopes: [],
    credential_scopes: [],
    post_logout_redirect_uris: [],
    dpop_bound_access_tokens: false,
    backchannel_logout_session_required: false,
    skip_consent: false,
    pkce: 'required',
    refresh_rotation: 'on',
  };
  expect(bare).toMatchObject({ ...initial, auth_method: 'none' });
  expect(secret).toMatchObject({ ...initial, auth_method: 'client_secret_basic' });
  expect(full).toMatchObject({
    name: 'Full',
    secret_hash: 'x',
    auth_method: 'client_secret_post',
    redirect_uris: ['https://a.test/'],
    post_logout_redirect_uris: ['https://a.test/bye'],
    backchannel_logout_uri: 'https://a.test/out',
    pkce: 'optional',
    refresh_rotation: 'off',
    tls_client_certificate_bound_access_tokens: true,
    credential_scopes: ['keys:read'],
    id_token_signed_response_alg: 'ES256',
    logo: 'data:image/png;base64,AA',
  });
});

test('the change of names writes no event and ends nothing', async () => {
  expect(await written()).toEqual(before);
});

test('no function, trigger or constraint names a column that is gone', async () => {
  const gone =
    'clientSecret|skipConsent|clientCredentialsScopes|redirectUris|postLogoutRedirectUris|backchannelLogout\\w+|tokenEndpointAuthMethod|jwksUri|grantTypes|responseTypes|requirePKCE|dpopBound\\w+|certificateBound\\w+|requirePushedRequests|documentUntil|registeredFrom|previousSecret\\w*|rotatesRefreshTokens|certificateIdentity|\\w+SignedResponseAlg|credentialSetters';
  const named = await rows(`SELECT proname AS name FROM pg_proc WHERE prosrc ~ '\\m(${gone})\\M'
    UNION SELECT tgname FROM pg_trigger WHERE pg_get_triggerdef(oid) ~ '\\m(${gone})\\M'
    UNION SELECT conname FROM pg_constraint WHERE pg_get_constraintdef(oid) ~ '\\m(${gone})\\M'`);
  expect(named).toEqual([]);
});

test('the table still refuses what the rules refuse', async () => {
  for (const change of [
    `pkce = 'off'`,
    `refresh_rotation = 'sometimes'`,
    `auth_method = 'none', pkce = 'optional'`,
    `refresh_rotation = 'off'`,
    `profile = 'fapi2'`,
  ])
    await expect(rows(`UPDATE oauth_clients SET ${change} WHERE id = 'secret'`)).rejects.toThrow('check constraint');
});
