import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClientView } from '../../domain/access/contract.ts';
import type { ApiCopy } from '../../platform/testing/api-copy.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/api-world.ts';
import { claimsIn, untilVerdict, verdictOn } from '../../platform/testing/flows.ts';
import { expectProblem, type Received, type Sent, send } from '../../platform/testing/http-client.ts';
import { newPerson, type Person, pairOf } from '../../platform/testing/people.ts';
import { eventually } from '../../platform/testing/product.ts';

let world: ApiWorld;
let one: ApiCopy;
let two: ApiCopy;
let admin: Person;
beforeAll(async () => {
  world = await openApiWorld();
  one = await world.startCopy({ hashes: false });
  two = await world.startCopy({ hashes: false });
  admin = await newPerson(one, ['admin']);
});
afterAll(() => world?.close());

const as =
  (bearer: string, copy = one) =>
  (method: string, path: string, sent: Sent = {}): Promise<Received> =>
    send(copy.url, method, path, { bearer, ...sent });
const byAdmin = (method: string, path: string, json?: object): Promise<Received> =>
  as(admin.bearer)(method, path, json === undefined ? {} : { json });
const reason = 'because of the test';
const events = (type: string, target: string) =>
  world.rows(
    `SELECT outcome, actor_kind, actor_id, detail FROM audit_outbox WHERE type = $1 AND target_id = $2 ORDER BY id`,
    [type, target],
  );

describe('roles', () => {
  test('C-DAT-08: the starting roles are there, a page at a time, and two of them are built in', async () => {
    const first = (await byAdmin('GET', '/v1/admin/roles?limit=4')).body;
    const rest = (await byAdmin('GET', `/v1/admin/roles?limit=4&cursor=${first.next}`)).body;
    const roles = [...first.roles, ...rest.roles];
    expect(roles.map(({ name }) => name)).toEqual(['admin', 'agent', 'auditor', 'compliance', 'operator', 'user']);
    expect(rest.next).toBeNull();
    expect(roles.filter((role) => role.built_in).map(({ name }) => name)).toEqual(['admin', 'user']);
    expect(roles.find(({ name }) => name === 'agent').permissions).toEqual([]);
    expect(roles.find(({ name }) => name === 'operator').permissions).toContain('sessions:manage');
    expectProblem(await byAdmin('GET', '/v1/admin/roles?cursor=AAAA'), 400, 'cursor_invalid');
    const managers = (await byAdmin('GET', '/v1/admin/roles?permission=sessions:manage')).body.roles;
    expect(managers.map(({ name }: { name: string }) => name)).toEqual(['admin', 'operator']);
  });

  test('C-MWA-10: a right given is in the next token; one taken away is refused by both copies, from tokens there are too', async () => {
    const name = 'support-desk';
    const made = await byAdmin('POST', '/v1/admin/roles', { name, description: 'Helps', permissions: [], reason });
    expect([made.status, made.body]).toEqual([201, { name, description: 'Helps', permissions: [], built_in: false }]);
    const person = await newPerson(one, [name]);
    const asks = (bearer: string, copy: ApiCopy) => as(bearer, copy)('GET', '/v1/keys');
    for (const copy of [one, two]) expectProblem(await asks(person.bearer, copy), 403, 'permission_missing');

    const permissions = ['keys:read', 'tokens:read'];
    const given = await byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions, reason });
    expect([given.status, given.body.permissions]).toEqual([200, permissions]);
    const { bearer } = await pairOf(one, person);
    expect(decodeJwt(bearer)).toMatchObject({ permissions, roles: [name, 'user'] });
    for (const copy of [one, two]) expect((await asks(bearer, copy)).status).toBe(200);

    expect(
      (await byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions: ['tokens:read'], reason })).status,
    ).toBe(200);
    // This copy before it answered, the other as soon as it is told.
    expectProblem(await asks(bearer, one), 401, 'unauthenticated');
    await eventually('the other copy to know', async () => (await asks(bearer, two)).status === 401);
    const next = await pairOf(two, person);
    expect(claimsIn(next.bearer).permissions).toEqual(['tokens:read']);
    for (const copy of [one, two]) expectProblem(await asks(next.bearer, copy), 403, 'permission_missing');

    expect(await events('role.created', name)).toEqual([
      { outcome: 'ok', actor_kind: 'user', actor_id: admin.id, detail: { reason } },
    ]);
    expect((await events('role.changed', name)).map(({ detail }) => detail)).toEqual([
      { added: permissions, reason },
      { removed: ['keys:read'], reason },
    ]);
    const [cut] = await world.rows(`SELECT count(*)::int FROM revocations WHERE kind = 'user' AND value = $1`, [
      person.id,
    ]);
    expect(cut).toEqual({ count: 1 });
  });

  test('several rights taken at once cut their holders off once', async () => {
    const name = 'three-rights';
    const permissions = ['audit:read', 'keys:read', 'tokens:read'];
    await byAdmin('POST', '/v1/admin/roles', { name, description: 'x', permissions, reason });
    const people = await Promise.all([newPerson(one, [name]), newPerson(one, [name])]);
    await byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions: [], reason });
    const epochs = await world.rows(`SELECT DISTINCT "tokenEpoch" AS epoch FROM users WHERE id = ANY ($1)`, [
      people.map(({ id }) => id),
    ]);
    expect(epochs).toEqual([{ epoch: 1 }]);
    for (const { bearer } of people) expect(await verdictOn({ api: one.url }, bearer)).toBe('revoked');
  });

  test('API5: nobody makes a role stronger than themselves or takes from a stronger one, and the built-in ones stay as they are', async () => {
    await byAdmin('POST', '/v1/admin/roles', {
      name: 'role-maker',
      description: 'x',
      permissions: ['roles:manage'],
      reason,
    });
    const person = await newPerson(one, ['role-maker']);
    const maker = as(person.bearer);
    const strong = { name: 'stronger', description: 'x', permissions: ['roles:manage', 'keys:manage'], reason };
    const refused = await maker('POST', '/v1/admin/roles', { json: strong });
    expectProblem(refused, 403, 'rights_exceeded');
    expect(refused.body.detail).toBe('You do not have keys:manage.');
    // L1: as an event, of which there is one for whoever tries again within a minute.
    const told = await world.rows(
      `SELECT detail FROM audit_outbox WHERE type = 'access.denied' AND outcome = 'refused' AND actor_id = $1`,
      [person.id],
    );
    expect(told).toEqual([
      { detail: { code: 'rights_exceeded', permission: 'roles:manage', operation: 'createRole' } },
    ]);
    expect(await world.rows(`SELECT name FROM roles WHERE name = 'stronger'`)).toEqual([]);
    expectProblem(
      await maker('PUT', '/v1/admin/roles/role-maker/permissions', { json: { permissions: ['keys:manage'], reason } }),
      403,
      'rights_exceeded',
    );
    await byAdmin('POST', '/v1/admin/roles', { ...strong, name: 'keeper' });
    for (const permissions of [[], ['roles:manage']])
      expectProblem(
        await maker('PUT', '/v1/admin/roles/keeper/permissions', { json: { permissions, reason } }),
        403,
        'rights_exceeded',
      );
    expect(await world.rows(`SELECT permission FROM role_permissions WHERE role = 'keeper' ORDER BY 1`)).toEqual([
      { permission: 'keys:manage' },
      { permission: 'roles:manage' },
    ]);
    for (const role of ['admin', 'user']) {
      expectProblem(
        await byAdmin('PUT', `/v1/admin/roles/${role}/permissions`, { permissions: [], reason }),
        409,
        'role_protected',
      );
      expectProblem(await byAdmin('DELETE', `/v1/admin/roles/${role}?reason=x`), 409, 'role_protected');
    }
  });

  test('a role that nobody has can go; unknown, taken and impossible ones are told apart', async () => {
    const name = 'short-lived';
    const body = { name, description: 'x', permissions: ['keys:read', 'keys:read'], reason };
    expect((await byAdmin('POST', '/v1/admin/roles', body)).status).toBe(201);
    expectProblem(await byAdmin('POST', '/v1/admin/roles', body), 409, 'role_exists');
    expectProblem(
      await byAdmin('POST', '/v1/admin/roles', { ...body, name: 'other', permissions: ['no:such'] }),
      400,
      'permission_unknown',
    );
    const holder = await newPerson(one, [name]);
    expectProblem(await byAdmin('DELETE', `/v1/admin/roles/${name}?reason=x`), 409, 'role_held');
    await world.rows('DELETE FROM user_roles WHERE user_id = $1 AND role = $2', [holder.id, name]);
    expect((await byAdmin('DELETE', `/v1/admin/roles/${name}?reason=done`)).status).toBe(204);
    expectProblem(await byAdmin('DELETE', `/v1/admin/roles/${name}?reason=x`), 404, 'role_unknown');
    expectProblem(
      await byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions: [], reason }),
      404,
      'role_unknown',
    );
    expect((await events('role.deleted', name)).map(({ detail }) => detail)).toEqual([{ reason: 'done' }]);
  });

  test.each([
    ['no reason', 'POST', '/v1/admin/roles', { name: 'x', description: 'x', permissions: [] }],
    ['an empty reason', 'POST', '/v1/admin/roles', { name: 'x', description: 'x', permissions: [], reason: '' }],
    [
      'a reason too long',
      'POST',
      '/v1/admin/roles',
      { name: 'x', description: 'x', permissions: [], reason: 'x'.repeat(257) },
    ],
    ['a name with a space', 'POST', '/v1/admin/roles', { name: 'a b', description: 'x', permissions: [], reason }],
    [
      'an unknown member (A2)',
      'POST',
      '/v1/admin/roles',
      { name: 'x', description: 'x', permissions: [], reason, built_in: true },
    ],
    ['a page too long (A5)', 'GET', '/v1/admin/roles?limit=101', undefined],
    ['a deletion without a reason', 'DELETE', '/v1/admin/roles/auditor', undefined],
  ])('%s is 400', async (_, method, path, body) => {
    expectProblem(await byAdmin(method, path, body), 400, 'request_invalid');
  });
});

describe('clients', () => {
  test('are found by where they come from, whether they are disabled and how their name begins, in pages too', async () => {
    const make = async (name: string) =>
      (await byAdmin('POST', '/v1/admin/clients', { name, grant_types: [], reason })).body.client_id;
    const [one, two, other] = [await make('Filter One'), await make('filter two'), await make('Other')];
    await byAdmin('POST', `/v1/admin/clients/${two}/disable`, { reason });
    await world.rows(`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = $1`, [other]);
    const found = async (query: string): Promise<string[]> =>
      (await byAdmin('GET', `/v1/admin/clients?${query}`)).body.clients.map((client: ClientView) => client.client_id);
    expect((await found('name_prefix=FILTER')).sort()).toEqual([one, two].sort());
    expect(await found('name_prefix=filter&disabled=true')).toEqual([two]);
    expect(await found('name_prefix=filter&disabled=false')).toEqual([one]);
    expect(await found('origin=registration')).toEqual([other]);
    expect(await found('name_prefix=%25')).toEqual([]);
    const first = (await byAdmin('GET', '/v1/admin/clients?name_prefix=filter&limit=1')).body;
    expect(await found(`name_prefix=filter&limit=1&cursor=${first.next}`)).toHaveLength(1);
    expectProblem(await byAdmin('GET', '/v1/admin/clients?origin=elsewhere'), 400, 'request_invalid');
  });

  const register = (body: object = {}) =>
    byAdmin('POST', '/v1/admin/clients', { name: 'Reports', grant_types: ['client_credentials'], reason, ...body });
  const tokenBy = (
    client: { client_id: string; client_secret: string },
    form: Record<string, string> = {},
    copy = one,
  ) => send(copy.url, 'POST', '/oauth2/token', { basic: client, form: { grant_type: 'client_credentials', ...form } });

  test('a client is made with its secret, which no list or later answer has; it works at once', async () => {
    const made = await register({ credential_scopes: ['tokens:read'], redirect_uris: ['https://reports.example/cb'] });
    expect(made.status).toBe(201);
    const { client_secret, ...shown } = made.body;
    expect(shown).toMatchObject({
      name: 'Reports',
      auth_method: 'client_secret_basic',
      disabled: false,
      built_in: false,
      audiences: [],
    });
    expect(Buffer.from(client_secret, 'base64url')).toHaveLength(32);
    expect((await tokenBy(made.body)).status).toBe(200);
    expect((await byAdmin('GET', `/v1/admin/clients/${shown.client_id}`)).body).toEqual(shown);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await byAdmin('GET', `/v1/admin/clients?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.text).not.toMatch(/secret":/);
      seen.push(...page.body.clients.map((client: { client_id: string }) => client.client_id));
      cursor = page.body.next;
    }
    expect(seen).toEqual([...seen].sort());
    expect(seen).toEqual(expect.arrayContaining([shown.client_id, 'sallyport']));
    expect(await events('client.created', shown.client_id)).toEqual([
      { outcome: 'ok', actor_kind: 'user', actor_id: admin.id, detail: { reason } },
    ]);
  });

  test('T12: its tokens are for the installation, or for the audiences listed for it', async () => {
    const { body: client } = await register({ audiences: ['https://tasks.example'] });
    const audienceOf = async (form: Record<string, string>) => {
      const answer = await tokenBy(client, form);
      return answer.status === 200 ? decodeJwt(answer.body.access_token).aud : answer.body.error;
    };
    expect(await audienceOf({})).toBe('http://api.sallyport.test');
    expect(await audienceOf({ audience: 'https://tasks.example' })).toBe('https://tasks.example');
    expect(await audienceOf({ resource: 'https://tasks.example' })).toBe('https://tasks.example');
    expect(await audienceOf({ audience: 'https://payments.example' })).toBe('invalid_target');
    expect(await audienceOf({ resource: 'https://payments.example' })).toBe('invalid_target');
  });

  test('what is taken from a client ends its tokens; what is added does not; the event names the columns', async () => {
    const { body: client } = await register({ credential_scopes: ['tokens:read', 'keys:read'] });
    const { access_token: token } = (await tokenBy(client)).body;
    const path = `/v1/admin/clients/${client.client_id}`;
    const grown = await byAdmin('PATCH', path, { name: 'Numbers', audiences: ['https://a.example'], reason });
    expect([grown.status, grown.body.name, grown.body.audiences]).toEqual([200, 'Numbers', ['https://a.example']]);
    expect(await verdictOn({ api: one.url }, token)).toBe('active');
    await byAdmin('PATCH', path, { credential_scopes: ['tokens:read'], reason });
    expect(await verdictOn({ api: one.url }, token)).toBe('revoked');
    await untilVerdict({ api: two.url }, token, 'revoked');
    expect((await events('client.changed', client.client_id)).map(({ detail }) => detail)).toEqual([
      { columns: ['audiences', 'name'], reason },
      { columns: ['clientCredentialsScopes'], reason },
    ]);
  });

  test('what is asked of a client beside its secret is asked at once: a key (RFC 9449 §5.2), a certificate (RFC 8705 §3.4)', async () => {
    const { body: client } = await register();
    const path = `/v1/admin/clients/${client.client_id}`;
    const nothing = {
      dpop_bound_access_tokens: false,
      tls_client_certificate_bound_access_tokens: false,
      require_pushed_authorization_requests: false,
    };
    expect(client).toMatchObject(nothing);
    for (const [demand, refusal] of [
      ['dpop_bound_access_tokens', 'dpop_proof_invalid'],
      ['tls_client_certificate_bound_access_tokens', 'request_invalid'],
    ] as const) {
      expect((await byAdmin('PATCH', path, { [demand]: true, reason })).body).toMatchObject({
        ...nothing,
        [demand]: true,
      });
      expect((await tokenBy(client)).body.code).toBe(refusal);
      expect((await byAdmin('PATCH', path, { [demand]: false, name: 'x', reason })).body).toMatchObject(nothing);
      expect((await tokenBy(client)).status).toBe(200);
    }
    const pushes = { require_pushed_authorization_requests: true, reason };
    expect((await byAdmin('PATCH', path, pushes)).body.require_pushed_authorization_requests).toBe(true);
    expect((await byAdmin('PATCH', path, { name: 'y', reason })).body.require_pushed_authorization_requests).toBe(true);
    expect(one.ports.access.client(client.client_id)?.pushesRequests).toBe(true);
  });

  test('a new secret is good beside the old one for the overlap, or instead of it at once, at both copies; events have neither', async () => {
    const { body: client } = await register();
    const path = `/v1/admin/clients/${client.client_id}/rotate-secret`;
    const rotated = await byAdmin('POST', path, { reason });
    expect(rotated.status).toBe(200);
    expect(rotated.body.client_secret).not.toBe(client.client_secret);
    expect(Date.parse(rotated.body.previous_secret_until)).toBeGreaterThan(Date.now() + 80_000_000);
    for (const secret of [client, rotated.body]) expect((await tokenBy(secret)).status).toBe(200);
    await eventually('the other copy to know', async () => (await tokenBy(rotated.body, {}, two)).status === 200);
    expect((await tokenBy(client, {}, two)).status).toBe(200);

    const leaked = await byAdmin('POST', path, { reason, overlap_seconds: 0 });
    expect([leaked.status, leaked.body.previous_secret_until]).toEqual([200, null]);
    for (const secret of [client, rotated.body]) expect((await tokenBy(secret)).status).toBe(401);
    expect((await tokenBy(leaked.body)).status).toBe(200);
    await eventually('the other copy to know', async () => (await tokenBy(rotated.body, {}, two)).status === 401);
    expect(await events('client.secret_rotated', client.client_id)).toMatchObject([
      { detail: { reason, previous_until: expect.any(String) } },
      { detail: { reason } },
    ]);
    expectProblem(await byAdmin('POST', path, { reason, overlap_seconds: 604_801 }), 400, 'request_invalid');
    const { body: page } = await register({ auth_method: 'none', grant_types: ['refresh_token'] });
    expect(page.client_secret).toBeNull();
    expectProblem(
      await byAdmin('POST', `/v1/admin/clients/${page.client_id}/rotate-secret`, { reason }),
      409,
      'client_without_secret',
    );
  });

  test('a disabled client is refused with its tokens, works again when enabled, and is gone when deleted', async () => {
    const { body: client } = await register();
    const { access_token: token } = (await tokenBy(client)).body;
    const path = `/v1/admin/clients/${client.client_id}`;
    expect((await byAdmin('POST', `${path}/disable`, { reason })).body.disabled).toBe(true);
    expect((await tokenBy(client)).status).toBe(401);
    expect(await verdictOn({ api: one.url }, token)).toBe('revoked');
    expect((await byAdmin('POST', `${path}/enable`, { reason })).body.disabled).toBe(false);
    expect((await tokenBy(client)).status).toBe(200);
    expect((await byAdmin('DELETE', `${path}?reason=over`)).status).toBe(204);
    expect((await tokenBy(client)).status).toBe(401);
    expect(await events('client.deleted', client.client_id)).toMatchObject([{ detail: { reason: 'over' } }]);
    for (const [method, at, body] of [
      ['GET', path, undefined],
      ['PATCH', path, { reason }],
      ['POST', `${path}/disable`, { reason }],
      ['DELETE', `${path}?reason=x`, undefined],
    ] as const)
      expectProblem(await byAdmin(method, at, body), 404, 'client_unknown');
  });

  test('API5: no client gets rights that its maker lacks, and nobody takes over a stronger one', async () => {
    const permissions = ['clients:manage', 'tokens:read'];
    await byAdmin('POST', '/v1/admin/roles', { name: 'client-keeper', description: 'x', permissions, reason });
    const keeper = as((await newPerson(one, ['client-keeper'])).bearer);
    const { body: strong } = await register({ credential_scopes: ['keys:manage'] });
    const path = `/v1/admin/clients/${strong.client_id}`;
    const base = { name: 'x', grant_types: [], reason };
    for (const [method, at, json] of [
      ['POST', '/v1/admin/clients', { ...base, credential_scopes: ['keys:manage'] }],
      ['POST', `${path}/rotate-secret`, { reason }],
      ['PATCH', path, { redirect_uris: ['https://evil.example/'], reason }],
      ['POST', `${path}/disable`, { reason }],
      ['DELETE', `${path}?reason=x`, undefined],
    ] as const)
      expectProblem(await keeper(method, at, json === undefined ? {} : { json }), 403, 'rights_exceeded');
    expect((await tokenBy(strong)).status).toBe(200);
    const weak = await keeper('POST', '/v1/admin/clients', {
      json: { ...base, credential_scopes: ['tokens:read', 'tasks:write'] },
    });
    expect(weak.status).toBe(201);
    expectProblem(
      await keeper('PATCH', `/v1/admin/clients/${weak.body.client_id}`, {
        json: { credential_scopes: ['keys:manage'], reason },
      }),
      403,
      'rights_exceeded',
    );
  });

  test('API5: who may begin logins for anyone may do what those may: nobody makes or changes such a client beyond themselves', async () => {
    const permissions = ['clients:manage', 'tokens:issue', 'tokens:read'];
    await byAdmin('POST', '/v1/admin/roles', { name: 'issuer-keeper', description: 'x', permissions, reason });
    const keeper = as((await newPerson(one, ['issuer-keeper'])).bearer);
    const base = { name: 'x', grant_types: [], reason };
    const issuing = { ...base, credential_scopes: ['tokens:issue'] };
    const make = (json: object) => keeper('POST', '/v1/admin/clients', { json });
    expectProblem(await make({ ...issuing, scopes: ['openid', 'keys:manage'] }), 403, 'rights_exceeded');
    const weak = await make({ ...issuing, scopes: ['openid', 'tokens:read'] });
    const plain = await make({ ...base, scopes: ['openid', 'keys:manage'] });
    expect([weak.status, plain.status]).toEqual([201, 201]);
    const { body: strong } = await register({ credential_scopes: ['tokens:issue'], scopes: ['keys:manage'] });
    for (const [method, path, json] of [
      ['PATCH', weak.body.client_id, { scopes: ['openid', 'keys:manage'], reason }],
      ['PATCH', plain.body.client_id, { credential_scopes: ['tokens:issue'], reason }],
      ['PATCH', strong.client_id, { credential_scopes: [], scopes: [], reason }],
      ['POST', `${strong.client_id}/rotate-secret`, { reason }],
    ] as const)
      expectProblem(await keeper(method, `/v1/admin/clients/${path}`, { json }), 403, 'rights_exceeded');
  });

  test.each([
    ['agreed to', `INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ($2, $1, 'x', '{openid}')`],
    [
      'are never asked about',
      `WITH person AS (SELECT $2::text) UPDATE oauth_clients SET "skipConsent" = true WHERE "clientId" = $1`,
    ],
  ])('API5: nobody comes into what people %s without the rights that they let the client have', async (_, sql) => {
    const role = `keeper-${randomUUID()}`;
    const permissions = ['clients:manage'];
    await byAdmin('POST', '/v1/admin/roles', { name: role, description: 'x', permissions, reason });
    const keeper = as((await newPerson(one, [role])).bearer);
    const { body: client } = await register({
      scopes: ['openid', 'keys:manage'],
      redirect_uris: ['https://app.example/'],
    });
    const path = `/v1/admin/clients/${client.client_id}`;
    const acts = [
      ['PATCH', path, { redirect_uris: ['https://evil.example/'], reason }],
      ['PATCH', path, { scopes: ['openid', 'keys:manage', 'audit:read'], reason }],
      ['POST', `${path}/rotate-secret`, { reason }],
    ] as const;
    await world.rows(sql, [client.client_id, admin.id]);
    for (const [method, at, json] of acts) expectProblem(await keeper(method, at, { json }), 403, 'rights_exceeded');
    expect((await byAdmin('GET', path)).body).toMatchObject({ redirect_uris: ['https://app.example/'] });
    expect((await tokenBy(client)).status).toBe(200);
    // What nobody lets it have is nobody's to lose.
    expect((await keeper('PATCH', path, { json: { name: 'Other', reason } })).status).toBe(200);
    const { body: unused } = await register({ scopes: ['openid', 'keys:manage'] });
    const changed = { redirect_uris: ['https://app.example/'], reason };
    expect((await keeper('PATCH', `/v1/admin/clients/${unused.client_id}`, { json: changed })).status).toBe(200);
  });

  test('a redirect address or scope that is added ends what people agreed to; what stays or goes does not', async () => {
    const { body: client } = await register({ scopes: ['openid'], redirect_uris: ['https://app.example/'] });
    const path = `/v1/admin/clients/${client.client_id}`;
    const consents = async (): Promise<number> =>
      (await world.rows('SELECT 1 FROM oauth_consents WHERE client_id = $1', [client.client_id])).length;
    const afterwards: [object, number][] = [
      [{ redirect_uris: ['https://app.example/', 'https://app.example/new'] }, 0],
      [{ redirect_uris: ['https://app.example/new'] }, 1],
      [{ scopes: ['openid', 'email'] }, 0],
      [{ scopes: ['openid'] }, 1],
    ];
    for (const [changes, kept] of afterwards) {
      await world.rows(
        `INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ($1, $2, 'x', '{openid}')
         ON CONFLICT DO NOTHING`,
        [admin.id, client.client_id],
      );
      expect((await byAdmin('PATCH', path, { ...changes, reason })).status).toBe(200);
      expect([changes, await consents()]).toEqual([changes, kept]);
    }
  });

  test('the installation’s own client stays, ids are unique, and redirect addresses are looked at', async () => {
    expectProblem(await byAdmin('DELETE', '/v1/admin/clients/sallyport?reason=x'), 409, 'client_protected');
    expectProblem(await byAdmin('POST', '/v1/admin/clients/sallyport/disable', { reason }), 409, 'client_protected');
    expectProblem(await register({ client_id: 'sallyport' }), 409, 'client_exists');
    expectProblem(await register({ client_id: admin.id }), 409, 'client_exists');
    expectProblem(await register({ redirect_uris: ['javascript:alert(1)'] }), 400, 'redirect_uri_refused');
    expectProblem(await register({ secret: 'mine' }), 400, 'request_invalid');
  });
});
