import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { newPerson, pairOf } from '#tools/testing/flows/people.ts';
import type { ApiCopy } from '#tools/testing/harness/api.ts';
import { expectProblem } from '#tools/testing/http-client.ts';
import { type AdminHarness, openAdminHarness, reason } from './admin-harness.ts';

let harness: AdminHarness;
/** A second copy of the installation. */
let two: ApiCopy;
beforeAll(async () => {
  harness = await openAdminHarness();
  two = await harness.startCopy({ hashes: false });
});
afterAll(() => harness?.close());

describe('roles', () => {
  test('the initial roles exist, are listed in pages, and two of them are built in', async () => {
    const first = (await harness.byAdmin('GET', '/v1/admin/roles?limit=4')).body;
    const rest = (await harness.byAdmin('GET', `/v1/admin/roles?limit=20&cursor=${first.next}`)).body;
    const roles = [...first.roles, ...rest.roles];
    expect(roles.map(({ name }) => name)).toEqual([
      'admin',
      'agent',
      'architect',
      'auditor',
      'clinician',
      'compliance',
      'developer',
      'operator',
      'privacy_officer',
      'product_owner',
      'qa',
      'security_reviewer',
      'tech_lead',
      'user',
    ]);
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
    const [cut] = await harness.rows(`SELECT count(*)::int FROM revocations WHERE kind = 'user' AND value = $1`, [
      person.id,
    ]);
    expect(cut).toEqual({ count: 1 });
  });

  test('an unassigned role can be deleted; unknown, existing and invalid roles each get their own error', async () => {
    const name = 'short-lived';
    const body = { name, description: 'x', permissions: ['keys:read', 'keys:read'], reason };
    expect((await harness.byAdmin('POST', '/v1/admin/roles', body)).status).toBe(201);
    expectProblem(await harness.byAdmin('POST', '/v1/admin/roles', body), 409, 'role_exists');
    expectProblem(
      await harness.byAdmin('POST', '/v1/admin/roles', { ...body, name: 'other', permissions: ['no:such'] }),
      400,
      'permission_unknown',
    );
    const holder = await newPerson(harness.copy, [name]);
    expectProblem(await harness.byAdmin('DELETE', `/v1/admin/roles/${name}?reason=x`), 409, 'role_held');
    await harness.rows('DELETE FROM user_roles WHERE user_id = $1 AND role = $2', [holder.id, name]);
    expect((await harness.byAdmin('DELETE', `/v1/admin/roles/${name}?reason=done`)).status).toBe(204);
    expectProblem(await harness.byAdmin('DELETE', `/v1/admin/roles/${name}?reason=x`), 404, 'role_unknown');
    expectProblem(
      await harness.byAdmin('PUT', `/v1/admin/roles/${name}/permissions`, { permissions: [], reason }),
      404,
      'role_unknown',
    );
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
