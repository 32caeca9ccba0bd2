import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { claimsIn, verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson, type Person, pairOf } from '#tools/testing/flows/people.ts';
import { newSignedIn, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { promised } from '#tools/testing/harness/busy-machine.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const harness = opened(() => openAdminHarness());
const audience = 'https://notes.example';
const notes = {
  application: 'notes',
  audience,
  permissions: ['notes:read', 'notes:write'],
  roles: { editor: ['notes:read', 'notes:write'], reader: ['notes:read'] },
};
/** A revocation must be refused everywhere within this time. */
const REACH_MS = promised(1_000);

/** A second copy of the installation. */
const two = opened(() => harness.startCopy({ hashes: false }));

const declare = (changes: object = {}) =>
  harness.byAdmin('POST', '/v1/admin/applications', { ...notes, reason, ...changes });
const grant = (userId: string, role: string) =>
  harness.byAdmin('PUT', `/v1/admin/users/${userId}/roles/${role}`, { reason });

/** The access token that the session of a user gets for the application. */
async function tokenFor(cookie: string, scope?: string): Promise<string> {
  const { publicUrl } = harness.copy.ports;
  const sent = { cookie, headers: { origin: publicUrl }, json: { audience, ...(scope && { scope }) } };
  const { status, body } = await send(harness.copy.url, 'POST', '/v1/tokens', sent);
  expect([status, body.access_token]).toEqual([201, expect.any(String)]);
  return body.access_token;
}

describe('an application', () => {
  test('is declared, listed and deleted by who may manage applications, and by no other', async () => {
    const dry = await declare({ dry_run: true });
    expect(dry.body).toMatchObject({ dry_run: true, changes: { created: true } });
    expect((await harness.byAdmin('GET', '/v1/admin/applications')).body).toEqual({ applications: [], next: null });
    expect((await declare()).body).toMatchObject({ application: notes, dry_run: false, changes: { users: 0 } });
    expect((await harness.byAdmin('GET', '/v1/admin/applications')).body).toEqual({
      applications: [{ ...notes, authorization_details: {}, scopes: {}, signoff_policies: [] }],
      next: null,
    });
    const operator = harness.as((await newPerson(harness.copy, ['operator'])).bearer);
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', '/notes?reason=x'],
    ] as const)
      expectProblem(await operator(method, `/v1/admin/applications${path}`), 403, 'permission_missing');
    expect((await harness.byAdmin('DELETE', '/v1/admin/applications/notes?reason=x')).status).toBe(204);
    expectProblem(await harness.byAdmin('DELETE', '/v1/admin/applications/notes?reason=x'), 404, 'application_unknown');
  });

  test('whose declaration is wrong is told every wrong entry', async () => {
    const refused = await declare({ permissions: ['users:read', 'notes:read', 'notes:read'], roles: {} });
    expectProblem(refused, 400, 'declaration_invalid');
    expect(refused.body.problems).toEqual([
      { at: 'body/permissions/0', why: 'permissions that begin with users: belong to the installation' },
      { at: 'body/permissions/2', why: '"notes:read" is listed before, as permissions/1' },
    ]);
    const own = await declare({ audience: harness.copy.ports.tokenSettings.audience });
    expect(own.body.problems).toMatchObject([{ at: 'body/audience' }]);
    const many = Array.from({ length: 10_000 }, () => 'n:r');
    expect((await declare({ permissions: many.slice(0, 9_000) })).status).toBe(400);
    expect((await declare({ permissions: many, application: 'x'.repeat(10_000) })).status).toBe(413);
  });
});

describe('a user with a role of an application', () => {
  let ada: Person & { cookie: string };
  beforeAll(async () => {
    await declare();
    const { id, email, cookie, sessionId, tokens } = await newSignedIn(harness.copy);
    ada = { id, email, sessionId, bearer: tokens.access_token, refreshToken: tokens.refresh_token, cookie };
    expect((await grant(ada.id, 'notes.editor')).body.roles).toEqual(['notes.editor', 'user']);
    expect((await grant(ada.id, 'auditor')).status).toBe(200);
  });

  test('has its permissions in tokens of its audience only, where there are none of the installation', async () => {
    const token = await tokenFor(ada.cookie);
    expect(claimsIn(token)).toMatchObject({
      aud: audience,
      permissions: ['notes:read', 'notes:write'],
      roles: ['notes.editor'],
    });
    expect(claimsIn(await tokenFor(ada.cookie, 'openid')).permissions).toEqual([]);
    const own = claimsIn((await pairOf(harness.copy, ada)).bearer);
    expect(own.roles).toEqual(['auditor', 'user']);
    expect(own.permissions).toContain('audit:read');
    expect(own.permissions).not.toContain('notes:read');
    // The installation does not accept it, whatever its permissions.
    expectProblem(await harness.as(token)('GET', '/v1/audit/events'), 401, 'unauthenticated');
  });

  test('is refused within a second by every copy once a permission is taken away, and the next token lacks it', async () => {
    const token = await tokenFor(ada.cookie);
    for (const copy of [harness.copy, two])
      expect(await verdictOn({ api: copy.url }, token, { audience })).toBe('active');
    const changes = { roles: { editor: ['notes:read'], reader: ['notes:read'] } };
    expect((await declare(changes)).body.changes).toMatchObject({ users: 1 });
    for (const copy of [harness.copy, two])
      await eventually(
        'the token to be refused',
        async () => (await verdictOn({ api: copy.url }, token, { audience })) !== 'active',
        REACH_MS,
      );
    const { cookie } = ada;
    expect(claimsIn(await tokenFor(cookie)).permissions).toEqual(['notes:read']);
  });

  test('loses it with the role, which only who manages applications grants or removes', async () => {
    expect((await harness.byAdmin('DELETE', `/v1/admin/users/${ada.id}/roles/auditor?reason=x`)).status).toBe(200);
    const again = await openSessionFor(harness.copy, ada.id);
    const token = await tokenFor(again.cookie);
    const role = { name: 'desk', description: 'x', permissions: ['users:manage'], reason };
    expect((await harness.byAdmin('POST', '/v1/admin/roles', role)).status).toBe(201);
    const desk = harness.as((await newPerson(harness.copy, ['desk'])).bearer);
    const path = `/v1/admin/users/${ada.id}/roles/notes.editor`;
    expectProblem(await desk('PUT', path, { json: { reason } }), 403, 'rights_exceeded');
    expectProblem(await desk('DELETE', `${path}?reason=x`), 403, 'rights_exceeded');
    // The role of an application protects its user from no administrator of users.
    expect((await desk('POST', `/v1/admin/users/${ada.id}/enable`, { json: { reason } })).status).toBe(200);
    expect((await harness.byAdmin('DELETE', `${path}?reason=x`)).body.roles).not.toContain('notes.editor');
    expect(await verdictOn({ api: harness.copy.url }, token, { audience })).not.toBe('active');
  });
});

describe('a client', () => {
  test('has the permissions of an application in its own tokens of the audience, until the application drops them', async () => {
    await declare();
    const client = (await harness.register({ credential_scopes: ['notes:write', 'keys:read'], audiences: [audience] }))
      .body;
    const tokenOf = async (form?: Record<string, string>) => (await harness.tokenBy(client, form)).body.access_token;
    const token = await tokenOf({ resource: audience });
    expect(claimsIn(token)).toMatchObject({ scope: 'notes:write keys:read', permissions: ['notes:write'] });
    expect(claimsIn(await tokenOf()).permissions).toEqual(['keys:read']);
    expect((await declare({ permissions: ['notes:read'], roles: { editor: [], reader: [] } })).status).toBe(200);
    for (const copy of [harness.copy, two])
      await eventually(
        'the token to be refused',
        async () => (await verdictOn({ api: copy.url }, token, { audience })) !== 'active',
        REACH_MS,
      );
    expect(claimsIn(await tokenOf({ resource: audience })).permissions).toEqual([]);
  });

  test('gets those of a user that its scope names, and a user gets no pair for another with more', async () => {
    await declare();
    const { id } = await newPerson(harness.copy, ['notes.editor']);
    const issue = {
      grant_types: ['refresh_token'],
      credential_scopes: ['tokens:issue'],
      scopes: ['openid', 'notes:read'],
    };
    const client = (await harness.register({ ...issue, audiences: [audience] })).body;
    const json = { user_id: id, audience };
    const issued = await send(harness.copy.url, 'POST', '/v1/tokens', { basic: client, json });
    expect(claimsIn(issued.body.access_token)).toMatchObject({ aud: audience, permissions: ['notes:read'] });
    const byAdmin = await harness.byAdmin('POST', '/v1/tokens', json);
    expectProblem(byAdmin, 403, 'permission_missing');
  });
});
