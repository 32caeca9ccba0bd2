import { expect, test } from 'vitest';
import { systemRandom } from '../../platform/crypto/system.ts';
import { tokenWorld } from '../../platform/testing/token-world.ts';
import type { Caller, Sql } from '../ports.ts';
import { earlierResult, idempotentRequest, keepResult } from './idempotency.ts';

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const client = (clientId: string, by: 'client' | 'bearer' | 'api_key' = 'client'): Caller => ({
  kind: 'client',
  clientId,
  permissions: new Set(),
  by,
  isVetted: true,
  request,
});
const user = (
  userId: string,
  sessionId: string | null,
  clientId = 'sallyport',
  by: 'bearer' | 'session' | 'api_key' = 'session',
): Caller => ({
  kind: 'user',
  userId,
  sessionId,
  clientId,
  permissions: new Set(),
  by,
  tokenId: null,
  familyId: null,
  authTime: 0,
  request,
});
const { ports } = tokenWorld();
const of = (caller: Caller, key: string, body: object = {}, operation = 'op') =>
  idempotentRequest(ports, caller, key, operation, body);

/** The table, as one row at most. */
function table(): Sql & { row?: { requestHash: Buffer; response: Buffer | null } } {
  const sql: Sql & { row?: { requestHash: Buffer; response: Buffer | null } } = {
    query: async (statement, values = []) => {
      if (statement.name === 'idempotencyKeyClaim') {
        if (sql.row) return [];
        sql.row = { requestHash: values[1] as Buffer, response: null };
        return [{}] as never[];
      }
      if (statement.name === 'idempotencyKeyAnswer') sql.row!.response = values[2] as Buffer;
      return (statement.name === 'idempotencyKeyRead' && sql.row ? [sql.row] : []) as never[];
    },
  };
  return sql;
}

test('a key is another key for another caller, session, client, kind of credential or operation, and the same for the same', () => {
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

test.each(['', ' ', 'ä', 'a b', 'x'.repeat(256), 'a\n'])('%j is no key', (key) => {
  expect(() => of(client('a'), key)).toThrow('request_invalid');
});

test('what was kept opens for the same key and body alone', async () => {
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

test('a row that vanished between two statements is tried again, not guessed at', async () => {
  const sql: Sql = { query: async () => [] };
  await expect(earlierResult(sql, of(client('a'), 'k'))).rejects.toMatchObject({ code: 'store_unavailable' });
});
