import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newPerson } from '#testing/flows/people.ts';
import { expectProblem } from '#testing/http-client.ts';
import { type AdminHarness, openAdminHarness, reason } from './admin-harness.ts';

let harness: AdminHarness;
beforeAll(async () => {
  harness = await openAdminHarness();
});
afterAll(() => harness?.close());

describe('clients', () => {
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
    expectProblem(
      await keeper('PATCH', `/v1/admin/clients/${weak.body.client_id}`, {
        json: { credential_scopes: ['keys:manage'], reason },
      }),
      403,
      'rights_exceeded',
    );
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
