import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { expectProblem } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
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
    const answers = await Promise.all(Array.from({ length: 20 }, () => once(path, key, json)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await harness.rows(rows)).toHaveLength(1);
    expectProblem(await once(path, key, { ...json, reason: 'another' }), 422, 'idempotency_key_reused');
    const secret = answers[0]?.body.client_secret;
    const kept = await harness.rows(`SELECT encode(response, 'escape') AS response FROM idempotency_keys`);
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
