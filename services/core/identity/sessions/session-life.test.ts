import { expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { lifeOf, usedSession } from './session-life.ts';

const nowMs = Date.parse('2026-11-20T12:00:00Z');
const ago = (seconds: number): Date => new Date(nowMs - seconds * 1_000);
const clock = { now: () => nowMs, monotonic: () => 0 };
const life = { sessionSeconds: 2_592_000, twoFactorSeconds: 86_400, twoFactorIdleSeconds: 3_600 };

/** Answers like Postgres: a row if the session is within the idle limit. */
function postgres(answer: Date | null | Error) {
  const asked: unknown[] = [];
  const sql: Sql = {
    query: async (_statement, values) => {
      asked.push(values);
      if (answer instanceof Error) throw answer;
      return (answer === null ? [] : [{ updatedAt: answer }]) as never[];
    },
  };
  return { sql, asked };
}
const use = (sql: Sql, acr: string, rested: number, settings = life) =>
  usedSession({ sql, clock }, settings, { id: 's', acr, updatedAt: ago(rested) }, true);

test('a two-factor session lives at most a day, a single-factor session as long as configured', () => {
  const expiresAt = new Date(nowMs + 2_592_000_000);
  expect(lifeOf(life, { acr: 'aal1', expiresAt, nowMs })).toBe(expiresAt);
  expect(lifeOf(life, { acr: 'aal2', expiresAt, nowMs })).toEqual(new Date(nowMs + 86_400_000));
  const sooner = new Date(nowMs + 60_000);
  expect(lifeOf(life, { acr: 'aal2', expiresAt: sooner, nowMs })).toEqual(sooner);
});

test('a two-factor session ends after an idle hour; a single-factor session has no idle limit', async () => {
  const over = postgres(null);
  expect(await use(over.sql, 'aal2', 3_700)).toBeNull();
  expect(over.asked).toEqual([['s', 3_600]]);
  const { sql, asked } = postgres(null);
  expect(await use(sql, 'aal1', 86_400)).toEqual(ago(86_400));
  expect(await use(sql, 'aal2', 86_400, { ...life, twoFactorIdleSeconds: 0 })).toEqual(ago(86_400));
  expect(asked).toEqual([]);
});

test('a use is written at most every ten minutes; an outdated cached copy is corrected', async () => {
  const { sql, asked } = postgres(ago(0));
  expect(await use(sql, 'aal2', 599)).toEqual(ago(599));
  expect(asked).toEqual([]);
  expect(await use(sql, 'aal2', 600)).toEqual(ago(0));
  expect(await use(sql, 'aal2', 3_700)).toEqual(ago(0));
});

test('without Postgres the cached copy decides', async () => {
  const { sql } = postgres(new Error('away'));
  expect(await use(sql, 'aal2', 1_000)).toEqual(ago(1_000));
  expect(await use(sql, 'aal2', 3_600)).toBeNull();
});
