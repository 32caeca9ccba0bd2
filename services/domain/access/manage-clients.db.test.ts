import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '../../platform/testing/ports.ts';
import { type OwnPorts, openTestPorts } from '../../platform/testing/stores.ts';
import type { Caller } from '../ports.ts';
import { type AccessDirectory, createAccessDirectory, FIRST_PARTY_CLIENT_ID } from './access-directory.ts';
import {
  type ClientWithSecret,
  deleteClient,
  listClients,
  type ManageClientsPorts,
  type RegisterClientInput,
  readClient,
  registerClient,
  rotateClientSecret,
  setClientStanding,
  updateClient,
} from './manage-clients.ts';

let ports: OwnPorts;
let access: AccessDirectory;
let tools: ManageClientsPorts;
let told = 0;
beforeAll(async () => {
  ports = await openTestPorts();
  access = createAccessDirectory(ports);
  await access.load();
  const accessChanged = async (): Promise<void> => {
    told += 1;
    await access.load();
  };
  tools = { ...ports, access, accessChanged };
});
afterAll(() => ports?.end());
beforeEach(() => {
  told = 0;
});

const reason = 'test';
const CALLBACK = 'https://app.example.test/back';
/** Somebody who may do this, and nothing else. */
const holding = (...permissions: string[]): Caller => ({
  kind: 'client',
  clientId: 'manager',
  permissions: new Set(permissions),
  by: 'client',
  isVetted: true,
  request: testCaller.request,
});
async function newClient(changes: Partial<RegisterClientInput> = {}): Promise<ClientWithSecret> {
  const input = { name: 'App', grantTypes: ['authorization_code'], redirectUris: [CALLBACK], reason, ...changes };
  const made = await registerClient(tools, input, testCaller);
  told = 0;
  return made;
}
const eventsOf = async (clientId: string): Promise<string[]> =>
  (await ports.raw<{ type: string }>('SELECT type FROM audit_outbox WHERE target_id = $1 ORDER BY id', [clientId])).map(
    ({ type }) => type,
  );
/** Somebody who has agreed to what the client asked for. */
async function agree(clientId: string): Promise<void> {
  const id = randomUUID();
  await ports.raw('INSERT INTO users (id, email) VALUES ($1, $2)', [id, `${id}@example.test`]);
  await ports.raw('INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ($1, $2, $3, $4)', [
    id,
    clientId,
    'https://api.example.test',
    ['openid'],
  ]);
}
const agreementsTo = async (clientId: string): Promise<number> =>
  (await ports.raw('SELECT 1 FROM oauth_consents WHERE client_id = $1', [clientId])).length;

describe('a new client', () => {
  test('is answered with its secret this once, is known to the copies, and authenticates', async () => {
    const client_id = `app-${randomUUID()}`;
    const input = {
      name: 'App',
      clientId: client_id,
      grantTypes: ['authorization_code', 'refresh_token'],
      scopes: ['openid'],
      redirectUris: [CALLBACK],
      postLogoutRedirectUris: ['https://app.example.test/bye'],
      audiences: ['https://api.example.test'],
      dpopBound: true,
      certificateBound: true,
      pushesRequests: true,
      reason,
    };
    const { client_secret, ...view } = await registerClient(tools, input, holding());
    expect(told).toBe(1);
    expect(view).toMatchObject({
      client_id,
      name: 'App',
      auth_method: 'client_secret_basic',
      grant_types: input.grantTypes,
      scopes: ['openid'],
      credential_scopes: [],
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: input.postLogoutRedirectUris,
      audiences: input.audiences,
      dpop_bound_access_tokens: true,
      tls_client_certificate_bound_access_tokens: true,
      require_pushed_authorization_requests: true,
      disabled: false,
      built_in: false,
      origin: 'admin',
      previous_secret_until: null,
    });
    expect(access.authenticateClient(client_id, client_secret ?? '')?.clientId).toBe(client_id);
    expect(await readClient(ports, client_id)).toEqual(view);
    expect(await eventsOf(client_id)).toEqual(['client.created']);
  });

  test.each([
    ['redirect_uris', { redirectUris: ['http://app.example.test/back'] }],
    ['post_logout_redirect_uris', { postLogoutRedirectUris: ['https://*.example.test/'] }],
  ])('with unfit %s is refused, as is such a change, and nothing is made', async (_where, unfit) => {
    const { client_id, ...before } = await newClient();
    const refusal = { code: 'redirect_uri_refused' };
    const clientId = randomUUID();
    const input = { name: 'App', clientId, grantTypes: [], redirectUris: [], reason, ...unfit };
    await expect(registerClient(tools, input, testCaller)).rejects.toMatchObject(refusal);
    await expect(readClient(ports, clientId)).rejects.toMatchObject({ code: 'client_unknown' });
    const change = updateClient(tools, { clientId: client_id, changes: unfit, reason }, testCaller);
    await expect(change).rejects.toMatchObject(refusal);
    expect((await readClient(ports, client_id)).redirect_uris).toEqual(before.redirect_uris);
  });

  test('has no right by its own secret that its maker lacks; scopes of no permission are no right', async () => {
    const make = (caller: Caller, ...credentialScopes: string[]) =>
      registerClient(tools, { name: 'Job', grantTypes: [], redirectUris: [], credentialScopes, reason }, caller);
    await expect(make(holding('tokens:read'), 'tokens:read', 'keys:read')).rejects.toMatchObject({
      code: 'rights_exceeded',
      options: { detail: 'You do not have keys:read.' },
    });
    expect((await make(holding('tokens:read'), 'tokens:read', 'tasks:write')).credential_scopes).toHaveLength(2);
  });

  test('that may begin logins for anyone has what those may do: its maker needs that too', async () => {
    const make = (caller: Caller) =>
      registerClient(
        tools,
        {
          name: 'Broker',
          grantTypes: [],
          redirectUris: [],
          scopes: ['keys:read'],
          credentialScopes: ['tokens:issue'],
          reason,
        },
        caller,
      );
    await expect(make(holding('tokens:issue'))).rejects.toMatchObject({
      options: { detail: 'You do not have keys:read.' },
    });
    expect((await make(holding('tokens:issue', 'keys:read'))).scopes).toEqual(['keys:read']);
  });

  test('of an id that is taken is refused', async () => {
    const { client_id: clientId } = await newClient();
    await expect(newClient({ clientId })).rejects.toMatchObject({ code: 'client_exists' });
  });
});

const acts = {
  updateClient: (clientId: string, caller: Caller) =>
    updateClient(tools, { clientId, changes: { name: 'Other' }, reason }, caller),
  rotateClientSecret: (clientId: string, caller: Caller) => rotateClientSecret(tools, { clientId, reason }, caller),
  setClientStanding: (clientId: string, caller: Caller) =>
    setClientStanding(tools, { clientId, isDisabled: true, reason }, caller),
  deleteClient: (clientId: string, caller: Caller) => deleteClient(tools, { clientId, reason }, caller),
};

describe.each(Object.entries(acts))('%s', (_name, act) => {
  test('leaves the installation’s own client alone, and knows none that is not there', async () => {
    await expect(act(FIRST_PARTY_CLIENT_ID, testCaller)).rejects.toMatchObject({ code: 'client_protected' });
    await expect(act('nobody', testCaller)).rejects.toMatchObject({ code: 'client_unknown' });
    expect(told).toBe(0);
  });

  test('is for those who have every right of the client: its secret would be a way to them', async () => {
    const { client_id } = await newClient({ credentialScopes: ['keys:read'] });
    const before = await readClient(ports, client_id);
    await expect(act(client_id, holding('clients:manage'))).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect(await readClient(ports, client_id)).toEqual(before);
    expect(told).toBe(0);
    await act(client_id, holding('keys:read'));
    expect(told).toBe(1);
    expect((await eventsOf(client_id)).length).toBeGreaterThan(1);
  });
});

describe('a change', () => {
  test('leaves what it does not name', async () => {
    const { client_id: clientId, client_secret, ...before } = await newClient({ scopes: ['openid'] });
    const changed = await updateClient(
      tools,
      { clientId, changes: { name: 'New', dpopBound: true }, reason },
      testCaller,
    );
    expect(changed).toEqual({
      ...before,
      client_id: clientId,
      name: 'New',
      dpop_bound_access_tokens: true,
      updated_at: changed.updated_at,
    });
    expect(access.authenticateClient(clientId, client_secret ?? '')).toMatchObject({ dpopBound: true });
  });

  test('gives a client no right that whoever makes it lacks', async () => {
    const { client_id: clientId } = await newClient();
    const change = { clientId, changes: { credentialScopes: ['keys:manage'] }, reason };
    await expect(updateClient(tools, change, holding('keys:read'))).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect((await readClient(ports, clientId)).credential_scopes).toEqual([]);
  });

  test.each([
    ['a scope', { scopes: ['openid', 'email'] }],
    ['a redirect address', { redirectUris: [CALLBACK, 'https://app.example.test/more'] }],
  ])('that adds %s has people asked again; one that only takes away does not', async (_what, more) => {
    const { client_id: clientId } = await newClient({ scopes: ['openid', 'profile'] });
    await agree(clientId);
    const change = (changes: object) => updateClient(tools, { clientId, changes, reason }, testCaller);
    await change({ name: 'Renamed' });
    await change({ scopes: ['openid'], redirectUris: [CALLBACK] });
    expect(await agreementsTo(clientId)).toBe(1);
    await change(more);
    expect(await agreementsTo(clientId)).toBe(0);
  });

  test('of what people agreed to is for those who have the rights they gave; where nobody did, for everybody', async () => {
    const { client_id: clientId } = await newClient({ scopes: ['openid', 'keys:read'] });
    const manager = holding('clients:manage');
    const redirectTo = (uri: string) =>
      updateClient(tools, { clientId, changes: { redirectUris: [uri] }, reason }, manager);
    await redirectTo('https://one.example.test/');
    await agree(clientId);
    await expect(redirectTo('https://two.example.test/')).rejects.toMatchObject({ code: 'rights_exceeded' });
    await expect(rotateClientSecret(tools, { clientId, reason }, manager)).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect(await agreementsTo(clientId)).toBe(1);
    expect((await readClient(ports, clientId)).redirect_uris).toEqual(['https://one.example.test/']);
  });

  test('of a client whose users are never asked needs the rights of their logins', async () => {
    const { client_id: clientId } = await newClient({ scopes: ['openid', 'keys:read'] });
    await ports.raw('UPDATE oauth_clients SET "skipConsent" = true WHERE "clientId" = $1', [clientId]);
    const input = { clientId, reason };
    await expect(rotateClientSecret(tools, input, holding())).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect((await rotateClientSecret(tools, input, holding('keys:read'))).client_secret).not.toBeNull();
  });
});

describe('a new secret', () => {
  test('leaves the one before good for a day unless said, and the answer says until when', async () => {
    const { client_id: clientId, client_secret: first } = await newClient();
    const rotated = await rotateClientSecret(tools, { clientId, reason }, testCaller);
    const until = Date.parse(rotated.previous_secret_until ?? '');
    expect(until - Date.parse(rotated.updated_at ?? '')).toBe(86_400_000);
    for (const secret of [first, rotated.client_secret])
      expect(access.authenticateClient(clientId, secret ?? '')?.clientId).toBe(clientId);
    const again = await rotateClientSecret(tools, { clientId, overlapSeconds: 0, reason }, testCaller);
    expect(again.previous_secret_until).toBeNull();
    for (const secret of [first, rotated.client_secret])
      expect(access.authenticateClient(clientId, secret ?? '')).toBeNull();
  });

  test('is for no public client: a secret in an app is none', async () => {
    const { client_id: clientId, client_secret } = await newClient({ authMethod: 'none' });
    expect(client_secret).toBeNull();
    const rotation = rotateClientSecret(tools, { clientId, reason }, testCaller);
    await expect(rotation).rejects.toMatchObject({ code: 'client_without_secret' });
    expect(await readClient(ports, clientId)).toMatchObject({ auth_method: 'none' });
  });
});

describe('the standing of a client', () => {
  test('refused it authenticates no more and its tokens end; taken in again those stay ended', async () => {
    const { client_id: clientId, client_secret: secret } = await newClient();
    const stand = (isDisabled: boolean) => setClientStanding(tools, { clientId, isDisabled, reason }, testCaller);
    expect((await stand(true)).disabled).toBe(true);
    expect(access.authenticateClient(clientId, secret ?? '')).toBeNull();
    expect((await stand(false)).disabled).toBe(false);
    expect(access.authenticateClient(clientId, secret ?? '')).toMatchObject({ tokenEpoch: 1 });
  });

  test('deleted it is unknown, and its agreements are gone', async () => {
    const { client_id: clientId } = await newClient();
    await agree(clientId);
    await deleteClient(tools, { clientId, reason }, testCaller);
    await expect(readClient(ports, clientId)).rejects.toMatchObject({ code: 'client_unknown' });
    expect([access.client(clientId), await agreementsTo(clientId)]).toEqual([undefined, 0]);
  });
});

describe('the list of clients', () => {
  test('is by id, each once however small the pages are, and narrows by origin, standing and name', async () => {
    const prefix = `List ${randomUUID()}`;
    const made = [];
    for (const at of [1, 2, 3]) made.push((await newClient({ name: `${prefix} ${at}` })).client_id);
    const [first = ''] = made;
    await setClientStanding(tools, { clientId: first, isDisabled: true, reason }, testCaller);
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listClients(ports, { limit: 2, cursor, namePrefix: prefix.toUpperCase() });
      paged.push(...page.items.map(({ client_id }) => client_id));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(paged).toEqual([...made].sort());
    const disabled = await listClients(ports, { limit: 10, namePrefix: prefix, isDisabled: true });
    expect(disabled.items.map(({ client_id }) => client_id)).toEqual([first]);
    expect((await listClients(ports, { limit: 10, namePrefix: prefix, origin: 'registration' })).items).toEqual([]);
    const own = await listClients(ports, { limit: 100 });
    expect(own.items.filter((client) => client.built_in).map(({ client_id }) => client_id)).toEqual([
      FIRST_PARTY_CLIENT_ID,
    ]);
    await expect(listClients(ports, { limit: 1, cursor: 'x' })).rejects.toMatchObject({ code: 'cursor_invalid' });
  });
});
