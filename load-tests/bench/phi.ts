import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { encryptPhi } from '#services/wings/privacy/encrypt-phi.ts';
import { openPhi, sealPhi, unwrapDataKey, wrapDataKey } from '#services/wings/privacy/phi-envelope.ts';
import { createPhiKeys } from '#services/wings/privacy/phi-keys.ts';
import { rotateEncryptionKeys, rotatePhiKeys } from '#services/wings/privacy/rotate-encryption-keys.ts';
import { xaesKey } from '#services/wings/privacy/xaes-256-gcm.ts';
import { createTestPorts, type TestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { cpuSecondsOf } from '../lib/cpu-time.ts';
import { alternate, median, medianOf, type Rounds } from '../lib/rounds.ts';

const CALLS = 5_000;
const DATA_KEYS = 100_000;
const KEYS_AT_ONCE = 10_000;
const NONCE_BYTES = 24;

const place = { subjectId: 'patient-1', level: 'standard', version: 1 } as const;
const about = { level: 'standard', subjectId: 'patient-1', keyVersion: 1, purpose: 'treatment' } as const;
/** 1 KB of JSON. */
const data = { note: 'x'.repeat(1_013) };
const nonce = (): Buffer => randomBytes(NONCE_BYTES);

type Case = 'rawEncrypt' | 'rawDecrypt' | 'encrypt' | 'decrypt';

/** Processor time of this process, which a busy machine distorts far less than elapsed time. */
function cpuMsOf(work: () => unknown): number {
  const start = process.cpuUsage();
  for (let at = 0; at < CALLS; at += 1) work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000 / CALLS;
}

async function encryption(context: BenchContext): Promise<readonly Figure[]> {
  const kek = xaesKey(randomBytes(32));
  const key = randomBytes(32);
  const text = JSON.stringify(data);
  const envelope = sealPhi(key, about, data, nonce());
  const wrapped = wrapDataKey(kek, key, place, nonce());
  const unwrap = (): Buffer => unwrapDataKey(kek, wrapped, place);
  const rawSeal = () => {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    const body = Buffer.concat([cipher.update(text), cipher.final()]);
    return { iv, body, tag: cipher.getAuthTag() };
  };
  const sealed = rawSeal();
  const rawOpen = (): Buffer => {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.iv).setAuthTag(sealed.tag);
    return Buffer.concat([decipher.update(sealed.body), decipher.final()]);
  };
  const cases: Readonly<Record<Case, () => Promise<number>>> = {
    rawEncrypt: async () => cpuMsOf(() => [unwrap(), rawSeal()]),
    rawDecrypt: async () => cpuMsOf(() => [unwrap(), rawOpen()]),
    encrypt: async () => cpuMsOf(() => sealPhi(unwrap(), about, data, nonce())),
    decrypt: async () => cpuMsOf(() => openPhi(unwrap(), envelope, 'treatment')),
  };
  // Compiles.
  await alternate(1, cases);
  const rounds: Rounds<Case, number> = await alternate(context.rounds, cases);
  const figure = (name: 'encrypt' | 'decrypt', raw: 'rawEncrypt' | 'rawDecrypt'): Figure => ({
    name: `${name} 1 KB of health data − raw AES-256-GCM and unwrapping the data key`,
    unit: 'ms of CPU time',
    value: medianOf(rounds, (round) => round[name] - round[raw]),
    target: { atMost: 0.2 },
    measured: { calls: CALLS, rounds },
    detail: `${medianOf(rounds, (round) => round[name]).toFixed(4)} ms against ${medianOf(rounds, (round) => round[raw]).toFixed(4)} ms; without SQL`,
  });
  return [figure('encrypt', 'rawEncrypt'), figure('decrypt', 'rawDecrypt')];
}

/** One data key for each of many persons, under the current key. */
async function insertDataKeys(ports: TestPorts): Promise<void> {
  const phiKeys = createPhiKeys(ports.vault);
  const first = { subject_id: 'p-0', purpose: 'treatment', level: 'standard', data: 'x' } as const;
  await encryptPhi({ ...ports, phiKeys }, first, testCaller);
  const [row] = await ports.raw<{ version: number; sealed: string }>('SELECT version, sealed FROM phi_keys');
  const kek = phiKeys.open(row!);
  const key = randomBytes(32);
  for (let from = 1; from < DATA_KEYS; from += KEYS_AT_ONCE) {
    const subjects = Array.from({ length: Math.min(KEYS_AT_ONCE, DATA_KEYS - from) }, (_, at) => `p-${from + at}`);
    const wrapped = subjects.map((subjectId) => wrapDataKey(kek, key, { ...place, subjectId }, nonce()));
    await ports.raw(
      `INSERT INTO phi_data_keys (id, subject_id, level, version, kek_version, wrapped)
       SELECT gen_random_uuid(), subject, 'standard', 1, $3, wrapped FROM unnest($1::text[], $2::text[]) AS v(subject, wrapped)`,
      [subjects, wrapped, row!.version],
    );
  }
  await ports.raw('ANALYZE phi_data_keys');
}

async function rotation(context: BenchContext): Promise<Figure> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-bench-phi-'));
  context.onClose(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = await startPostgres({ dataDir, say: context.say });
  context.onClose(() => postgres.stop());
  await migrate(postgres.url);
  const ports = createTestPorts(postgres.url);
  context.onClose(() => ports.end());
  context.say(`adding ${DATA_KEYS} data keys`);
  await insertDataKeys(ports);
  const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
  const signal = new AbortController().signal;
  const rounds: { readonly perSecond: number; readonly perCpuSecond: number }[] = [];
  for (let round = 1; round <= context.rounds; round += 1) {
    await rotatePhiKeys({ ...ports, wakePhiRotation: () => {} }, { reason: 'bench' }, testCaller);
    const fence = await takeFence(ports.sql, 'rotate-encryption-keys');
    const [startedAt, cpuBefore] = [performance.now(), cpuSecondsOf(process.pid)];
    const run = { fence, signal, progress: async () => {}, caller };
    await rotateEncryptionKeys(ports, { rotationDays: 90 }, run);
    const [done] = await ports.raw<{ state: string; rewrapped: number }>(
      'SELECT state, rewrapped::float8 AS rewrapped FROM phi_rotations ORDER BY started_at DESC LIMIT 1',
    );
    if (done?.state !== 'done' || done.rewrapped !== DATA_KEYS) throw new Error(`re-wrapped ${JSON.stringify(done)}`);
    const perSecond = DATA_KEYS / ((performance.now() - startedAt) / 1_000);
    rounds.push({ perSecond, perCpuSecond: DATA_KEYS / (cpuSecondsOf(process.pid) - cpuBefore) });
    context.say(`round ${round}: ${perSecond.toFixed(0)} data keys re-wrapped a second`);
  }
  return {
    name: 'data keys re-wrapped by the rotation',
    unit: 'a second',
    value: median(rounds.map(({ perSecond }) => perSecond)),
    target: { atLeast: 10_000 },
    measured: { dataKeys: DATA_KEYS, rounds },
    detail: `${DATA_KEYS.toLocaleString('en')} data keys, read, re-wrapped and stored; ${median(rounds.map(({ perCpuSecond }) => perCpuSecond)).toFixed(0)} a CPU-second of the job and PostgreSQL together`,
  };
}

export const phi: Bench = {
  name: 'phi',
  about: 'encrypting and decrypting 1 KB of health data over raw AES-256-GCM, and re-wrapping data keys',
  async run(context) {
    return [...(await encryption(context)), await rotation(context)];
  },
};
