import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestPorts, type TestPorts } from '../../platform/testing/ports.ts';
import { noteSigner, plainEvent, sealInBulk } from '../../platform/testing/sealed-log.ts';
import { createTestDatabase, type TestDatabase } from '../../platform/testing/stores.ts';
import { leafOf } from './log/leaf.ts';
import { vkeyOf } from './log/note.ts';
import { proveEvent } from './prove-event.ts';
import { readEvent } from './read-event.ts';
import { readCheckpoint } from './read-log.ts';

const VERIFIER = join(import.meta.dirname, '../../../scripts/verify-audit-log.mjs');
const SIZE = 70_000;
const signer = noteSigner('sallyport.example/audit', 7);

let database: TestDatabase;
let ports: TestPorts;
let folder: string;
beforeAll(async () => {
  database = await createTestDatabase();
  ports = createTestPorts(database.url);
  folder = mkdtempSync(join(tmpdir(), 'sallyport-proofs-'));
  await sealInBulk(ports.sql, { signer, batches: [SIZE] });
});
afterAll(async () => {
  await ports.end();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** The offline verifier on what the product gave. */
function verifyOffline(seq: number, proof: string, leaf: Buffer): { status: number | null; stdout: string } {
  writeFileSync(join(folder, 'leaf'), leaf);
  writeFileSync(join(folder, 'proof'), proof);
  const args = ['--proof', join(folder, 'proof'), '--leaf', join(folder, 'leaf'), '--vkey', vkeyOf(signer.key)];
  const { status, stdout } = spawnSync(process.execPath, [VERIFIER, ...args, '--json'], { encoding: 'utf8' });
  expect(JSON.parse(stdout).logs[0].index).toBe(seq);
  return { status, stdout };
}

describe('a proof', () => {
  test('of any event in 70,000 verifies offline, and is at most 2 KB beside its checkpoint', async () => {
    for (const seq of [0, 1, 255, 256, 257, 65_535, 65_536, 69_888, 69_999]) {
      const proof = await proveEvent(ports, seq);
      const checkpoint = await readCheckpoint(ports, 'current');
      expect(proof.endsWith(`\n\n${checkpoint}`)).toBe(true);
      expect(Buffer.byteLength(proof) - Buffer.byteLength(checkpoint)).toBeLessThanOrEqual(2_048);
      const { leaf } = await readEvent(ports, seq);
      expect(leaf).toBe(leafOf(plainEvent(seq)).toString('base64'));
      expect(verifyOffline(seq, proof, Buffer.from(leaf, 'base64')).status).toBe(0);
    }
  });

  test('of one event does not prove another', async () => {
    const proof = await proveEvent(ports, 300);
    expect(verifyOffline(300, proof, leafOf(plainEvent(301))).status).toBe(1);
  });

  test('waits for a checkpoint that covers the event, and knows what was never sealed', async () => {
    await expect(proveEvent(ports, SIZE)).rejects.toMatchObject({ code: 'audit_event_unknown' });
    await expect(readEvent(ports, SIZE)).rejects.toMatchObject({ code: 'audit_event_unknown' });
  });
});
