import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { advanceLogKey } from '#services/core/keys/log/advance-log-key.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import type { CheckpointSink } from '#services/core/ports.ts';
import { createWitnessSink } from '#services/platform/checkpoints/witness-sink.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { tlogSigner } from '#tools/testing/fixtures/tlog-builder.ts';
import {
  createLogHarness,
  giveKeys,
  type LogHarness,
  type LogHarnessOptions,
  openLogHarness,
  TEST_ORIGIN,
} from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { cosignatureTime, openNote, parseNote, parseVkey, vkeyOf } from '../log/note.ts';
import { sealEvents } from './seal-events.ts';
import { startWitness } from './witness-harness.ts';

const signer = tlogSigner('witness.test/w1', 5, 4);

let harness: LogHarness;
const open = async (sink: CheckpointSink, options: LogHarnessOptions = {}): Promise<LogHarness> =>
  createLogHarness(keys.databaseUrl, { dataDir: keys.dataDir, sinks: [{ ...sink, intervalMs: 0 }], ...options });
const witnessSink = (vkey = signer.vkey): CheckpointSink => createWitnessSink({ vkey, url: witness.url });

const keys = openedEach(() => openLogHarness({ sinks: [] }));
const witness = openedEach(async () => startWitness(signer, (await readLogKeys(keys, TEST_ORIGIN)).map(vkeyOf)));
beforeEach(async () => {
  harness = await open(witnessSink());
});
afterEach(() => harness?.end());

const sealAndPublish = async (count: number): Promise<void> => {
  await harness.emit(count);
  await sealEvents(harness, {}, testCaller);
  await harness.checkpointOutbox.settled();
};
const sinkRows = () => harness.raw<{ size: number; failures: number }>`SELECT size, failures FROM audit_sinks`;

describe('a witness', () => {
  test('cosigns each head with a proof from its last one, and the note includes the cosignature', async () => {
    await sealAndPublish(3);
    await sealAndPublish(300);
    await sealAndPublish(1);
    const { size, note, root } = await harness.head();
    expect(witness.seen).toEqual({ size, root: Buffer.from(root, 'base64') });
    const cosigner = parseVkey(signer.vkey);
    expect(openNote(note, [cosigner]).by).toEqual([cosigner]);
    const cosignature = parseNote(note).signatures.find(({ name }) => name === cosigner.name);
    expect(Math.abs(cosignatureTime(cosignature!) - Date.now() / 1_000)).toBeLessThan(120);
    expect(await sinkRows()).toEqual([{ size, failures: 0 }]);
  });

  test('that another process has updated answers with its size, and then gets the right proof', async () => {
    await sealAndPublish(5);
    const after = await open(witnessSink());
    await after.emit(4);
    await sealEvents(after, {}, testCaller);
    await after.checkpointOutbox.settled();
    expect(witness.answers.filter((status) => status !== 200)).toEqual([409]);
    expect(witness.seen.size).toBe((await after.head()).size);
    await after.end();
  });

  test('that is unreachable does not delay sealing, is counted, and gets the newest head when it is back', async () => {
    await harness.end();
    harness = await open(witnessSink(), { retryFirstMs: 100 });
    witness.fault = 503;
    await sealAndPublish(3);
    await sealAndPublish(3);
    expect((await harness.head()).size).toBeGreaterThan(6);
    expect(witness.seen.size).toBe(0);
    expect((await sinkRows())[0]?.failures).toBeGreaterThan(0);
    witness.fault = undefined;
    await eventually('the witness has the newest head', async () => witness.seen.size === (await harness.head()).size);
  });

  test('that has seen another history counts as a failure and adds no cosignature', async () => {
    await sealAndPublish(3);
    witness.seen.root = Buffer.alloc(32, 1);
    await sealAndPublish(3);
    expect(witness.answers.at(-1)).toBe(422);
    expect((await sinkRows())[0]?.failures).toBe(1);
    expect((await harness.head()).note).not.toContain(signer.name);
    // The witness has a larger head: this database lost leaves.
    witness.seen.size = 1_000_000;
    const after = await open(witnessSink());
    await sealEvents(after, {}, testCaller);
    await after.checkpointOutbox.settled();
    expect((await sinkRows())[0]?.failures).toBe(2);
    await after.end();
  });

  test('that signs with another key than the pinned one adds no cosignature', async () => {
    const other = await open(witnessSink(tlogSigner('witness.test/w1', 6, 4).vkey));
    await other.emit(1);
    await sealEvents(other, {}, testCaller);
    await other.checkpointOutbox.settled();
    expect(await sinkRows()).toMatchObject([{ size: 0, failures: 1 }]);
    expect((await other.head()).note).not.toContain(signer.name);
    await other.end();
  });
});

describe('the key of the log', () => {
  test('during a rotation both keys sign, then only the new one; old heads still verify with the old key', async () => {
    await sealAndPublish(2);
    const [old] = await readLogKeys(harness, TEST_ORIGIN);
    const before = (await harness.head()).note;
    expect(await advanceLogKey(harness, { onlyWhenDue: true }, testCaller)).toBeNull();
    const made = await advanceLogKey(harness, { onlyWhenDue: false }, testCaller);
    expect(made).not.toBeNull();
    expect(await advanceLogKey(harness, { onlyWhenDue: false }, testCaller)).toBeNull();
    const [, next] = await readLogKeys(harness, TEST_ORIGIN);
    await sealAndPublish(2);
    const during = (await harness.head()).note;
    expect([openNote(during, [old!]).by, openNote(during, [next!]).by]).toEqual([[old], [next]]);
    // Moves the keys a month into the past.
    await harness.raw`UPDATE jwks SET signs = tstzrange(lower(signs) - interval '31 days',
      upper(signs) - interval '31 days') WHERE purpose = 'audit-log'`;
    await advanceLogKey(harness, { onlyWhenDue: true }, testCaller);
    await sealAndPublish(2);
    const after = (await harness.head()).note;
    expect(openNote(after, [next!]).by).toEqual([next]);
    expect(() => openNote(after, [old!])).toThrow('no trusted key');
    expect(openNote(before, [old!]).by).toEqual([old]);
    expect(await readLogKeys(harness, TEST_ORIGIN)).toEqual([old, next]);
    const open = await harness.raw<{ id: string }>`SELECT id FROM jwks
      WHERE purpose = 'audit-log' AND "privateKey" <> ''`;
    expect(open).toEqual([{ id: made }]);
  });

  test('without a key, events are sealed and the head is signed once the key exists', async () => {
    const bare = await createTestDatabase();
    const keyless = await createLogHarness(bare.url);
    await keyless.emit(2);
    await expect(sealEvents(keyless, {}, testCaller)).rejects.toMatchObject({ code: 'audit_log_key_missing' });
    await giveKeys(keyless);
    expect(await sealEvents(keyless, {}, testCaller)).toMatchObject({ stopped: null, backlog: 0 });
    expect((await keyless.head()).size).toBeGreaterThan(2);
    await keyless.end();
    await bare.drop();
  });
});
