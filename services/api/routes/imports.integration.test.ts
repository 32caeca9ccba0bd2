import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { insertRoles } from '#tools/testing/flows/every-caller.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { type Json, requestText, sendBytes } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const copy = opened(() => harness.startCopy({ hashes: false }));
const admin = opened(() => newPerson(copy, ['admin']));

const call = async (method: string, path: string, bearer: string, body?: object, more: Record<string, string> = {}) => {
  const answer = await fetch(`${copy.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...more,
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

test('what an import would do is said before it runs, also to who signed in long ago, and writes nothing', async () => {
  const record = (id: string, more: object = {}) =>
    JSON.stringify({ legacy_id: id, email: `${id}@example.com`, ...more });
  const data = [record('b1'), record('b2', { email: 'nowhere', name: 'x'.repeat(100_000) })].join('\n');
  const file = { kind: 'ndjson', data };
  await harness.rows`UPDATE sessions SET "createdAt" = now() - interval '1 day' WHERE "userId" = ${admin.id}`;
  const written = () => harness.rows`SELECT (SELECT count(*) FROM imports), (SELECT count(*) FROM users) AS users`;
  const before = await written();
  const found = await call('POST', '/v1/admin/imports/rehearse', admin.bearer, file);
  expect(found).toMatchObject({
    status: 200,
    body: {
      counts: { new: 1, rejected: 1 },
      hash_formats: { none: 1 },
      rejects: [{ line: 2, reason: 'email_invalid', value: 'nowhere' }],
      differences: [{ legacy_id: 'b1', email: 'b1@example.com', change: 'new' }],
    },
  });
  expect(await written()).toEqual(before);
  const other = await newPerson(copy);
  expect((await call('POST', '/v1/admin/imports/rehearse', other.bearer, file)).status).toBe(403);
});

test('a file is read of who may import everyone; the others are answered before they send it', async () => {
  const [role = ''] = await insertRoles(harness, [['imports:write']]);
  const [other, helper] = [await newPerson(copy), await newPerson(copy, [role])];
  for (const path of ['/v1/admin/imports', '/v1/admin/imports/rehearse']) {
    const codeOf = async (bearer: string) => {
      const head = ['Content-Type: application/json', 'Content-Length: 16000000', `Authorization: Bearer ${bearer}`];
      return (await sendBytes(copy.url, requestText('POST', path, head)))?.body.code;
    };
    expect([await codeOf('x'), await codeOf(other.bearer), await codeOf(helper.bearer)]).toEqual([
      'unauthenticated',
      'permission_missing',
      'rights_exceeded',
    ]);
  }
});

test('a refused caller who sends a whole file before reading gets the answer, also on a connection that closes after it', async () => {
  const { port } = new URL(copy.url);
  const socket = connect(Number(port), '127.0.0.1').pause();
  const head = ['Content-Type: application/json', 'Content-Length: 12000000'];
  socket.write(requestText('POST', '/v1/admin/imports', head));
  await new Promise<void>((done, fail) => {
    socket.on('error', fail).write(Buffer.alloc(12_000_000, ' '), () => done());
  });
  expect(await text(socket)).toContain('401 Unauthorized');
});

test('an import that is asked for again by the same key is one, also after it ended', async () => {
  const data = `${JSON.stringify({ legacy_id: 'k1', email: 'k1@example.com' })}\n`;
  const ask = async (key: object = {}) => {
    const body = { kind: 'ndjson', data, reason: 'by key' };
    const {
      status,
      body: { import_id: id },
    } = await call('POST', '/v1/admin/imports', admin.bearer, body, { ...key });
    return [status, id];
  };
  const key = { 'idempotency-key': 'an-import-of-k1' };
  const first = await ask(key);
  await harness.rows`UPDATE imports SET state = 'done', finished_at = now() WHERE reason = 'by key'`;
  expect(await ask(key)).toEqual(first);
  expect(await harness.rows`SELECT 1 AS one FROM imports WHERE reason = 'by key'`).toHaveLength(1);
  expect((await ask())[1]).not.toBe(first[1]);
});

test('imports are listed page by page, newest first, and the records that one rejected are downloaded as lines of JSON', async () => {
  const ids = ['0190a5e2-0000-7000-8000-00000000001a', '0190a5e2-0000-7000-8000-00000000001b'];
  for (const [at, id] of ids.entries())
    await harness.rows(
      `INSERT INTO imports (id, kind, source_sha256, map_sha256, source_bytes, state, actor_kind, reason, rejected_count, created_at, finished_at)
       VALUES ($1, 'clerk', $2, $2, 1, 'done', 'system', 'x', 1, now() + make_interval(hours => $3), now())`,
      [id, String(at).repeat(64), at + 1],
    );
  await harness.rows`INSERT INTO import_rejects (import_id, record, line, reason, value)
    VALUES (${ids[0]}, 1, 2, 'email_taken', 'a"b')`;
  const first = await call('GET', '/v1/admin/imports?limit=1', admin.bearer);
  expect(first.body.imports).toMatchObject([{ import_id: ids[1], status: 'done', counts: { rejected: 1 } }]);
  const second = await call('GET', `/v1/admin/imports?limit=1&cursor=${first.body.next}`, admin.bearer);
  expect(second.body.imports).toMatchObject([{ import_id: ids[0] }]);
  const at = (id?: string) => `${copy.url}/v1/admin/imports/${id}/rejects`;
  const headers = { authorization: `Bearer ${admin.bearer}` };
  const file = await fetch(at(ids[0]), { headers });
  expect([file.status, file.headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
  expect(await file.text()).toBe(`${JSON.stringify({ record: 1, line: 2, reason: 'email_taken', value: 'a"b' })}\n`);
  expect((await fetch(at(), { headers })).status).toBe(400);
  expect((await fetch(at('0190a5e2-0000-7000-8000-0000000000ff'), { headers })).status).toBe(404);
});
