import { afterAll, beforeAll, expect, test } from 'vitest';
import { newPerson, type Person } from '#testing/flows/people.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#testing/harness/api.ts';
import type { Json } from '#testing/http-client.ts';

let harness: ApiHarness;
let copy: ApiCopy;
let admin: Person;
beforeAll(async () => {
  harness = await openApiHarness();
  copy = await harness.startCopy({ hashes: false });
  admin = await newPerson(copy, ['admin']);
});
afterAll(() => harness?.close());

const call = async (method: string, path: string, bearer: string, body?: object) => {
  const answer = await fetch(`${copy.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Json };
};

test('an administrator uploads a file and follows its import; another user does neither', async () => {
  const data = `${JSON.stringify({ legacy_id: 'a1', email: 'a1@example.com', name: 'x'.repeat(100_000) })}\n`;
  const body = { kind: 'ndjson', data, reason: 'moving' };
  const asked = await call('POST', '/v1/admin/imports', admin.bearer, body);
  expect(asked).toEqual({ status: 202, body: { import_id: expect.any(String) } });
  const path = `/v1/admin/imports/${asked.body.import_id}`;
  expect((await call('GET', path, admin.bearer)).body).toMatchObject({
    status: 'waiting',
    progress: 0,
    counts: { new: 0, rejected: 0 },
    rejects: [],
  });
  const other = await newPerson(copy);
  expect((await call('POST', '/v1/admin/imports', other.bearer, body)).status).toBe(403);
  expect((await call('GET', path, other.bearer)).status).toBe(403);
  expect((await call('POST', '/v1/admin/imports', admin.bearer, { ...body, kind: 'unknown' })).body.code).toBe(
    'import_kind_unknown',
  );
});
