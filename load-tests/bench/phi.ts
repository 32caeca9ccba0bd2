// Cost of encrypting and decrypting 1 KB of health data, over raw AES-256-GCM and unwrapping the data key.
// Counts processor time of this process, which a busy machine distorts far less than elapsed time.
// Run: node load-tests/bench/phi.ts
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { openPhi, sealPhi, unwrapDataKey, wrapDataKey } from '#services/domain/privacy/phi-envelope.ts';
import { xaesKey } from '#services/domain/privacy/xaes-256-gcm.ts';

const ROUNDS = 7;
const CALLS = 5_000;
const TARGET_MS = 0.2;
const REWRAPS_PER_SECOND = 10_000;

const kek = xaesKey(randomBytes(32));
const key = randomBytes(32);
const place = { subjectId: 'patient-1', level: 'standard', version: 1 } as const;
const wrapped = wrapDataKey(kek, key, place, randomBytes(24));
const about = { level: 'standard', subjectId: 'patient-1', keyVersion: 1, purpose: 'treatment' } as const;
const data = { note: 'x'.repeat(1_013) };
const text = JSON.stringify(data);
const envelope = sealPhi(key, about, data, randomBytes(24));

function rawSeal(): { iv: Buffer; body: Buffer; tag: Buffer } {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const body = Buffer.concat([cipher.update(text), cipher.final()]);
  return { iv, body, tag: cipher.getAuthTag() };
}
const sealed = rawSeal();
function rawOpen(): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.iv).setAuthTag(sealed.tag);
  return Buffer.concat([decipher.update(sealed.body), decipher.final()]);
}
const unwrap = (): Buffer => unwrapDataKey(kek, wrapped, place);

const cases: Record<string, { readonly work: () => unknown; readonly baseline?: string }> = {
  'raw encrypt and unwrap': { work: () => [unwrap(), rawSeal()] },
  'raw decrypt and unwrap': { work: () => [unwrap(), rawOpen()] },
  encrypt: { work: () => sealPhi(unwrap(), about, data, randomBytes(24)), baseline: 'raw encrypt and unwrap' },
  decrypt: { work: () => openPhi(unwrap(), envelope, 'treatment'), baseline: 'raw decrypt and unwrap' },
  're-wrap': { work: () => wrapDataKey(kek, unwrap(), place, randomBytes(24)) },
};

function msOf(work: () => unknown): number {
  const start = process.cpuUsage();
  for (let at = 0; at < CALLS; at += 1) work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000 / CALLS;
}

const rounds = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
// The first round compiles.
for (let round = 0; round <= ROUNDS; round += 1)
  for (const [name, { work }] of Object.entries(cases)) {
    const ms = msOf(work);
    if (round > 0) rounds.get(name)?.push(ms);
  }
const medianOf = (name: string): number => {
  const sorted = (rounds.get(name) ?? []).sort((a, b) => a - b);
  return sorted[Math.floor(ROUNDS / 2)] as number;
};
for (const [name, { baseline }] of Object.entries(cases)) {
  const ms = medianOf(name);
  const over = baseline === undefined ? undefined : ms - medianOf(baseline);
  if (over !== undefined && over > TARGET_MS) process.exitCode = 1;
  const shown = over === undefined ? '' : `  ${over.toFixed(4)} ms over raw (target ${TARGET_MS})`;
  console.log(`${name.padEnd(24)} ${ms.toFixed(4)} ms${shown}`);
}
const perSecond = 1_000 / medianOf('re-wrap');
if (perSecond < REWRAPS_PER_SECOND) process.exitCode = 1;
console.log(`re-wrap without SQL      ${Math.round(perSecond)} a processor second (target ${REWRAPS_PER_SECOND})`);
