import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { createLogHarness, giveKeys, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { type CliRun, runCli, runCliProcess, startCli } from '#tools/testing/processes/run-cli.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const ROOT = join(import.meta.dirname, '../..');
const EVENTS = 700;

const folder = testFolder();
const dataDir = join(folder, 'data');
let size: number;
const database = opened(createTestDatabase);
const harness = opened(() => createLogHarness(database.url, { dataDir }));
beforeAll(async () => {
  await giveKeys(harness);
  await harness.emit(EVENTS - 100, { detail: { identifier: 'hash-of-an-address' } });
  await sealEvents(harness, { limit: 300 }, testCaller);
  await sealEvents(harness, {}, testCaller);
  await harness.emit(100, { type: 'test.later', userId: 'u2' });
  size = (await sealEvents(harness, {}, testCaller)).size;
  await harness.checkpointOutbox.settled();
});

const environment = () => ({
  DATABASE_URL: database.url,
  SALLYPORT_DATA_DIR: dataDir,
  AUDIT_CHECKPOINT_DIR: harness.checkpointFolder,
  HOME: folder,
});
const sallyport = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun> =>
  // The verifier of an export is a process that writes to the output of the command line.
  (args[0] === 'verify' && args[1]?.startsWith('-') === false ? runCliProcess : runCli)(['audit', ...args], {
    ...environment(),
    ...env,
  });
const json = async (args: readonly string[]) => {
  const { code, out, err } = await sallyport([...args, '--json']);
  expect(code, err).toBe(0);
  return JSON.parse(out);
};
/** Bypasses the trigger that makes the table append-only. */
const tamper = (statements: string): Promise<unknown> =>
  harness.raw(`DO $$ BEGIN SET LOCAL session_replication_role = replica; ${statements}; END $$`);

describe('tail', () => {
  test('tail prints the newest events in order, as lines or as one line of JSON', async () => {
    const { out, err, code } = await sallyport(['tail', '-n', '3']);
    expect([code, err]).toEqual([0, '']);
    const lines = out.trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(new RegExp(`^ *${size - 1}  \\S+Z  test\\.later +ok +user:u2  -> family:s100`));
    const { events } = await json(['tail', '--type', 'test.done', '-n', '2']);
    expect(events.map((event: { type: string }) => event.type)).toEqual(['test.done', 'test.done']);
    expect(events[0].seq).toBe(events[1].seq - 1);
  });

  test('shows the events of one actor, target, client or trace; an id alone, and an address, is that of a user', async () => {
    const typesOf = async (...args: string[]) => {
      const { events } = await json(['tail', '-n', '100', ...args]);
      return [...new Set(events.map((event: { type: string }) => event.type))];
    };
    expect(await typesOf('--actor', 'u2')).toEqual(['test.later']);
    expect(await typesOf('--actor', 'user:u1', '--client', 'c1')).toEqual(['test.done']);
    expect(await typesOf('--target', 'family:s100', '--actor', 'u2')).toEqual(['test.later']);
    expect(await typesOf('--target', 'user:s100')).toEqual([]);
    expect(await typesOf('--outcome', 'ok', '--actor', 'u2')).toEqual(['test.later']);
    expect(await typesOf('--outcome', 'refused')).toEqual([]);
    await harness.raw`INSERT INTO users (id, email) VALUES ('u2', 'olga@clinic.test')`;
    expect(await typesOf('--actor', 'Olga@clinic.test')).toEqual(['test.later']);
    const unknown = await sallyport(['tail', '--actor', 'unknown@clinic.test']);
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('No account has this address')]);
    const malformed = await sallyport(['tail', '--trace', 'xyz']);
    expect(malformed).toMatchObject({ code: 2, err: expect.stringContaining('--trace "xyz" must have at least 32 ') });
  });

  test('follows the log, shows each event once, and ends on Ctrl-C', async () => {
    const emit = async (): Promise<void> => {
      await harness.emit(1, { type: 'test.followed' });
      await harness.emit(1, { type: 'test.other' });
      await sealEvents(harness, {}, testCaller);
    };
    await emit();
    const child = startCli(
      ['audit', 'tail', '--follow', '--json', '-n', '1', '--type', 'test.followed'],
      environment(),
    );
    let out = '';
    child.stdout.on('data', (part: Buffer) => {
      out += part;
    });
    const ended = new Promise((done) => child.once('close', done));
    const lines = (): number => out.split('\n').length - 1;
    await eventually('the existing events', () => lines() === 1);
    for (let at = 0; at < 5; at += 1) await emit();
    await eventually('what came', () => lines() === 6);
    child.kill('SIGINT');
    await ended;
    const seqs = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map((event) => {
        expect(event.type).toBe('test.followed');
        return event.seq;
      });
    expect(new Set(seqs).size).toBe(seqs.length);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    size = (await sealEvents(harness, {}, testCaller)).size;
    await harness.checkpointOutbox.settled();
  });
});

describe('verify', () => {
  test('reads the whole running log and the marks outside, and reports it as valid', async () => {
    expect(await json(['verify'])).toEqual({
      valid: true,
      checked: size,
      first_bad_id: null,
      gaps: [],
      faults: [],
      fault_count: 0,
      losses: [],
      logs: [{ origin: TEST_ORIGIN, first_seq: 0, size, root: (await harness.head()).root }],
    });
    expect((await sallyport(['verify'])).out).toMatch(/^valid {4}\d+ events\nlog {6}sallyport\.test\/audit/);
  });

  test.each([
    ['an edited event', `UPDATE audit_events SET outcome = 'forged' WHERE seq = 321`, /FAULT.*row_edited.*321/, 321],
    ['a deleted event', 'DELETE FROM audit_events WHERE seq = 322', /GAP +event 322 is missing/, 322],
  ])('verify names %s, and ends with 1', async (_, statement, line, seq) => {
    await tamper('CREATE TABLE kept AS SELECT * FROM audit_events WHERE seq IN (321, 322)');
    await tamper(statement);
    const run = await sallyport(['verify']);
    const report = await sallyport(['verify', '--json']);
    await tamper(
      'DELETE FROM audit_events WHERE seq IN (321, 322); INSERT INTO audit_events SELECT * FROM kept; DROP TABLE kept',
    );
    expect(run.code).toBe(1);
    expect(run.out).toMatch(line);
    expect(run.err).toMatch(new RegExp(`event ${seq}`));
    expect([report.code, JSON.parse(report.out).first_bad_id]).toEqual([1, seq]);
  });

  test('names the file of a published head that the database does not have', async () => {
    const file = join(harness.checkpointFolder, encodeURIComponent(TEST_ORIGIN), 'checkpoint');
    const note = readFileSync(file, 'utf8');
    const behind = await harness.raw<{ note: string }>`SELECT note FROM audit_checkpoints ORDER BY size LIMIT 1`;
    writeFileSync(file, behind[0]!.note);
    expect((await sallyport(['verify'])).code).toBe(0);
    writeFileSync(file, note.replace(/^(.*\n)\d+\n/, '$1999999\n'));
    const forged = await sallyport(['verify']);
    writeFileSync(file, note);
    expect(forged.code).toBe(1);
    expect(forged.err).toMatch(/is not signed by a key of the log/);
  });

  test('reports a database behind its high-water mark', async () => {
    const mark = (await harness.logMark.read())!;
    const ahead = { ...mark, size: mark.size + 1 };
    await harness.logMark.swap(mark, ahead);
    const run = await sallyport(['verify']);
    await harness.logMark.swap(ahead, mark);
    expect(run.code).toBe(1);
    expect(run.out).toMatch(/log_behind_mark/);
  });
});

describe('prove', () => {
  test('writes leaf, proof and key, and prints the command that verifies them offline', async () => {
    const out = join(folder, 'proof of 5');
    const rehearsal = await json(['prove', '5', '--out', out, '--dry-run']);
    expect(rehearsal).toEqual({ dry_run: true, would: `write leaf, proof and key of event 5 to ${out}` });
    expect(existsSync(out)).toBe(false);
    const proof = await json(['prove', '5', '--out', out]);
    expect(readdirSync(out).sort()).toEqual(['5.leaf', '5.tlog-proof', '5.vkey']);
    const run = spawnSync('sh', ['-c', proof.verify], { cwd: ROOT, encoding: 'utf8' });
    expect(run.stdout).toMatch(/^verified sallyport\.test\/audit: entry 5 of \d+/);
    expect(run.status).toBe(0);
    writeFileSync(join(out, '5.leaf'), readFileSync(join(out, '5.leaf'), 'utf8').replace('"seq":5', '"seq":6'));
    expect(spawnSync('sh', ['-c', proof.verify], { cwd: ROOT }).status).toBe(1);
    expect((await sallyport(['prove', '5', '--out', out])).out).toBe(`${proof.verify}\n`);
  });
});

/** The key of the log in use. */
async function vkey(): Promise<string> {
  const { origin, vkeys } = await json(['key']);
  expect(vkeys).toEqual([expect.stringContaining(`${origin}+`)]);
  expect((await sallyport(['key'])).out).toBe(`${vkeys[0]}\n`);
  return vkeys[0];
}

describe('export', () => {
  test('writes a log that verifies offline, as a folder and as a tar, with the personal values', async () => {
    const out = join(folder, 'whole');
    const written = await json(['export', '--out', out]);
    expect(written.files).toBeGreaterThan(8);
    const key = await vkey();
    const { logs, ok } = await json(['verify', out, '--vkey', key, '--complete']);
    expect(ok).toBe(true);
    expect(logs[0]).toMatchObject({ origin: TEST_ORIGIN, size, checked: { entries: size, left_out: 0 } });
    expect(logs[0].checked.disclosures).toBeGreaterThan(EVENTS);
    expect(logs[0].checked.checkpoints).toBeGreaterThan(2);
    expect(spawnSync('tar', ['cf', `${out}.tar`, '-C', folder, 'whole']).status).toBe(0);
    expect((await json(['verify', `${out}.tar`, '--vkey', key])).logs[0].checked.entries).toBe(size);
    const unpinned = await sallyport(['verify', out]);
    expect([unpinned.code, unpinned.out]).toEqual([6, expect.stringMatching(/^not authenticated: give --vkey/)]);
    const entries = join(out, 'tile/entries/001');
    writeFileSync(entries, readFileSync(entries).subarray(0, -1));
    const run = await sallyport(['verify', out, '--vkey', key]);
    expect(run.code).toBe(1);
    expect(run.out).toMatch(/tile\/entries\/001 ends inside an entry/);
  });

  test('writes a range of events, by number or by time, with the whole tree, and without personal values if requested', async () => {
    const out = join(folder, 'part');
    await json(['export', '--out', out, '--from', '300', '--to', '310', '--no-personal']);
    const { logs } = await json(['verify', out, '--vkey', await vkey()]);
    expect(logs[0].checked).toMatchObject({ entries: 256, left_out: size - 256, disclosures: 0 });
    expect(existsSync(join(out, 'personal.jsonl'))).toBe(false);
    const today = new Date().toISOString().slice(0, 10);
    const later = join(folder, 'later');
    await json(['export', '--out', later, '--from', today]);
    expect((await json(['verify', later, '--vkey', await vkey()])).logs[0].checked.left_out).toBe(0);
    const none = await sallyport(['export', '--out', join(folder, 'none'), '--to', '2001-01-01']);
    expect(none).toMatchObject({ code: 2, out: '' });
  });

  test('refuses a folder that is not empty', async () => {
    const out = join(folder, 'taken');
    await json(['export', '--out', out]);
    const again = await sallyport(['export', '--out', out]);
    expect(again.code).toBe(2);
    expect(again.err).toMatch(/is not empty/);
  });
});

describe('report', () => {
  test('reports a period as JSON and as CSV, both ends inclusive, a day as the whole day', async () => {
    const day = new Date().toISOString().slice(0, 10);
    const report = await json(['report', '--start', day, '--end', day]);
    expect(report.events).toHaveLength(report.total);
    expect(report.counts).toContainEqual({ type: 'test.later', outcome: 'ok', count: 100 });
    const file = join(folder, 'report.csv');
    await json(['report', '--start', day, '--end', day, '--format', 'csv', '--out', file]);
    expect(readFileSync(file, 'utf8').trim().split('\r\n')).toHaveLength(1 + report.total);
    const [first] = report.events;
    const one = await json(['report', '--start', first.occurred_at, '--end', first.occurred_at]);
    expect(one.events.map((event: { seq: number }) => event.seq)).toContain(first.seq);
  });
});

describe('erase and continue', () => {
  test('erased values are not in exports, and the log stays valid', async () => {
    expect((await sallyport(['erase', 'u2'])).code).toBe(4);
    expect(await json(['erase', 'u2', '--dry-run'])).toEqual({
      dry_run: true,
      would: 'erase the personal values of u2',
    });
    expect(await json(['erase', 'u2', '--yes'])).toMatchObject({ user_id: 'u2', values: 501 });
    size = (await sealEvents(harness, {}, testCaller)).size;
    const out = join(folder, 'erased');
    await json(['export', '--out', out]);
    const { logs } = await json(['verify', out, '--vkey', await vkey(), '--complete']);
    expect(logs[0]).toMatchObject({ size, faults: [] });
    expect((await json(['verify'])).valid).toBe(true);
  });

  test('continues a log under another name after a loss, and refuses to without one', async () => {
    const refused = await sallyport(['continue', '--reason', 'test', '--yes']);
    expect(refused).toMatchObject({ code: 5, out: '' });
    const mark = (await harness.logMark.read())!;
    await harness.logMark.swap(mark, { ...mark, size: mark.size + 10, root: Buffer.alloc(32, 1).toString('base64') });
    expect((await sallyport(['continue', '--reason', 'test'])).code).toBe(4);
    const plan = await json(['continue', '--reason', 'test', '--dry-run']);
    expect(plan).toMatchObject({ held: { origin: TEST_ORIGIN, size }, lost: { size: size + 10 } });
    const done = await json(['continue', '--reason', 'restored from the backup of Tuesday', '--yes']);
    expect(done).toMatchObject({
      first_seq: size,
      origin: expect.stringMatching(/^sallyport\.test\/audit\/continued-/),
    });
    await sealEvents(harness, {}, testCaller);
    const verified = await json(['verify']);
    expect(verified).toMatchObject({
      valid: true,
      losses: [{ origin: TEST_ORIGIN, from: size, to: size + 9, continued_as: done.origin }],
    });
    expect((await sallyport(['verify'])).out).toContain(`LOST     events ${size} to ${size + 9} of ${TEST_ORIGIN}`);
    expect(verified.logs.map(({ origin }: { origin: string }) => origin)).toEqual([TEST_ORIGIN, done.origin]);
    const { events } = await json(['tail', '--type', 'audit.log_continued']);
    expect(events).toMatchObject([{ seq: size, detail: { lost: { size: size + 10 } } }]);
    const out = join(folder, 'both');
    await json(['export', '--out', out]);
    const { logs } = await json(['verify', out, '--vkey', await vkey(), '--complete']);
    expect(logs.map((log: { origin: string }) => log.origin)).toEqual([done.origin, TEST_ORIGIN]);
    const out5 = join(folder, 'old proof');
    const proof = await json(['prove', '5', '--out', out5]);
    expect(spawnSync('sh', ['-c', proof.verify], { cwd: ROOT }).status).toBe(0);
  });
});

describe('usage', () => {
  test.each([
    ['an event number that is not a number', ['prove', 'x'], {}, 2, /number of the log/],
    ['an event that was never sealed', ['prove', '99999999'], {}, 2, /Event not found in the sealed log/],
    ['too many lines', ['tail', '-n', '101'], {}, 2, /1 to 100/],
    ['an invalid time', ['report', '--start', 'monday', '--end', '2026-01-01'], {}, 2, /takes a day/],
    ['an invalid day', ['report', '--start', '2026-13-01', '--end', '2026-01-01'], {}, 2, /takes a day/],
    [
      'an unknown format',
      ['report', '--start', '2026-01-01', '--end', '2026-01-01', '--format', 'xml'],
      {},
      2,
      /json or csv/,
    ],
    [
      'a range from a number to a time',
      ['export', '--out', '/tmp/x', '--from', '5', '--to', '2026-01-01'],
      {},
      2,
      /both/,
    ],
    ['a missing export', ['verify', '/nowhere'], {}, 2, /is not there/],
    ['options of an export without one', ['verify', '--complete'], {}, 2, /belong to an export/],
    ['no reason', ['continue'], {}, 2, /--reason/],
    ['no database', ['verify'], { DATABASE_URL: 'postgresql://absent@127.0.0.1:1/none' }, 3, /does not answer/],
  ])('%s ends with its exit code', async (_, args, env, code, message) => {
    const run = await sallyport(args, env as Record<string, string>);
    expect(run.err).toMatch(message);
    expect(run).toMatchObject({ code, out: '' });
  });
});
