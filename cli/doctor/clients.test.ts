import { expect, test } from 'vitest';
import { clientsResult } from './clients.ts';

test('passes while every client must use PKCE', () => {
  expect(clientsResult({ clients: 3, withoutPkce: [] })).toEqual({
    result: 'pass',
    evidence: '3 registered, PKCE required of all',
  });
});

test.each([
  [['a', 'b'], 'PKCE optional for a, b'],
  [['a', 'b', 'c', 'd', 'e', 'f', 'g'], 'PKCE optional for a, b, c, d, e and 2 more'],
])('names the clients that may do without PKCE, and how to require it: %j', (withoutPkce, evidence) => {
  expect(clientsResult({ clients: 9, withoutPkce })).toEqual({
    result: 'warn',
    evidence: `9 registered, ${evidence}`,
    fix: expect.stringContaining('clients update a --pkce required'),
  });
});
