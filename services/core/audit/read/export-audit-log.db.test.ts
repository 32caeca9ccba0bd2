import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { continueInBulk, noteSigner, plainEvent, sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import type { RawSql } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { vkeyOf } from '../log/note.ts';
import { type ExportInput, exportAuditLog, seqRangeOfTime } from './export-audit-log.ts';

const VERIFIER = join(import.meta.dirname, '../../../../tools/verify-audit-log.mjs');
const [FIRST, SECOND] = [600, 300];
const signers = [noteSigner('sallyport.test/first', 1), noteSigner('sallyport.test/second', 2)] as const;
const auditLogKeys = async (origin: string) => signers.filter(({ key }) => key.name === origin).map(({ key }) => key);
const EVERYTHING: ExportInput = { fromSeq: 0, toSeq: 999_999, personal: true };

const ports = opened(() => openTestPorts());
const folder = testFolder();
beforeAll(async () => {
  const first = await sealInBulk(ports.sql, { signer: signers[0], batches: [FIRST] });
  await continueInBulk(ports.sql, first, { signer: signers[1], batches: [100, 200] });
});

/** Writes an export to a new folder. */
async function exported(input: Partial<ExportInput> = {}) {
  const into = mkdtempSync(join(folder, 'e-'));
  const paths: string[] = [];
  const keys = { auditLogKeys, auditKeyRotations: async () => [] };
  for await (const { path, bytes } of exportAuditLog({ sql: ports.sql, ...keys }, { ...EVERYTHING, ...input })) {
    const file = join(into, path);
    mkdirSync(dirname(file), { recursive: true });
    appendFileSync(file, bytes);
    if (paths.at(-1) !== path) paths.push(path);
  }
  return { into, paths, text: (path: string) => readFileSync(join(into, path), 'utf8') };
}

function verify(into: string, signer: (typeof signers)[number], ...args: string[]) {
  const { status, stdout } = spawnSync(
    process.execPath,
    [VERIFIER, into, '--vkey', vkeyOf(signer.key), '--json', ...args],
    { encoding: 'utf8' },
  );
  return { status, result: JSON.parse(stdout) };
}
const entriesOf = (paths: readonly string[]) => paths.filter((path) => path.includes('tile/entries/'));
const failing = (input: Partial<ExportInput> = {}) => expect(exported(input)).rejects;
const raw: RawSql = (...asked) => ports.raw(...asked);
/** Runs a statement with triggers off, as an attacker with the rights of a superuser can. */
const tamper = (text: string) => raw(`DO $$ BEGIN SET LOCAL session_replication_role = replica; ${text}; END $$`);

describe('an export', () => {
  test('of the whole log verifies offline as complete, together with the earlier log', async () => {
    const { into, paths } = await exported();
    const both = verify(into, signers[1], '--vkey', vkeyOf(signers[0].key), '--complete');
    expect(both, JSON.stringify(both.result)).toMatchObject({ status: 0 });
    expect(both.result.logs).toHaveLength(2);
    expect(new Set(paths).size, 'the parts of a file are adjacent').toBe(paths.length);
  });

  test('contains every checkpoint, the key of each log, and each tile at its signed width', async () => {
    const { into, paths, text } = await exported();
    expect(readdirSync(join(into, 'checkpoints')).sort()).toEqual(['100', '300']);
    expect(text('vkey')).toBe(`${vkeyOf(signers[1].key)}\n`);
    expect(text('origins/1/vkey')).toBe(`${vkeyOf(signers[0].key)}\n`);
    expect(text('checkpoint')).toBe(text('checkpoints/300'));
    expect(paths.filter((path) => /^tile\/\d/.test(path))).toEqual(['tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1']);
  });

  test('of some events omits the bundles without any of them, and still verifies', async () => {
    const { into, paths } = await exported({ fromSeq: FIRST + 260, toSeq: FIRST + 261 });
    expect(entriesOf(paths)).toEqual(['tile/entries/001.p/44']);
    expect(verify(into, signers[1])).toMatchObject({ status: 0 });
    expect(verify(into, signers[1], '--complete').status, 'reported as incomplete').toBe(1);
  });

  test('of events of an earlier log also contains the tree of the log in use', async () => {
    const { into, paths } = await exported({ fromSeq: 10, toSeq: 20 });
    expect(entriesOf(paths)).toEqual(['origins/1/tile/entries/000']);
    expect(paths).toContain('checkpoint');
    expect(verify(join(into, 'origins/1'), signers[0])).toMatchObject({ status: 0 });
  });

  test('contains personal values only of the requested events, and only if requested', async () => {
    const asked = await exported({ fromSeq: 3, toSeq: 8 });
    const values = asked
      .text('origins/1/personal.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const personalOf = (seq: number) => ({
      event_id: plainEvent(seq).event_id,
      field: 'ip_hash',
      salt: Buffer.alloc(32, seq).toString('base64'),
      value: `1.${seq}`,
    });
    expect(values).toEqual([personalOf(3), personalOf(6)]);
    const silent = await exported({ fromSeq: 3, toSeq: 8, personal: false });
    expect(silent.paths.filter((path) => path.endsWith('personal.jsonl'))).toEqual([]);
    const none = await exported({ fromSeq: 4, toSeq: 5 });
    expect(none.paths).not.toContain('origins/1/personal.jsonl');
  });

  test('contains both of two checkpoints of one size, because they prove a fork', async () => {
    await raw`INSERT INTO audit_checkpoints (origin, size, root, note)
      SELECT origin, size, sha256(root), 'another note' FROM audit_checkpoints
        WHERE origin = 'sallyport.test/second' AND size = 100`;
    const { into, text } = await exported();
    expect(readdirSync(join(into, 'checkpoints')).sort()).toEqual(['100', '100.1', '300']);
    expect([text('checkpoints/100'), text('checkpoints/100.1')]).toContain('another note');
    await raw`DELETE FROM audit_checkpoints WHERE note = 'another note'`;
  });

  test('fails with the number of a missing event, at the end of a bundle or within it', async () => {
    await tamper(`UPDATE audit_events SET seq = 1000000 WHERE seq = ${FIRST + 40}`);
    await failing().toMatchObject({
      code: 'audit_log_damaged',
      options: { detail: `Event ${FIRST + 40} is missing.` },
    });
    await tamper(`UPDATE audit_events SET seq = ${FIRST + 40} WHERE seq = 1000000`);
    await tamper(`UPDATE audit_events SET seq = 1000000 WHERE seq = ${FIRST + SECOND - 1}`);
    await failing().toMatchObject({
      code: 'audit_log_damaged',
      options: { detail: `Event ${FIRST + SECOND - 1} is missing.` },
    });
    await tamper(`UPDATE audit_events SET seq = ${FIRST + SECOND - 1} WHERE seq = 1000000`);
    await expect(exported()).resolves.toBeDefined();
  });

  test('skips an unsigned earlier log, and fails if the log in use is unsigned', async () => {
    const unsigned = (origin: string) =>
      raw(`UPDATE audit_checkpoints SET origin = origin || '/away' WHERE origin = '${origin}'`);
    const signed = () => raw`UPDATE audit_checkpoints SET origin = replace(origin, '/away', '')`;
    await unsigned('sallyport.test/first');
    expect((await exported()).paths.filter((path) => path.startsWith('origins/'))).toEqual([]);
    await unsigned('sallyport.test/second');
    await failing().toMatchObject({ code: 'audit_log_empty' });
    await signed();
  });
});

test('returns the first and the last event of a period, both ends inclusive; null if there is none', async () => {
  const timeOf = (seq: number) => plainEvent(seq).occurred_at;
  expect(await seqRangeOfTime(ports, timeOf(10), timeOf(20))).toEqual({ first: 10, last: 20 });
  expect(await seqRangeOfTime(ports, '1999-01-01T00:00:00Z', '1999-12-31T00:00:00Z')).toBeNull();
});
