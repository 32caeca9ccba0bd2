import { expect, test } from 'vitest';
import { type Footprint, LEAK_BOUND, processesThatLeak, quietFootprint } from './footprint.ts';

const footprint = (descriptors: number, postgresConnections = 20, role = 'api of A'): Footprint => ({
  processes: { [role]: { rssMb: 200, descriptors } },
  postgresConnections,
});
const begin = footprint(40);

test.each([
  ['a process with as many descriptors as are allowed', footprint(40 + LEAK_BOUND), 0],
  ['a process with one more', footprint(41 + LEAK_BOUND), 1],
  ['as many PostgreSQL connections as are allowed', footprint(40, 20 + LEAK_BOUND), 0],
  ['one more', footprint(40, 21 + LEAK_BOUND), 1],
  ['both', footprint(500, 500), 2],
  ['a process that grew', { ...begin, processes: { 'api of A': { rssMb: 9_000, descriptors: 40 } } }, 0],
  ['a process that was not there at the beginning', footprint(500, 20, 'api of B'), 0],
])('leaks: %s', (_, end, findings) => expect(processesThatLeak({ begin, end }).findings).toHaveLength(findings));

test('every process at both ends and the database are compared', () => {
  expect(processesThatLeak({ begin, end: begin }).checked).toBe(2);
  expect(processesThatLeak({ begin, end: footprint(40, 20, 'api of B') }).checked).toBe(1);
});

test('a process has time to close what it does not need any more', async () => {
  const measured = [footprint(500), footprint(41)];
  const { end } = await quietFootprint(begin, async () => measured.shift()!);
  expect(end.processes['api of A']?.descriptors).toBe(41);
});
