import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Caller, Sql } from '#services/core/ports.ts';
import { systemRandom } from '#services/platform/crypto/system.ts';
import { clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { tokenHarness } from '#tools/testing/harness/token.ts';
import { earlierResult, idempotentRequest, keepResult, workOnce } from './idempotency.ts';

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const client = (clientId: string, by: 'secret' | 'bearer' | 'api_key' = 'secret'): Caller => ({
  ...clientCaller(clientId),
  by,
});
const user = (
  userId: string,
  sessionId: string | null,
  clientId = 'sallyport',
  by: 'bearer' | 'session' | 'api_key' = 'session',
): Caller => userCaller(userId, { sessionId, clientId, by });
const { ports } = tokenHarness();
const of = (caller: Caller, key: string, body: object = {}, operation = 'op') =>
  idempotentRequest(ports, caller, key, operation, body);

/** A fake of the table with at most one row. */
function table(): Sql & { row?: { request_hash: Buffer; response: Buffer | null } } {
  const sql: Sql & { row?: { request_hash: Buffer; response: Buffer | null } } = {
    query: async (statement, values = []) => {
      if (statement.name === 'idempotencyKeyClaim') {
        if (sql.row) return [];
        sql.row = { request_hash: values[1] as Buffer, response: null };
        return [{}] as never[];
      }
      if (statement.name === 'idempotencyKeyAnswer') sql.row!.response = values[2] as Buffer;
      return (statement.name === 'idempotencyKeyRead' && sql.row ? [sql.row] : []) as never[];
    },
  };
  return sql;
}

test('the same key of another caller, session, client, kind of credential or operation is a different key', () => {
  const hashes = [
    of(client('a'), 'k'),
    of(client('b'), 'k'),
    of(user('a', 's1'), 'k'),
    of(user('a', 's2'), 'k'),
    of(user('a', null), 'k'),
    of(user('a', 's1', 'elsewhere'), 'k'),
    of(user('a', 's1', 'sallyport', 'bearer'), 'k'),
    of(client('a', 'bearer'), 'k'),
    of(client('a', 'api_key'), 'k'),
    of({ kind: 'system', name: 'x', request }, 'k'),
    of(client('a'), 'k2'),
    of(client('a'), 'k', {}, 'other'),
  ].map(({ keyHash }) => keyHash.toString('hex'));
  expect(new Set(hashes).size).toBe(hashes.length);
  expect(of(client('a'), 'k').keyHash.toString('hex')).toBe(hashes[0]);
});

test.each(['', ' ', 'ä', 'a b', 'x'.repeat(256), 'a\n'])('%j is not a valid key', (key) => {
  expect(() => of(client('a'), key)).toThrow('request_invalid');
});

test('a stored response opens only with the same key and body', async () => {
  const sql = table();
  const first = of(client('a'), 'k', { user_id: 'u' });
  expect(await earlierResult(sql, first)).toBeNull();
  await keepResult(sql, systemRandom, first, 201, { token: 'secret' });
  expect(sql.row!.response!.toString('latin1')).not.toContain('secret');
  expect(await earlierResult(sql, of(client('a'), 'k', { user_id: 'u' }))).toEqual({ token: 'secret' });
  await expect(earlierResult(sql, of(client('a'), 'k', { user_id: 'v' }))).rejects.toMatchObject({
    code: 'idempotency_key_reused',
  });
  await expect(earlierResult(sql, { ...first, sealingKey: of(client('a'), 'k2').sealingKey })).rejects.toThrow();
});

test('a row that is deleted between the two statements causes a retry', async () => {
  const sql: Sql = { query: async () => [] };
  await expect(earlierResult(sql, of(client('a'), 'k'))).rejects.toMatchObject({ code: 'store_unavailable' });
});

test('for an anonymous caller a key is separate for each network, and a guessable key is rejected', () => {
  const from = (ip: string): Caller => ({ kind: 'anonymous', request: { ...request, ip } });
  const key = '0123456789abcdef';
  const [here, there] = [of(from('2001:db8::1'), key), of(from('2001:db8:0:1::1'), key)];
  expect(here.keyHash).not.toEqual(there.keyHash);
  expect(of(from('2001:db8::2'), key).keyHash).toEqual(here.keyHash);
  expect(() => of(from('192.0.2.1'), key.slice(1))).toThrow('request_invalid');
});

test('the stored hash of a body depends on the key, so the body cannot be guessed from it', () => {
  const body = { password: 'correct horse' };
  const hashes = [of(client('a'), 'k', body), of(client('a'), 'k2', body)].map(({ requestHash }) => requestHash);
  expect(hashes[0]).not.toEqual(hashes[1]);
  expect(hashes).not.toContainEqual(hash('sha256', JSON.stringify(body), 'buffer'));
});

test('work runs once for each key, and every time without a key', async () => {
  const sql = table();
  let made = 0;
  const ask = (asked: ReturnType<typeof of> | null) =>
    workOnce(sql, systemRandom, { request: asked, status: 201 }, async () => ({ made: ++made }));
  expect(await ask(of(client('a'), 'k'))).toEqual({ made: 1 });
  expect(await ask(of(client('a'), 'k'))).toEqual({ made: 1 });
  expect(await ask(null)).toEqual({ made: 2 });
});
