import { afterAll, beforeAll, expect, test } from 'vitest';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { type CliHarness, openCliHarness } from './cli-harness.ts';

let harness: CliHarness;
beforeAll(async () => {
  harness = await openCliHarness();
  await queryRows(
    harness.ports.databaseUrl,
    `INSERT INTO siem_targets (name, reached_seq, failures, failure, failed_at)
     VALUES ('soc', 5, 1, 'http_503', '2026-11-25T12:00:00Z')`,
  );
});
afterAll(() => harness?.close());

test('sallyport siem lists targets with their place, and replays from a position', async () => {
  expect((await harness.sallyport(['siem', 'list'])).out).toContain(
    'soc  has the log up to 5, 0 behind  fails since 2026-11-25T12:00:00.000Z: http_503',
  );
  const replay = ['siem', 'replay', 'soc', '--reason', 'index lost'];
  const rehearsed = await harness.sallyport([...replay, '--from', '2', '--dry-run']);
  expect(rehearsed).toMatchObject({
    code: 0,
    err: expect.stringContaining('would send target soc all events from 2 on'),
  });
  expect((await harness.sallyport([...replay, '--from', '2'])).code).toBe(4);
  expect((await harness.json(['siem', 'list'])).siem_targets).toMatchObject([{ siem_target: 'soc', reached_seq: 5 }]);
  expect(await harness.json([...replay, '--from', '2', '--yes'])).toMatchObject({ siem_target: 'soc', reached_seq: 1 });
  const rows = await queryRows(
    harness.ports.databaseUrl,
    `SELECT detail FROM audit_outbox WHERE type = 'siem.replayed'`,
  );
  expect(rows).toEqual([{ detail: { siem_target: 'soc', seq: 2, reached_seq: 5, reason: 'index lost' } }]);
});

test('sallyport siem replay refuses a position that was not reached, none, and an unknown target', async () => {
  const replay = (...args: readonly string[]) =>
    harness.sallyport(['siem', 'replay', ...args, '--reason', 'test', '--yes']);
  expect((await replay('soc', '--from', '99')).err).toContain('siem_position_ahead');
  expect((await replay('soc', '--from', '-1')).code).toBe(2);
  expect((await replay('other', '--from', '0')).code).not.toBe(0);
});
