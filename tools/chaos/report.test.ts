import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { rootsOf } from './audit-log.ts';
import { exampleAct, exampleExchange } from './example-facts.ts';
import { type Footprint, LEAK_BOUND, processesThatLeak, quietFootprint } from './footprint.ts';
import { impactOf } from './impact.ts';
import { type Access, createLedger, type Ledger } from './ledger.ts';
import { jsonOf, markdownOf, type Report } from './report.ts';

const impact = {
  ...{ answered: 90, unavailable: 7, failed: 0, unanswered: 3, validateMsP99: 4.2 },
  ...{ acknowledged: 12, lost: 0, tokenGapMs: 2_300 },
};
const report: Report = {
  seed: 42,
  seconds: 10,
  pace: 1,
  startedAt: '2026-11-23T00:00:00Z',
  stretch: 1.4,
  gates: [
    { name: 'wrong accepts', checked: 5, findings: [{ text: 'token-1 active', subject: { history: ['given'] } }] },
    { name: 'double successors', checked: 5, findings: [] },
    { name: 'forks', checked: 0, findings: [] },
    { name: 'answers of an older database', checked: 0, findings: [], excludedBy: '--faults' },
  ],
  faults: [{ name: 'kill-api', atSeconds: 3, detail: 'api of A', lastedMs: 900, backMs: 5_600, stretch: 3, impact }],
  counts: { refresh: 9 },
  footprints: {
    begin: { processes: { 'api of A': { rssMb: 181, descriptors: 61 } }, postgresConnections: 23 },
    end: { processes: { 'api of B': { rssMb: 192, descriptors: 62 } }, postgresConnections: 26 },
  },
};

test('a report names seed, gates, findings with the history of their family, and faults', () => {
  const text = markdownOf(report);
  for (const words of ['seed 42', '--seed 42', 'VIOLATED: 1', 'held', 'token-1 active', 'given', 'kill-api', '5.6 s'])
    expect(text).toContain(words);
  expect(JSON.parse(jsonOf(report)).gates[0]).toEqual({
    name: 'wrong accepts',
    checked: 5,
    findings: [{ text: 'token-1 active', history: ['given'] }],
  });
});

test('a report shows what each process took at both ends of the run', () => {
  const text = markdownOf(report);
  for (const line of ['| api of A | 181 | 61 | – | – |', '| api of B | – | – | 192 | 62 |', '23 before, 26 after'])
    expect(text).toContain(line);
});

test('a gate that checked nothing says so, and who left it without facts', () => {
  const text = markdownOf(report);
  expect(text).toContain('| forks | 0 | CHECKED NOTHING |');
  expect(text).toContain('| answers of an older database | 0 | excluded by --faults |');
});

test('a report says how busy the machine was, and how long a recovery could take for it', () => {
  const text = markdownOf(report);
  for (const words of ['1.4 times', '| 5.6 s | 15 s | 3.0 | 90, 7, 0, 3 | 4.2 ms | 12, 0 | 2.3 s |'])
    expect(text).toContain(words);
});

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

function ledgerOf(tokensAt: readonly number[]): Ledger {
  const ledger = createLedger();
  for (const atMs of tokensAt) ledger.tokens.set(String(atMs), { issuedAtMs: atMs } as Access);
  return ledger;
}
const span = { startedAtMs: 1_000, servedAtMs: 9_000 };

test('the longest time without a token counts from the begin of a fault until both copies serve again', () => {
  expect(impactOf(ledgerOf([900, 2_000, 7_000, 9_500]), span).tokenGapMs).toBe(5_000);
  expect(impactOf(ledgerOf([]), span).tokenGapMs).toBe(8_000);
});

test('requests count by how they ended while the fault lasted', () => {
  const ledger = ledgerOf([]);
  const add = (status: number, endedAtMs = 2_000, surface: 'validation' | 'refresh' = 'validation') =>
    ledger.exchanges.push(exampleExchange({ surface, sentAtMs: endedAtMs - 5, endedAtMs, status }));
  for (const status of [200, 200, 401, 503, 500, 0]) add(status);
  add(200, 500);
  add(200, 9_001);
  expect(impactOf(ledger, span)).toMatchObject({
    ...{ answered: 3, unavailable: 1, failed: 1, unanswered: 1, validateMsP99: 5 },
  });
  expect(impactOf(createLedger(), span).validateMsP99).toBeNull();
});

test('what was acknowledged and went with a lost database is lost', () => {
  const ledger = ledgerOf([]);
  const { ackedAtMs: _, ...sent } = exampleAct({ sentAtMs: 1_400 });
  for (const ackedAtMs of [1_500, 3_000, undefined])
    ledger.acts.push({ ...sent, ...(ackedAtMs === undefined ? {} : { ackedAtMs }) });
  ledger.rewinds.push({ backupAtMs: 2_000, startedAtMs: 4_000 });
  expect(impactOf(ledger, span)).toMatchObject({ acknowledged: 2, lost: 1 });
});

const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 6962 §2.1, as it is defined. */
function rootOf(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]!);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

test('roots at every size are those of the definition', () => {
  const leaves = Array.from({ length: 70 }, (_, at) => Buffer.from(`leaf ${at}`));
  const roots = rootsOf(leaves, new Set(leaves.map((_, at) => at + 1)));
  expect([...roots]).toEqual(leaves.map((_, at) => [at + 1, rootOf(leaves.slice(0, at + 1)).toString('base64')]));
});
