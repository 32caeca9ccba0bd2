// About: services/core/audit/log/
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkpointText, type NoteSigner, signNote } from '#services/core/audit/log/note.ts';
import { advanceLogKey } from '#services/core/keys/log/advance-log-key.ts';
import { createLogSigner } from '#services/core/keys/log/log-keys.ts';
import { sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import { type ApiCopy, newAuthSecret, newClient, startApiCopy, type TestClient } from '#tools/testing/harness/api.ts';
import { ageLogKeys } from '#tools/testing/harness/log.ts';
import { createTestPorts, queryRows, testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { send } from '#tools/testing/http-client.ts';
import { goProgram } from '../checks/debian-package.ts';

const run = promisify(execFile);
const ORIGIN = 'conformance.example/audit';
const HEADS = [1, 2, 255, 256, 257, 600, 65_536, 65_537];
const SIZE = 70_000;
const PROVED = [0, 1, 255, 256, 599, 65_535, 65_536, 69_999];

const folder = mkdtempSync(join(tmpdir(), 'sallyport-conformance-'));
const program = join(folder, 'tlog-conformance');

/** Builds the program, or returns why this machine cannot. Never waits longer than the limits. */
function build(): string | null {
  const go = (args: readonly string[], limitSeconds: number) =>
    spawnSync(goProgram() ?? 'go', args, { cwd: import.meta.dirname, timeout: limitSeconds * 1_000, encoding: 'utf8' });
  if (go(['version'], 5).status !== 0) return 'Go is not installed';
  if (go(['mod', 'download'], 15).status !== 0) return 'its modules are neither here nor reachable';
  const built = go(['build', '-o', program, '.'], 30);
  if (built.error) return 'building takes too long on this machine';
  // A program that does not compile is a failure; the test is not skipped.
  if (built.status !== 0) throw new Error(built.stderr);
  return null;
}
const absent = build();
if (absent) console.warn(`SKIPPED: conformance of the audit log with Go libraries: ${absent}`);

let database: TestDatabase;
let api: ApiCopy;
let auditor: TestClient;
beforeAll(async () => {
  if (absent) return;
  database = await createTestDatabase();
  api = await startApiCopy({ databaseUrl: database.url, redisUrl: testRedisUrl(), authSecret: newAuthSecret() });
  auditor = await newClient(api, ['audit:read']);
  const [signer] = await createLogSigner(api.ports).signers(ORIGIN);
  const batches = [...HEADS, SIZE].map((size, at) => size - (HEADS[at - 1] ?? 0));
  // The database role of the application may not seal.
  const owner = createTestPorts(database.url);
  await sealInBulk(owner.sql, { signer: signer as NoteSigner, batches });
  await owner.end();
});
afterAll(async () => {
  await api?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Replaces the log's key twice, and signs the head with the newest key alone. */
async function replaceKeyTwice(): Promise<void> {
  const owner = { ...createTestPorts(database.url), vault: api.ports.vault };
  for (let times = 0; times < 2; times += 1) {
    await advanceLogKey(owner, { onlyWhenDue: false }, testCaller);
    await ageLogKeys(owner);
    await advanceLogKey(owner, { onlyWhenDue: true }, testCaller);
  }
  const [head] = await owner.raw<{ root: Buffer }>`SELECT root FROM audit_log`;
  const text = checkpointText({ origin: ORIGIN, size: SIZE, root: head?.root as Buffer });
  const signers = await createLogSigner(owner).signers(ORIGIN);
  expect(signers).toHaveLength(1);
  await owner.raw`UPDATE audit_checkpoints SET note = ${signNote(text, signers)} WHERE size = ${SIZE}`;
  await owner.end();
}

test.skipIf(absent !== null)(
  'Go’s note, formats and merkle libraries verify head, tree, inclusion and consistency of a running log',
  async () => {
    const [proofs, earlier] = [join(folder, 'proofs'), join(folder, 'earlier')];
    for (const path of [proofs, earlier]) mkdirSync(path);
    const basic = { client_id: auditor.clientId, client_secret: auditor.clientSecret };
    for (const seq of PROVED) {
      const event = await send(api.url, 'GET', `/v1/audit/events/${seq}`, { basic });
      writeFileSync(join(proofs, `${seq}.leaf`), Buffer.from(event.body.leaf, 'base64'));
      const proof = await send(api.url, 'GET', `/v1/audit/events/${seq}/proof`, { basic });
      writeFileSync(join(proofs, `${seq}.tlog-proof`), proof.text);
    }
    for (const { size, note } of await queryRows(database.url)<{ size: string; note: string }>`SELECT size, note
      FROM audit_checkpoints`)
      writeFileSync(join(earlier, size), note);
    const { text: vkey } = await send(api.url, 'GET', '/v1/audit/log/vkey');
    const args = ['-log', `${api.url}/v1/audit/log`, '-vkey', vkey.trim(), '-origin', ORIGIN];
    const { stdout } = await run(program, [...args, '-proofs', proofs, '-earlier', earlier]);
    expect(JSON.parse(stdout)).toMatchObject({
      origin: ORIGIN,
      size: SIZE,
      entries: SIZE,
      proofs: PROVED.length,
      consistency: HEADS.length + 1,
    });

    // Without the two folders it reads only the log, whatever its working directory contains.
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    for (const name of ['main.go', '1.tlog-proof']) writeFileSync(join(elsewhere, name), 'not of a log');
    const alone = await run(program, args, { cwd: elsewhere });
    expect(JSON.parse(alone.stdout)).toMatchObject({ size: SIZE, entries: SIZE, proofs: 0, consistency: 0 });
    // A missing folder is an error, not an empty folder.
    await expect(run(program, [...args, '-earlier', join(folder, 'absent')])).rejects.toThrow(/no such file/);

    writeFileSync(join(proofs, '1.leaf'), 'another leaf');
    await expect(run(program, [...args, '-proofs', proofs, '-earlier', earlier])).rejects.toThrow(/calculated root/i);

    // With the key of before two replacements, the notes lead to the key that alone signs the head now.
    await replaceKeyTwice();
    const led = await run(program, [...args, '-earlier', earlier]);
    expect(JSON.parse(led.stdout)).toMatchObject({ size: SIZE, consistency: HEADS.length + 1 });
    await queryRows(database.url)`UPDATE jwks SET rotation_note = NULL WHERE rotation_note IS NOT NULL`;
    await expect(run(program, args)).rejects.toThrow(/no valid signature|not verified|signature/i);
  },
);
