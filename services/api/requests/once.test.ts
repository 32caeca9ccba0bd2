import { expect, test } from 'vitest';
import type { Sql, Tx } from '#services/core/ports.ts';
import { systemRandom } from '#services/platform/crypto/system.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { tokenHarness } from '#tools/testing/harness/token.ts';
import { answerOnce, type OncePorts } from './once.ts';

const caller = clientCaller('c');
const endpoint = { operation: 'make', responses: { 201: null } };

/** An in-memory table of keys, whose transactions roll back on failure. */
function harness() {
  const rows = new Map<string, { request_hash: Buffer; response: Buffer | null }>();
  const told: string[] = [];
  const transact: OncePorts['transact'] = async (work) => {
    const before = new Map([...rows].map(([key, row]) => [key, { ...row }]));
    const after: (() => void | Promise<void>)[] = [];
    const query = async ({ name }: { name?: string }, values: readonly unknown[] = []) => {
      const id = (values[0] as Buffer).toString('hex');
      if (name === 'idempotencyKeyClaim') {
        if (rows.has(id)) return [];
        rows.set(id, { request_hash: values[1] as Buffer, response: null });
        return [{}];
      }
      if (name === 'idempotencyKeyAnswer') rows.get(id)!.response = values[2] as Buffer;
      return [rows.get(id)];
    };
    const tx = { query, afterCommit: (action: () => void) => void after.push(action) } as unknown as Tx;
    try {
      const result = await work(tx);
      told.push('commit');
      for (const action of after) await action();
      return result;
    } catch (err) {
      rows.clear();
      for (const [key, row] of before) rows.set(key, row);
      throw err;
    }
  };
  const sql: Sql = { query: async () => [] };
  const ports: OncePorts = { transact, sql, random: systemRandom, keyRing: tokenHarness().ports.keyRing };
  let made = 0;
  const ask = (key: string | undefined, body: object, fails = false) =>
    answerOnce(
      ports,
      { endpoint, caller, request: { body, params: {}, headers: key === undefined ? {} : { 'idempotency-key': key } } },
      async (once) => {
        await once.transact(async (tx) => tx.afterCommit(() => void told.push('inner')));
        if (fails) throw new Error('refused');
        made += 1;
        return { id: made, secret: 'once shown' };
      },
    );
  return { ask, told, rows, made: () => made };
}

test('a retry with the same key and body gets the same answer and has one effect', async () => {
  const { ask, told, made, rows } = harness();
  const first = await ask('k', { name: 'a' });
  expect(await ask('k', { name: 'a' })).toEqual(first);
  expect(made()).toBe(1);
  // After-commit work of a change follows the commit of the whole transaction.
  expect(told.slice(0, 2)).toEqual(['commit', 'inner']);
  expect(JSON.stringify([...rows.values()])).not.toContain('once shown');
});

test('another body with the same key is refused, and another key is another request', async () => {
  const { ask, made } = harness();
  await ask('k', { name: 'a' });
  await expect(ask('k', { name: 'b' })).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  await ask('k2', { name: 'a' });
  expect(made()).toBe(2);
});

test('a refused request may be retried with the same key; without a key every request is processed', async () => {
  const { ask, made } = harness();
  await expect(ask('k', {}, true)).rejects.toThrow('refused');
  expect(await ask('k', {})).toMatchObject({ id: 1 });
  await ask(undefined, {});
  await ask(undefined, {});
  expect(made()).toBe(3);
});
