import { expect, test } from 'vitest';
import { sessionOperations } from './session-operations.ts';

const REACH = { logins: 3, applications: 2, sessions: 2, users: 1, is_more: false };

test('a command line says what ends, and when there is more than it counted', () => {
  const reach = sessionOperations.find(({ endpoint }) => endpoint.operation === 'readReach');
  const lines = reach?.command?.lines as unknown as (view: typeof REACH) => readonly string[];
  expect(lines(REACH)).toEqual(['3 sign-ins at 2 applications, in 2 sessions of 1 users']);
  expect(lines({ ...REACH, logins: 10_000, is_more: true })).toEqual([
    'over 10000 sign-ins at 2 applications, in 2 sessions of 1 users',
  ]);
});
