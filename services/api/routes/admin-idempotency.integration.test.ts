import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { atOnce } from '#tools/testing/flows/flows.ts';
import { expectProblem } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { whileItWaits } from '#tools/testing/overtaken.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const harness = opened(openAdminHarness);

describe('Idempotency-Key', () => {
  const once = (path: string, key: string, json: object) =>
    harness.as(harness.admin.bearer)('POST', path, { json, headers: { 'idempotency-key': key } });

  test.each<[string, string, object, string]>([
    [
      'role',
      '/v1/admin/roles',
      { name: 'made-once', description: 'x', permissions: [] },
      `SELECT 1 FROM roles WHERE name = 'made-once'`,
    ],
    [
      'client',
      '/v1/admin/clients',
      { name: 'Made once', grant_types: ['client_credentials'] },
      `SELECT 1 FROM oauth_clients WHERE name = 'Made once'`,
    ],
  ])('twenty concurrent requests with one key create one %s and get one answer', async (_kind, path, body, rows) => {
    const key = randomUUID();
    const json = { ...body, reason };
    const answers = await atOnce(20, () => once(path, key, json));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await harness.rows(rows)).toHaveLength(1);
    expectProblem(await once(path, key, { ...json, reason: 'another' }), 422, 'idempotency_key_reused');
    const secret = answers[0]?.body.client_secret;
    const kept = await harness.rows`SELECT encode(response, 'escape') AS response FROM idempotency_keys`;
    if (secret !== undefined) expect(JSON.stringify(kept)).not.toContain(secret);
  });

  test('every administrative POST that answers 201 supports it', () => {
    // Encryption stores nothing but a key, which a retry uses again.
    const storesNothing = hasWings ? ['encryptPhi'] : [];
    const creating = harness.copy.bound.filter(
      ({ method, path, responses }) => method === 'POST' && path.startsWith('/v1/') && 201 in responses,
    );
    expect(creating.length).toBeGreaterThanOrEqual(4);
    expect(creating.filter(({ idempotency }) => idempotency === undefined).map(({ operation }) => operation)).toEqual(
      storesNothing,
    );
  });
});

describe('If-Match', () => {
  const ask = (method: string, path: string, headers: Readonly<Record<string, string>> = {}, json?: object) =>
    harness.as(harness.admin.bearer)(method, path, { headers, ...(json === undefined ? {} : { json }) });
  const newClient = async () => `/v1/admin/clients/${(await harness.register()).body.client_id}`;
  const newRole = async () => {
    const name = `role-${randomUUID().slice(0, 8)}`;
    await harness.byAdmin('POST', '/v1/admin/roles', { name, description: 'x', permissions: [], reason });
    return `/v1/admin/roles/${name}`;
  };
  const permit = (permission: string) => ({ permissions: [permission], reason });

  test.each([
    ['client', newClient, 'oauth_clients WHERE "clientId"', 'PATCH', '', (name: string) => ({ name, reason })],
    ['role', newRole, 'roles WHERE name', 'PUT', '/permissions', permit],
  ] as const)(
    'of two who change one %s at once one is told and stores nothing; the other, whose answer was lost, gets it again',
    async (_kind, made, row, method, below, to) => {
      const path = await made();
      const etag = (await ask('GET', path)).headers.get('etag') as string;
      const write = (value: string) =>
        ask(method, path + below, { 'if-match': `"x", ${etag}`, 'idempotency-key': value }, to(value));
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      const both = ['keys:read', 'users:read'] as const;
      const [one, other] = await whileItWaits(
        harness.copy.stores.pools.main,
        [[`SELECT FROM ${row} = $1 FOR UPDATE`, [path.split('/').at(-1)]]],
        () => Promise.all([write(both[0]), write(both[1])]),
        () => expect.poll(async () => (await harness.rows(waiting)).length).toBe(2),
      );
      const [won, lost, by] = one.status === 200 ? [one, other, both[0]] : [other, one, both[1]];
      expectProblem(lost, 412, 'changed_meanwhile');
      expect(won).toMatchObject({ status: 200, text: expect.stringContaining(by) });
      expect((await ask('GET', path)).body).toEqual(won.body);
      expect(await write(by)).toMatchObject({ status: 200, text: won.text });
      expect((await ask('GET', path)).headers.get('etag')).not.toBe(etag);
    },
  );

  test('every write that names a read honours it', async () => {
    const items = { client_id: await newClient(), role: await newRole() };
    const writes = harness.copy.bound.filter(({ ifMatch }) => ifMatch !== undefined);
    expect(writes.length).toBeGreaterThanOrEqual(7);
    for (const { method, path, ifMatch } of writes) {
      const [, param] = /\{(\w+)\}$/.exec(ifMatch!.path) as unknown as [string, keyof typeof items];
      const before = await ask('GET', items[param]);
      const sent = method === 'DELETE' ? undefined : path.endsWith('permissions') ? permit('keys:read') : { reason };
      const at = `${path.replace(ifMatch!.path, items[param])}${sent === undefined ? '?reason=x' : ''}`;
      expectProblem(await ask(method, at, { 'if-match': '"old"' }, sent), 412, 'changed_meanwhile');
      expect((await ask('GET', items[param])).text).toBe(before.text);
    }
  });
});
