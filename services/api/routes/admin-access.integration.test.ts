import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { blackPng, logoOf } from '#tools/testing/fakes/png.ts';
import { claimsIn, untilVerdict, verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson, pairOf } from '#tools/testing/flows/people.ts';
import type { ApiCopy } from '#tools/testing/harness/api.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const harness = opened(() => openAdminHarness());
/** A second copy of the installation. */
const two = opened(() => harness.startCopy({ hashes: false }));

describe('roles', () => {
  test('the initial roles exist, are listed in pages, and two of them are built in', async () => {
    const first = (await harness.byAdmin('GET', '/v1/admin/roles?limit=4')).body;
    const rest = (await harness.byAdmin('GET', `/v1/admin/roles?limit=20&cursor=${first.next}`)).body;
    const roles = [...first.roles, ...rest.roles];
    expect(roles.map(({ name }) => name)).toEqual(
      `admin agent architect auditor clinician compliance developer operator privacy_officer product_owner qa
      security_reviewer tech_lead user`.split(/\s+/),
    );
    expect(rest.next).toBeNull();
    expect(roles.filter((role) => role.built_in).map(({ name }) => name)).toEqual(['admin', 'user']);
    expect(roles.find(({ name }) => name === 'agent').permissions).toEqual([]);
    expect(roles.find(({ name }) => name === 'operator').permissions).toContain('sessions:manage');
    expectProblem(await harness.byAdmin('GET', '/v1/admin/roles?cursor=AAAA'), 400, 'cursor_invalid');
    const managers = (await harness.byAdmin('GET', '/v1/admin/roles?permission=sessions:manage')).body.roles;
    expect(managers.map(({ name }: { name: string }) => name)).toEqual(['admin', 'operator']);
  });

  test('an added permission is in the next token; a removed one is refused by both copies, for existing tokens too', async () => {
    const name = 'support-desk';
    const made = await harness.byAdmin('POST', '/v1/admin/roles', {
      name,
      description: 'Helps',
      permissions: [],
      reason,
    });
    expect([made.status, made.body]).toEqual([201, { name, description: 'Helps', permissions: [], built_in: false }]);
    const person = await newPerson(harness.copy, [name]);
    const asks = (bearer: string, copy: ApiCopy) => harness.as(bearer, copy)('GET', '/v1/keys');
    for (const copy of [harness.copy, two]) expectProblem(await asks(person.bearer, copy), 403, 'permission_missing');

    const permissions = ['keys:read', 'tokens:read'];
    const given = await harness.byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions, reason });
    expect([given.status, given.body.permissions]).toEqual([200, permissions]);
    const { bearer } = await pairOf(harness.copy, person);
    expect(decodeJwt(bearer)).toMatchObject({ permissions, roles: [name, 'user'] });
    for (const copy of [harness.copy, two]) expect((await asks(bearer, copy)).status).toBe(200);

    expect(
      (await harness.byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions: ['tokens:read'], reason }))
        .status,
    ).toBe(200);
    // This copy applies the change before it answers, the other as soon as it is notified.
    expectProblem(await asks(bearer, harness.copy), 401, 'unauthenticated');
    await eventually('the other copy to know', async () => (await asks(bearer, two)).status === 401);
    const next = await pairOf(two, person);
    expect(claimsIn(next.bearer).permissions).toEqual(['tokens:read']);
    for (const copy of [harness.copy, two]) expectProblem(await asks(next.bearer, copy), 403, 'permission_missing');

    expect(await harness.events('role.created', name)).toEqual([
      { outcome: 'ok', actor_kind: 'user', actor_id: harness.admin.id, detail: { reason } },
    ]);
    expect((await harness.events('role.changed', name)).map(({ detail }) => detail)).toEqual([
      { added: permissions, reason },
      { removed: ['keys:read'], reason },
    ]);
    const [cut] =
      await harness.rows`SELECT count(*)::int FROM revocations WHERE kind = 'user' AND value = ${person.id}`;
    expect(cut).toEqual({ count: 1 });
  });

  test('an unassigned role can be deleted; unknown, existing and invalid roles each get their own error', async () => {
    const name = 'short-lived';
    const body = { name, description: 'x', permissions: ['keys:read', 'keys:read'], reason };
    expect((await harness.byAdmin('POST', '/v1/admin/roles', body)).status).toBe(201);
    expectProblem(await harness.byAdmin('POST', '/v1/admin/roles', body), 409, 'role_exists');
    const unknown = await harness.byAdmin('POST', '/v1/admin/roles', {
      ...body,
      name: 'other',
      permissions: ['no:such'],
    });
    expectProblem(unknown, 400, 'permission_unknown');
    const holder = await newPerson(harness.copy, [name]);
    expectProblem(await harness.byAdmin('DELETE', `/v1/admin/roles/${name}?reason=x`), 409, 'role_held');
    await harness.rows`DELETE FROM user_roles WHERE user_id = ${holder.id} AND role = ${name}`;
    expect((await harness.byAdmin('DELETE', `/v1/admin/roles/${name}?reason=done`)).status).toBe(204);
    expectProblem(await harness.byAdmin('DELETE', `/v1/admin/roles/${name}?reason=x`), 404, 'role_unknown');
    const deleted = await harness.byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions: [], reason });
    expectProblem(deleted, 404, 'role_unknown');
    expect((await harness.events('role.deleted', name)).map(({ detail }) => detail)).toEqual([{ reason: 'done' }]);
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
      'an unknown member',
      'POST',
      '/v1/admin/roles',
      { name: 'x', description: 'x', permissions: [], reason, built_in: true },
    ],
    ['a page too long', 'GET', '/v1/admin/roles?limit=101', undefined],
    ['a deletion without a reason', 'DELETE', '/v1/admin/roles/auditor', undefined],
  ])('%s is 400', async (_, method, path, body) => {
    expectProblem(await harness.byAdmin(method, path, body), 400, 'request_invalid');
  });
});

describe('clients', () => {
  test('a client is created with its secret, which no list or later answer contains; the secret works at once', async () => {
    const made = await harness.register({
      credential_scopes: ['tokens:read'],
      redirect_uris: ['https://reports.example/cb'],
    });
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
    expect((await harness.tokenBy(made.body)).status).toBe(200);
    expect((await harness.byAdmin('GET', `/v1/admin/clients/${shown.client_id}`)).body).toEqual(shown);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await harness.byAdmin('GET', `/v1/admin/clients?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.text).not.toMatch(/secret":/);
      seen.push(...page.body.clients.map((client: { client_id: string }) => client.client_id));
      cursor = page.body.next;
    }
    expect([seen, seen]).toEqual([[...seen].sort(), expect.arrayContaining([shown.client_id, 'sallyport'])]);
    expect(await harness.events('client.created', shown.client_id)).toEqual([
      { outcome: 'ok', actor_kind: 'user', actor_id: harness.admin.id, detail: { reason } },
    ]);
  });

  test('the address for logout tokens is https or http without user part and fragment, kept until changed, and removed by null', async () => {
    const uri = 'https://reports.example/logout?tenant=1';
    const given = { backchannel_logout_uri: uri, backchannel_logout_session_required: true };
    const { body: client } = await harness.register(given);
    expect(client).toMatchObject(given);
    const path = `/v1/admin/clients/${client.client_id}`;
    const change = (members: object) => harness.byAdmin('PATCH', path, { ...members, reason });
    for (const bad of [
      'javascript:alert(1)',
      'https://a@b.example/',
      `${uri}#x`,
      'https://b.example/ x',
      '/logout',
      '',
    ])
      expectProblem(await change({ backchannel_logout_uri: bad }), 400, 'request_invalid');
    expect((await change({ name: 'Other' })).body).toMatchObject(given);
    const none = { backchannel_logout_uri: null, backchannel_logout_session_required: false };
    expect((await change(none)).body).toMatchObject(none);
    expect((await harness.byAdmin('GET', path)).body).toMatchObject(none);
    expect((await harness.register()).body).toMatchObject(none);
  });

  test('a client gets tokens for the installation and for its listed audiences only', async () => {
    const { body: client } = await harness.register({ audiences: ['https://tasks.example'] });
    const audienceOf = async (form: Record<string, string>) => {
      const answer = await harness.tokenBy(client, form);
      return answer.status === 200 ? decodeJwt(answer.body.access_token).aud : answer.body.error;
    };
    expect(await audienceOf({})).toBe('http://api.sallyport.test');
    expect(await audienceOf({ audience: 'https://tasks.example' })).toBe('https://tasks.example');
    expect(await audienceOf({ resource: 'https://tasks.example' })).toBe('https://tasks.example');
    expect(await audienceOf({ audience: 'https://payments.example' })).toBe('invalid_target');
    expect(await audienceOf({ resource: 'https://payments.example' })).toBe('invalid_target');
  });

  test('removing something from a client revokes its tokens, adding does not; the event names the columns', async () => {
    const { body: client } = await harness.register({ credential_scopes: ['tokens:read', 'keys:read'] });
    const { access_token: token } = (await harness.tokenBy(client)).body;
    const path = `/v1/admin/clients/${client.client_id}`;
    const grown = await harness.byAdmin('PATCH', path, { name: 'Numbers', audiences: ['https://a.example'], reason });
    expect([grown.status, grown.body.name, grown.body.audiences]).toEqual([200, 'Numbers', ['https://a.example']]);
    expect(await verdictOn({ api: harness.copy.url }, token)).toBe('active');
    await harness.byAdmin('PATCH', path, { credential_scopes: ['tokens:read'], reason });
    expect(await verdictOn({ api: harness.copy.url }, token)).toBe('revoked');
    await untilVerdict({ api: two.url }, token, 'revoked');
    expect((await harness.events('client.changed', client.client_id)).map(({ detail }) => detail)).toEqual([
      { columns: ['audiences', 'name'], reason },
      { columns: ['credential_scopes'], reason },
    ]);
  });

  test('a requirement beyond the secret applies at once: a key (RFC 9449 §5.2), a certificate (RFC 8705 §3.4)', async () => {
    const { body: client } = await harness.register();
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
      expect((await harness.byAdmin('PATCH', path, { [demand]: true, reason })).body).toMatchObject({
        ...nothing,
        [demand]: true,
      });
      expect((await harness.tokenBy(client)).body.code).toBe(refusal);
      expect((await harness.byAdmin('PATCH', path, { [demand]: false, name: 'x', reason })).body).toMatchObject(
        nothing,
      );
      expect((await harness.tokenBy(client)).status).toBe(200);
    }
    const pushes = { require_pushed_authorization_requests: true, reason };
    expect((await harness.byAdmin('PATCH', path, pushes)).body.require_pushed_authorization_requests).toBe(true);
    expect(
      (await harness.byAdmin('PATCH', path, { name: 'y', reason })).body.require_pushed_authorization_requests,
    ).toBe(true);
    expect(harness.copy.ports.access.client(client.client_id)?.require_pushed_authorization_requests).toBe(true);
    expectProblem(await harness.byAdmin('PATCH', path, { pkce: 'optional', reason }), 400, 'client_settings_conflict');
  });

  test('a new secret works beside the old one for the overlap, or replaces it at once, at both copies; events contain neither', async () => {
    const { body: client } = await harness.register();
    const path = `/v1/admin/clients/${client.client_id}/rotate-secret`;
    const rotated = await harness.byAdmin('POST', path, { reason });
    expect(rotated.status).toBe(200);
    expect(rotated.body.client_secret).not.toBe(client.client_secret);
    expect(Date.parse(rotated.body.previous_secret_until)).toBeGreaterThan(Date.now() + 80_000_000);
    for (const secret of [client, rotated.body]) expect((await harness.tokenBy(secret)).status).toBe(200);
    await eventually(
      'the other copy to know',
      async () => (await harness.tokenBy(rotated.body, {}, two)).status === 200,
    );
    expect((await harness.tokenBy(client, {}, two)).status).toBe(200);

    const leaked = await harness.byAdmin('POST', path, { reason, overlap_seconds: 0 });
    expect([leaked.status, leaked.body.previous_secret_until]).toEqual([200, null]);
    for (const secret of [client, rotated.body]) expect((await harness.tokenBy(secret)).status).toBe(401);
    expect((await harness.tokenBy(leaked.body)).status).toBe(200);
    await eventually(
      'the other copy to know',
      async () => (await harness.tokenBy(rotated.body, {}, two)).status === 401,
    );
    expect(await harness.events('client.secret_rotated', client.client_id)).toMatchObject([
      { detail: { reason, previous_until: expect.any(String) } },
      { detail: { reason } },
    ]);
    expectProblem(await harness.byAdmin('POST', path, { reason, overlap_seconds: 604_801 }), 400, 'request_invalid');
    const { body: page } = await harness.register({ auth_method: 'none', grant_types: ['refresh_token'] });
    expect(page.client_secret).toBeNull();
    const rotation = await harness.byAdmin('POST', `/v1/admin/clients/${page.client_id}/rotate-secret`, { reason });
    expectProblem(rotation, 409, 'client_without_secret');
  });

  test('a disabled client is refused with its tokens, works again when enabled, and is gone when deleted', async () => {
    const { body: client } = await harness.register();
    const { access_token: token } = (await harness.tokenBy(client)).body;
    const path = `/v1/admin/clients/${client.client_id}`;
    expect((await harness.byAdmin('POST', `${path}/disable`, { reason })).body.disabled).toBe(true);
    expect((await harness.tokenBy(client)).status).toBe(401);
    expect(await verdictOn({ api: harness.copy.url }, token)).toBe('revoked');
    expect((await harness.byAdmin('POST', `${path}/enable`, { reason })).body.disabled).toBe(false);
    expect((await harness.tokenBy(client)).status).toBe(200);
    expect((await harness.byAdmin('DELETE', `${path}?reason=over`)).status).toBe(204);
    expect((await harness.tokenBy(client)).status).toBe(401);
    expect(await harness.events('client.deleted', client.client_id)).toMatchObject([{ detail: { reason: 'over' } }]);
    for (const [method, at, body] of [
      ['GET', path, undefined],
      ['PATCH', path, { reason }],
      ['POST', `${path}/disable`, { reason }],
      ['DELETE', `${path}?reason=x`, undefined],
    ] as const)
      expectProblem(await harness.byAdmin(method, at, body), 404, 'client_unknown');
  });

  test('the installation’s own client cannot be deleted, ids are unique, and redirect addresses are validated', async () => {
    expectProblem(await harness.byAdmin('DELETE', '/v1/admin/clients/sallyport?reason=x'), 409, 'client_protected');
    const own = await harness.byAdmin('POST', '/v1/admin/clients/sallyport/disable', { reason });
    expectProblem(own, 409, 'client_protected');
    expectProblem(await harness.register({ client_id: 'sallyport' }), 409, 'client_exists');
    expectProblem(await harness.register({ client_id: harness.admin.id }), 409, 'client_exists');
    expectProblem(await harness.register({ redirect_uris: ['javascript:alert(1)'] }), 400, 'redirect_uri_refused');
    expectProblem(await harness.register({ secret: 'mine' }), 400, 'request_invalid');
  });

  test('a logo is answered as an image that can do nothing, until it is removed; no answer about the client has it', async () => {
    const logo = logoOf(blackPng(8));
    const { body: client } = await harness.register({ logo });
    expect(client).toMatchObject({ has_logo: true });
    expect(client).not.toHaveProperty('logo');
    const path = `/oauth2/clients/${client.client_id}/logo`;
    const shown = await fetch(harness.copy.url + path);
    expect(shown.status).toBe(200);
    expect(logoOf(Buffer.from(await shown.arrayBuffer()))).toBe(logo);
    expect(Object.fromEntries(shown.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-security-policy': "default-src 'none'; sandbox",
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'cache-control': 'public, max-age=300',
    });
    const admin = `/v1/admin/clients/${client.client_id}`;
    expect((await harness.byAdmin('PATCH', admin, { logo: null, reason })).body.has_logo).toBe(false);
    expectProblem(await send(harness.copy.url, 'GET', path), 404, 'client_unknown');
    for (const bad of ['https://app.test/logo.png', `data:image/svg+xml;base64,${'A'.repeat(8)}`, 'x'.repeat(32_769)])
      expectProblem(await harness.byAdmin('PATCH', admin, { logo: bad, reason }), 400, 'request_invalid');
    const unlike = await harness.byAdmin('PATCH', admin, { logo: 'data:image/png;base64,AAAA', reason });
    expectProblem(unlike, 400, 'client_logo_refused');
  });
});

describe('rights of clients', () => {
  test('an administrator gives no client permissions beyond the administrator’s own, and cannot take over a stronger client', async () => {
    const permissions = ['clients:manage', 'tokens:read'];
    await harness.byAdmin('POST', '/v1/admin/roles', { name: 'client-keeper', description: 'x', permissions, reason });
    const keeper = harness.as((await newPerson(harness.copy, ['client-keeper'])).bearer);
    const { body: strong } = await harness.register({ credential_scopes: ['keys:manage'] });
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
    expect((await harness.tokenBy(strong)).status).toBe(200);
    const weak = await keeper('POST', '/v1/admin/clients', {
      json: { ...base, credential_scopes: ['tokens:read', 'tasks.write'] },
    });
    expect(weak.status).toBe(201);
    const wider = await keeper('PATCH', `/v1/admin/clients/${weak.body.client_id}`, {
      json: { credential_scopes: ['keys:manage'], reason },
    });
    expectProblem(wider, 403, 'rights_exceeded');
  });

  test('a client that may issue tokens for a user counts as having that user’s permissions, so no one creates or changes it beyond their own', async () => {
    const permissions = ['clients:manage', 'tokens:issue', 'tokens:read'];
    await harness.byAdmin('POST', '/v1/admin/roles', { name: 'issuer-keeper', description: 'x', permissions, reason });
    const keeper = harness.as((await newPerson(harness.copy, ['issuer-keeper'])).bearer);
    const base = { name: 'x', grant_types: [], reason };
    const issuing = { ...base, credential_scopes: ['tokens:issue'] };
    const make = (json: object) => keeper('POST', '/v1/admin/clients', { json });
    expectProblem(await make({ ...issuing, scopes: ['openid', 'keys:manage'] }), 403, 'rights_exceeded');
    const weak = await make({ ...issuing, scopes: ['openid', 'tokens:read'] });
    const plain = await make({ ...base, scopes: ['openid', 'keys:manage'] });
    expect([weak.status, plain.status]).toEqual([201, 201]);
    const { body: strong } = await harness.register({ credential_scopes: ['tokens:issue'], scopes: ['keys:manage'] });
    for (const [method, path, json] of [
      ['PATCH', weak.body.client_id, { scopes: ['openid', 'keys:manage'], reason }],
      ['PATCH', plain.body.client_id, { credential_scopes: ['tokens:issue'], reason }],
      ['PATCH', strong.client_id, { credential_scopes: [], scopes: [], reason }],
      ['POST', `${strong.client_id}/rotate-secret`, { reason }],
    ] as const)
      expectProblem(await keeper(method, `/v1/admin/clients/${path}`, { json }), 403, 'rights_exceeded');
  });
});
