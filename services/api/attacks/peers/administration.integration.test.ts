import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { blackPng, logoOf } from '#tools/testing/fakes/png.ts';
import { insertRoles } from '#tools/testing/flows/every-caller.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import { sampleRequests } from '../sample-input-harness.ts';

/** How the administration of other servers was used by who may not, tried on this one. */
const harness = opened(openApiHarness);
const copy = opened(() => harness.startCopy({ hashes: false }));
const admin = opened(() => newPerson(copy, ['admin']));

const reason = 'test';
const asAdmin = (method: string, path: string, json?: Json): Promise<Received> =>
  send(copy.url, method, path, { bearer: admin.bearer, json });
const withBody = ({ method }: Endpoint, body: Json) => (method === 'GET' || body === undefined ? {} : { json: body });

test('an operation of the admin API answers no user without a role (CVE-2024-3656, Keycloak: some operations of administrators asked for no permission)', async () => {
  const { bearer } = await newPerson(copy);
  const operations = copy.bound.filter(({ path, rest }) => path.startsWith('/v1/admin/') && rest === undefined);
  expect(operations.length).toBeGreaterThan(hasWings ? 70 : 35);
  for (const endpoint of operations)
    for (const { path, body } of sampleRequests(endpoint, {})) {
      const { status, body: refused } = await send(copy.url, endpoint.method, path, {
        bearer,
        ...withBody(endpoint, body),
      });
      expect([endpoint.operation, status, refused?.code]).toEqual([endpoint.operation, 403, 'permission_missing']);
    }
});

test('a position in a list is data, never a part of a statement (CVE-2026-33503, Ory Kratos: forged positions were SQL)', async () => {
  const [table, always] = ["'; DROP TABLE users; --", "1' OR '1'='1"];
  const positions = [
    [table],
    [always, always],
    ['2026-01-01T00:00:00.000Z', table],
    ['\u0000'],
    { table },
    [[]],
    [1, 2],
  ];
  const cursors = positions.map((position) => Buffer.from(JSON.stringify(position)).toString('base64url'));
  const lists = copy.bound.filter(({ query }) =>
    Object.hasOwn((query as z.ZodObject | undefined)?.shape ?? {}, 'cursor'),
  );
  expect(lists.length).toBeGreaterThan(hasWings ? 20 : 10);
  for (const endpoint of lists)
    for (const cursor of cursors) {
      const [{ path } = { path: '' }] = sampleRequests(endpoint, {});
      const url = `${path}${path.includes('?') ? '&' : '?'}cursor=${cursor}`;
      const { status, text } = await asAdmin(endpoint.method, url);
      expect([endpoint.operation, cursor, status < 500, text.includes('syntax')]).toEqual([
        endpoint.operation,
        cursor,
        true,
        false,
      ]);
    }
  expect(await harness.rows`SELECT count(*) > 0 AS "isThere" FROM users`).toEqual([{ isThere: true }]);
});

test('who manages users, roles and clients gets no right that they lack (CVE-2025-7784, Keycloak: an administrator of users could grant themselves every right)', async () => {
  const rights = ['users:manage', 'roles:manage', 'clients:manage', 'agents:manage', 'applications:manage'];
  const [role = ''] = await insertRoles(harness, [rights]);
  const { id, bearer } = await newPerson(copy, [role]);
  const more = ['keys:manage'];
  const client = {
    name: 'more',
    grant_types: ['client_credentials'],
    credential_scopes: more,
    audiences: ['*'],
    reason,
  };
  const acts: readonly [string, string, Json][] = [
    ['PUT', `/v1/admin/users/${id}/roles/admin`, { reason }],
    ['POST', '/v1/admin/users', { email: newEmail(), roles: ['admin'], reason }],
    ['POST', '/v1/admin/roles', { name: `r-${randomUUID()}`, description: 'x', permissions: more, reason }],
    ['PUT', `/v1/admin/roles/${role}/permissions`, { permissions: [...rights, ...more], reason }],
    ['POST', '/v1/admin/clients', client],
    ['POST', '/v1/api-keys', { name: 'more', permissions: more }],
    ['POST', `/v1/admin/users/${admin.id}/factors/reset`, { reason }],
    ['POST', `/v1/admin/users/${admin.id}/disable`, { reason }],
    ['POST', `/v1/admin/users/${admin.id}/invite`, { reason }],
    ['POST', `/v1/admin/users/${admin.id}/password-mail`, { reason }],
    ['POST', `/v1/admin/users/${admin.id}/email/verify`, { reason }],
    ['POST', `/v1/admin/users/${admin.id}/email/change`, { email: newEmail(), reason }],
    ['DELETE', `/v1/admin/users/${admin.id}/consents/some-client?reason=x`, undefined],
    ['DELETE', `/v1/admin/users/${admin.id}?reason=x`, undefined],
  ];
  for (const [method, path, json] of acts) {
    const { status, body } = await send(copy.url, method, path, { bearer, json });
    expect([path, status, body?.code]).toEqual([path, 403, 'rights_exceeded']);
  }
  const held = `SELECT DISTINCT p.role FROM role_permissions p WHERE p.permission = 'keys:manage' ORDER BY p.role`;
  const holders = (await harness.rows(held)).map(({ role: name }) => name);
  expect(holders).not.toContain(role);
  expect(await harness.rows`SELECT role FROM user_roles WHERE user_id = ${id} ORDER BY role`).toEqual(
    [{ role }, { role: 'user' }].sort((a, b) => (a.role < b.role ? -1 : 1)),
  );
});

describe('an API key', () => {
  test('is made for its caller alone, whoever the body names (CVE-2025-61928, Better Auth: a body with a user’s id made a key of that user without a sign-in)', async () => {
    const victim = await newPerson(copy);
    const { cookie } = await newSignedIn(copy);
    const names = ['userId', 'user_id', 'owner', 'ownerId', 'referenceId', 'sub'];
    const headers = { origin: API_URL, 'x-user-id': victim.id };
    const senders = [{}, { cookie, headers }, { headers }];
    for (const name of names)
      for (const [at, sender] of senders.entries()) {
        const json = { name: 'mine', [name]: victim.id };
        const made = await send(copy.url, 'POST', '/v1/api-keys', { json, ...sender });
        expect([name, made.status]).toEqual([name, at === 1 ? 400 : 401]);
      }
    for (const path of ['/api/auth/api-key/create', '/api/auth/api-key/update', '/api/auth/api-key/verify'])
      expect((await send(copy.url, 'POST', path, { json: { name: 'mine', userId: victim.id } })).status).toBe(404);
    expect(await harness.rows`SELECT id FROM api_keys WHERE user_id = ${victim.id}`).toEqual([]);
  });

  test('and every token of a disabled client end, and it gets no other (CVE-2025-64521, authentik: a deactivated service account got tokens)', async () => {
    const basic = await harness.newClient(['tokens:introspect']);
    const form = { grant_type: 'client_credentials' };
    const token = (): Promise<Received> => send(copy.url, 'POST', '/oauth2/token', { basic, form });
    const { access_token: bearer } = (await token()).body;
    const key = await send(copy.url, 'POST', '/v1/api-keys', { basic, json: { name: 'of the client' } });
    expect(key.status, key.text).toBe(201);
    const use = { introspect: { basic, form: { token: bearer } }, key: { bearer: key.body.secret } };
    expect((await send(copy.url, 'GET', '/v1/api-keys', { bearer })).status).toBe(200);
    await asAdmin('POST', `/v1/admin/clients/${basic.client_id}/disable`, { reason });
    expect((await token()).body).toMatchObject({ error: 'invalid_client' });
    expect((await send(copy.url, 'GET', '/v1/api-keys', { bearer })).status).toBe(401);
    expect((await send(copy.url, 'POST', '/oauth2/introspect', use.introspect)).status).toBe(401);
    const verified = await send(copy.url, 'POST', '/v1/api-keys/verify', { json: { key: key.body.secret } });
    expect([verified.status, verified.body?.active ?? verified.body?.valid ?? false]).not.toEqual([200, true]);
  });
});

test('a disabled user refreshes nothing and is served nowhere (CVE-2026-128359, Gitea: refresh tokens and codes of a deactivated user were exchanged)', async () => {
  const user = await newSignedIn(copy);
  expect((await asAdmin('POST', `/v1/admin/users/${user.id}/disable`, { reason })).status).toBe(200);
  const { access_token: bearer, refresh_token } = user.tokens;
  const refreshed = await send(copy.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token } });
  expect([refreshed.status, refreshed.body.access_token]).toEqual([401, undefined]);
  expect((await send(copy.url, 'GET', '/api/auth/user', { bearer })).status).toBe(401);
  expect((await send(copy.url, 'GET', '/api/auth/session', { cookie: user.cookie })).status).toBe(401);
  const basic = await harness.newClient(['tokens:issue', 'tokens:introspect']);
  const issued = await send(copy.url, 'POST', '/v1/tokens', { basic, json: { user_id: user.id } });
  expect([issued.status, issued.body.access_token]).not.toEqual([201, expect.any(String)]);
  const seen = await send(copy.url, 'POST', '/oauth2/introspect', { basic, form: { token: bearer } });
  expect(seen.body).toEqual({ active: false });
});

test('a picture of a client is served as a picture, and a page is none (CVE-2024-29891, ZITADEL: a page uploaded as a picture ran in the user’s session)', async () => {
  const { client_id } = await harness.newClient([]);
  const change = (logo: string): Promise<Received> =>
    asAdmin('PATCH', `/v1/admin/clients/${client_id}`, { logo, reason });
  const script = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(document.domain)</script></svg>';
  for (const page of [script, '<!doctype html><script>alert(1)</script>', 'GIF89a/*'])
    for (const type of ['image/png', 'image/svg+xml', 'text/html', 'image/gif']) {
      const logo = `data:${type};base64,${Buffer.from(page).toString('base64')}`;
      expect([type, (await change(logo)).status]).toEqual([type, 400]);
    }
  expect((await change(logoOf(blackPng(8)))).status).toBe(200);
  const { headers } = await send(copy.url, 'GET', `/oauth2/clients/${client_id}/logo`);
  expect(headers.get('content-type')).toBe('image/png');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('no page shows what its address says as markup (CVE-2024-28855, ZITADEL: the sign-in page showed parameters unescaped)', async () => {
  const markup = '"><img src=x onerror=alert(1)><script>alert(1)</script>';
  const pages = copy.bound.filter(
    ({ method, path, rest }) => method === 'GET' && rest === undefined && !path.startsWith('/v1/'),
  );
  const names = 'next error error_description email name state client_id redirect_uri return_to'.split(' ');
  // Not `code`: an address with a credential is refused before it reaches its page.
  const more = ['callbackURL', 'user_code', 'login_hint', 'provider', 'ui_locales', 'message', 'id'];
  const query = new URLSearchParams(Object.fromEntries([...names, ...more].map((name) => [name, markup])));
  const { cookie } = await newSignedIn(copy);
  let shown = 0;
  for (const { path } of pages)
    for (const sent of [{}, { cookie }]) {
      const at = path.replaceAll(/\{\w+\}/g, encodeURIComponent(markup));
      const { headers, text } = await send(copy.url, 'GET', `${at}?${query}`, sent);
      if (!headers.get('content-type')?.startsWith('text/html')) continue;
      shown += 1;
      expect([path, text.includes('<img src=x'), text.includes('<script>alert(1)')]).toEqual([path, false, false]);
    }
  expect(shown).toBeGreaterThan(20);
});
