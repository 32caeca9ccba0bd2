import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { CONSOLE_CLIENT_ID, FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import type { Caller } from '../ports.ts';
import type { ClientChanges } from './client-record.ts';
import { DEVICE_GRANT } from './grant-shapes.ts';
import {
  deleteClient,
  disableClient,
  enableClient,
  listClients,
  readClient,
  registerClient,
  rotateClientSecret,
  updateClient,
} from './manage-clients.ts';
import { CALLBACK, openClientHarness } from './manage-clients-harness.ts';

const harness = opened(openClientHarness);
beforeEach(() => {
  harness.reloads = 0;
});

const reason = 'test';
/** A caller with only these permissions. */
const managing = (...permissions: string[]): Caller => clientCaller('manager', permissions);

describe('registering a client', () => {
  test('shows its secret once, makes copies reload, and lets the client authenticate', async () => {
    const client_id = `app-${randomUUID()}`;
    const input = {
      name: 'App',
      client_id,
      grant_types: ['authorization_code', 'refresh_token'],
      scopes: ['openid'],
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: ['https://app.example.test/bye'],
      audiences: ['https://api.example.test'],
      dpop_bound_access_tokens: true,
      tls_client_certificate_bound_access_tokens: true,
      require_pushed_authorization_requests: true,
      reason,
    };
    const { client_secret, ...view } = await registerClient(harness, input, managing());
    expect(harness.reloads).toBe(1);
    expect(view).toMatchObject({
      client_id,
      name: 'App',
      auth_method: 'client_secret_basic',
      grant_types: input.grant_types,
      scopes: ['openid'],
      credential_scopes: [],
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: input.post_logout_redirect_uris,
      audiences: input.audiences,
      dpop_bound_access_tokens: true,
      tls_client_certificate_bound_access_tokens: true,
      require_pushed_authorization_requests: true,
      pkce: 'required',
      refresh_rotation: 'on',
      disabled: false,
      built_in: false,
      origin: 'admin',
      previous_secret_until: null,
    });
    expect(harness.access.authenticateClient(client_id, client_secret ?? '')?.clientId).toBe(client_id);
    expect(await readClient(harness, { client_id })).toEqual(view);
    expect(await harness.eventsOf(client_id)).toEqual(['client.created']);
  });

  test.each([
    ['redirect_uris', { redirect_uris: ['http://app.example.test/back'] }],
    ['post_logout_redirect_uris', { post_logout_redirect_uris: ['https://*.example.test/'] }],
  ])('with invalid %s is refused, as is such a change, and creates nothing', async (where, unfit) => {
    const { client_id, ...before } = await harness.newClient();
    const problems = [expect.objectContaining({ at: `body/${where}/0` })];
    const refusal = { code: 'redirect_uri_refused', options: { problems } };
    const clientId = randomUUID();
    const input = { name: 'App', client_id: clientId, grant_types: [], redirect_uris: [], reason, ...unfit };
    await expect(registerClient(harness, input, testCaller)).rejects.toMatchObject(refusal);
    await expect(readClient(harness, { client_id: clientId })).rejects.toMatchObject({ code: 'client_unknown' });
    const change = updateClient(harness, { client_id, ...unfit, reason }, testCaller);
    await expect(change).rejects.toMatchObject(refusal);
    expect((await readClient(harness, { client_id })).redirect_uris).toEqual(before.redirect_uris);
  });

  test('gives the secret no permission that the caller lacks; scopes that name no permission are allowed', async () => {
    const make = (caller: Caller, ...credentialScopes: string[]) =>
      registerClient(
        harness,
        { name: 'Job', grant_types: [], redirect_uris: [], credential_scopes: credentialScopes, reason },
        caller,
      );
    await expect(make(managing('tokens:read'), 'tokens:read', 'keys:read')).rejects.toMatchObject({
      code: 'rights_exceeded',
      options: { detail: 'You do not have keys:read.' },
    });
    expect((await make(managing('tokens:read'), 'tokens:read', 'tasks.write')).credential_scopes).toHaveLength(2);
    // An application may declare it later.
    await expect(make(managing('tokens:read'), 'tasks:write')).rejects.toMatchObject({
      options: { detail: 'You do not have applications:manage.' },
    });
  });

  test('that may issue tokens for any user needs the permissions those tokens can have', async () => {
    const make = (caller: Caller) =>
      registerClient(
        harness,
        {
          name: 'Broker',
          grant_types: [],
          redirect_uris: [],
          scopes: ['keys:read'],
          credential_scopes: ['tokens:issue'],
          reason,
        },
        caller,
      );
    await expect(make(managing('tokens:issue'))).rejects.toMatchObject({
      options: { detail: 'You do not have keys:read.' },
    });
    expect((await make(managing('tokens:issue', 'keys:read'))).scopes).toEqual(['keys:read']);
  });

  test.each([
    ['a public client', { auth_method: 'none' as const }],
    ['a client that must push its requests', { require_pushed_authorization_requests: true }],
  ])('that may do without PKCE is refused for %s', async (_what, unfit) => {
    const clientId = randomUUID();
    const making = harness.newClient({ client_id: clientId, pkce: 'optional', ...unfit });
    await expect(making).rejects.toMatchObject({ code: 'client_settings_conflict' });
    await expect(readClient(harness, { client_id: clientId })).rejects.toMatchObject({ code: 'client_unknown' });
  });

  test.each([
    [
      'a public client without a key',
      { auth_method: 'none' as const, tls_client_certificate_bound_access_tokens: true },
    ],
    ['a client whose tokens are bound to nothing', {}],
  ])('that keeps its refresh tokens is refused for %s', async (_what, unfit) => {
    const making = harness.newClient({ refresh_rotation: 'off', ...unfit });
    await expect(making).rejects.toMatchObject({ code: 'client_settings_conflict' });
  });

  test('with an id already in use is refused', async () => {
    const { client_id: clientId } = await harness.newClient();
    await expect(harness.newClient({ client_id: clientId })).rejects.toMatchObject({ code: 'client_exists' });
  });
});

const operations = {
  updateClient: (clientId: string, caller: Caller) =>
    updateClient(harness, { client_id: clientId, name: 'Other', reason }, caller),
  rotateClientSecret: (clientId: string, caller: Caller) =>
    rotateClientSecret(harness, { client_id: clientId, reason }, caller),
  disableClient: (clientId: string, caller: Caller) => disableClient(harness, { client_id: clientId, reason }, caller),
  deleteClient: (clientId: string, caller: Caller) => deleteClient(harness, { client_id: clientId, reason }, caller),
};

describe.each(Object.entries(operations))('%s', (_name, operation) => {
  test('is refused for the built-in client and for an unknown one', async () => {
    await expect(operation(FIRST_PARTY_CLIENT_ID, testCaller)).rejects.toMatchObject({ code: 'client_protected' });
    await expect(operation('unknown', testCaller)).rejects.toMatchObject({ code: 'client_unknown' });
    expect(harness.reloads).toBe(0);
  });

  test('needs every permission of the client, because its secret would give them to the caller', async () => {
    const { client_id } = await harness.newClient({ credential_scopes: ['keys:read'] });
    const before = await readClient(harness, { client_id });
    await expect(operation(client_id, managing('clients:manage'))).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect(await readClient(harness, { client_id })).toEqual(before);
    expect(harness.reloads).toBe(0);
    await operation(client_id, managing('keys:read'));
    expect(harness.reloads).toBe(1);
    expect((await harness.eventsOf(client_id)).length).toBeGreaterThan(1);
  });
});

describe('the exemption from PKCE', () => {
  const setPkce = (clientId: string, pkce: 'required' | 'optional', changes = {}) =>
    updateClient(harness, { client_id: clientId, pkce, ...changes, reason }, testCaller);

  test('is given and taken back by an administrator; each event says which', async () => {
    const { client_id: clientId, pkce } = await harness.newClient({ pkce: 'optional' });
    expect(pkce).toBe('optional');
    expect((await setPkce(clientId, 'required')).pkce).toBe('required');
    expect((await setPkce(clientId, 'optional')).pkce).toBe('optional');
    await updateClient(harness, { client_id: clientId, name: 'Other', reason }, testCaller);
    expect(harness.access.client(clientId)?.pkce).toBe('optional');
    const events = await harness.raw`SELECT type, detail FROM audit_outbox WHERE target_id = ${clientId} ORDER BY id`;
    const changed = { type: 'client.changed', detail: { columns: ['pkce'], reason } };
    expect(events).toEqual([
      { type: 'client.created', detail: { pkce: 'optional', reason } },
      { ...changed, detail: { ...changed.detail, pkce: 'required' } },
      { ...changed, detail: { ...changed.detail, pkce: 'optional' } },
      { type: 'client.changed', detail: { columns: ['name'], reason } },
    ]);
  });

  test('is refused for a public client, with pushed requests, and for a client that registered itself; the first and the last have no identity assertions either', async () => {
    const conflict = { code: 'client_settings_conflict' };
    const app = await harness.newClient({ auth_method: 'none' });
    await expect(setPkce(app.client_id, 'optional')).rejects.toMatchObject(conflict);
    const pushing = await harness.newClient({ require_pushed_authorization_requests: true });
    await expect(setPkce(pushing.client_id, 'optional')).rejects.toMatchObject(conflict);
    expect((await setPkce(pushing.client_id, 'optional', { require_pushed_authorization_requests: false })).pkce).toBe(
      'optional',
    );
    const push = { client_id: pushing.client_id, require_pushed_authorization_requests: true, reason };
    await expect(updateClient(harness, push, testCaller)).rejects.toMatchObject(conflict);
    const unvetted = await harness.newClient();
    await harness.raw`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = ${unvetted.client_id}`;
    await expect(setPkce(unvetted.client_id, 'optional')).rejects.toMatchObject(conflict);
    const options = { detail: expect.stringMatching(/that authenticates, .* has identity assertions\.$/) };
    for (const client of [app, unvetted]) {
      expect((await readClient(harness, client)).pkce).toBe('required');
      const asserting = change(client.client_id, { identity_assertions: { issues: [] } });
      await expect(asserting).rejects.toMatchObject({ ...conflict, options });
    }
  });
});

const change = (clientId: string, changes: ClientChanges) =>
  updateClient(harness, { client_id: clientId, ...changes, reason }, testCaller);

test.each([
  [
    'a native application',
    43_200,
    { auth_method: 'none', redirect_uris: ['http://127.0.0.1/back', 'com.example.app:/back'] },
  ],
  ['a device', 43_200, { auth_method: 'none', grant_types: [DEVICE_GRANT, 'refresh_token'], redirect_uris: [] }],
  ['an application in a browser', 0, { auth_method: 'none', redirect_uris: [CALLBACK, 'http://localhost/back'] }],
  ['a confidential client', 0, { redirect_uris: ['http://127.0.0.1/back'] }],
  ['a client that names them', 60, { refresh_copies: 60 }],
] as const)(
  'copies of one sign-in are served to %s for %i seconds, and each event says so',
  async (_of, seconds, input) => {
    const { client_id: clientId, refresh_copies } = await harness.newClient({ grant_types: [], ...input });
    expect(refresh_copies).toBe(seconds);
    expect((await change(clientId, { refresh_copies: 1 })).refresh_copies).toBe(1);
    const events = await harness.raw<{ copies: number | null }>`SELECT (detail->>'refresh_copies')::int AS copies
      FROM audit_outbox WHERE target_id = ${clientId} ORDER BY id`;
    expect(events).toEqual([{ copies: seconds || null }, { copies: 1 }]);
  },
);

describe('the rotation of refresh tokens', () => {
  test.each([
    { dpop_bound_access_tokens: true },
    { tls_client_certificate_bound_access_tokens: true },
    { dpop_bound_access_tokens: true, auth_method: 'none' as const },
  ])('is off only as long as tokens are bound: %o', async (bound) => {
    const [name = ''] = Object.keys(bound);
    const conflict = { code: 'client_settings_conflict' };
    const { client_id: clientId, refresh_rotation } = await harness.newClient({ refresh_rotation: 'off', ...bound });
    expect(refresh_rotation).toBe('off');
    await expect(change(clientId, { [name]: false })).rejects.toMatchObject(conflict);
    expect((await change(clientId, { [name]: false, refresh_rotation: 'on' })).refresh_rotation).toBe('on');
    await expect(change(clientId, { refresh_rotation: 'off' })).rejects.toMatchObject(conflict);
    expect((await change(clientId, { [name]: true, refresh_rotation: 'off' })).refresh_rotation).toBe('off');
    const events = await harness.raw<{ detail: object }>`SELECT detail FROM audit_outbox
      WHERE target_id = ${clientId} AND type IN ('client.created', 'client.changed') ORDER BY id`;
    expect(events.map(({ detail }) => detail)).toMatchObject([
      { refresh_rotation: 'off' },
      { refresh_rotation: 'on', columns: expect.arrayContaining(['refresh_rotation']) },
      { refresh_rotation: 'off' },
    ]);
  });

  test('is always on for a client that registered itself', async () => {
    const { client_id: clientId } = await harness.newClient({ dpop_bound_access_tokens: true });
    await harness.raw`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = ${clientId}`;
    await expect(change(clientId, { refresh_rotation: 'off' })).rejects.toMatchObject({
      code: 'client_settings_conflict',
    });
  });
});

test('claims in ID tokens are set and taken back, and the database refuses another claim', async () => {
  const { client_id: clientId, id_token_claims } = await harness.newClient({ id_token_claims: ['email'] });
  expect(id_token_claims).toEqual(['email']);
  expect((await change(clientId, { id_token_claims: ['name', 'email'] })).id_token_claims).toEqual(['name', 'email']);
  expect((await change(clientId, { id_token_claims: [] })).id_token_claims).toEqual([]);
  const other = harness.raw`UPDATE oauth_clients SET id_token_claims = '{sub}' WHERE "clientId" = ${clientId}`;
  await expect(other).rejects.toThrow('oauth_clients_id_token_claims');
});

test.each([
  ['pkce', `pkce = 'off'`],
  ['pkce', `auth_method = 'none', pkce = 'optional'`],
  ['refresh_rotation', `refresh_rotation = 'sometimes'`],
  ['refresh_rotation', `refresh_rotation = 'off'`],
  [
    'refresh_rotation',
    `refresh_rotation = 'off', tls_client_certificate_bound_access_tokens = true, auth_method = 'none', secret_hash = NULL`,
  ],
  ['refresh_copies', 'refresh_copies = 86401'],
  ['refresh_copies', 'refresh_copies = -1'],
  ['fapi2', `profile = 'fapi2'`],
  ['workload', `workload = '{}'`],
])('the database refuses what the rule of %s refuses: %s', async (rule, change) => {
  const { client_id: clientId } = await harness.newClient();
  const changed = harness.raw(`UPDATE oauth_clients SET ${change} WHERE "clientId" = $1`, [clientId]);
  await expect(changed).rejects.toMatchObject({ constraint: `oauth_clients_${rule}` });
});

describe('the status of a client', () => {
  test('disabled, it cannot authenticate and its tokens end; enabling it does not bring them back', async () => {
    const { client_id: clientId, client_secret: secret } = await harness.newClient();
    const setStatus = (isDisabled: boolean) =>
      (isDisabled ? disableClient : enableClient)(harness, { client_id: clientId, reason }, testCaller);
    expect((await setStatus(true)).disabled).toBe(true);
    expect(harness.access.authenticateClient(clientId, secret ?? '')).toBeNull();
    expect((await setStatus(false)).disabled).toBe(false);
    expect(harness.access.authenticateClient(clientId, secret ?? '')).toMatchObject({ tokenEpoch: 1 });
  });

  test('deleted, it is unknown and its consents are gone', async () => {
    const { client_id: clientId } = await harness.newClient();
    await harness.consent(clientId);
    await deleteClient(harness, { client_id: clientId, reason }, testCaller);
    await expect(readClient(harness, { client_id: clientId })).rejects.toMatchObject({ code: 'client_unknown' });
    expect([harness.access.client(clientId), await harness.consentsTo(clientId)]).toEqual([undefined, 0]);
  });
});

describe('the list of clients', () => {
  test('is ordered by id, has each client once at any page size, and filters by origin, status and name', async () => {
    const prefix = `List ${randomUUID()}`;
    const made = [];
    for (const at of [1, 2, 3]) made.push((await harness.newClient({ name: `${prefix} ${at}` })).client_id);
    const [first = ''] = made;
    await disableClient(harness, { client_id: first, reason }, testCaller);
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listClients(harness, { limit: 2, cursor, name_prefix: prefix.toUpperCase() });
      paged.push(...page.clients.map(({ client_id }) => client_id));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(paged).toEqual([...made].sort());
    const disabled = await listClients(harness, { limit: 10, name_prefix: prefix, disabled: 'true' });
    expect(disabled.clients.map(({ client_id }) => client_id)).toEqual([first]);
    expect((await listClients(harness, { limit: 10, name_prefix: prefix, origin: 'registration' })).clients).toEqual(
      [],
    );
    const all = await listClients(harness, { limit: 100 });
    expect(all.clients.filter((client) => client.built_in).map(({ client_id }) => client_id)).toEqual([
      FIRST_PARTY_CLIENT_ID,
      CONSOLE_CLIENT_ID,
    ]);
    await expect(listClients(harness, { limit: 1, cursor: 'x' })).rejects.toMatchObject({ code: 'cursor_invalid' });
  });
});
