import { expect, test } from 'vitest';
import { httpUrl, tellMove } from './addresses.ts';

test.each([
  ['localhost', 'http://localhost:3000'],
  ['127.0.0.1', 'http://127.0.0.1:3000'],
  ['0.0.0.0', 'http://localhost:3000'],
  ['::', 'http://localhost:3000'],
  ['::1', 'http://[::1]:3000'],
  ['auth.example.test', 'http://auth.example.test:3000'],
])('an address listening on %s is called at %s', (host, url) => expect(httpUrl(host, 3_000)).toBe(url));

test('an installation that knows this machine by another name keeps it, unless HOST names an address', () =>
  expect(['localhost', '0.0.0.0', '::1'].map((host) => httpUrl(host, 3_000, '127.0.0.1'))).toEqual([
    'http://127.0.0.1:3000',
    'http://127.0.0.1:3000',
    'http://[::1]:3000',
  ]));

test.each([
  [3_000, 3_001, ['port 3000 is taken: using 3001']],
  [3_000, 3_000, []],
  [0, 41_234, []],
])('with port %i requested and %i assigned, %j is logged', (wanted, got, told) => {
  const said: string[] = [];
  tellMove((text) => said.push(text), 'port', wanted, got);
  expect(said).toEqual(told);
});
