import { chmodSync, cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { verify as run } from '../verify-audit-log-harness.ts';
import { type LogPlace, makeLog, publish, sha256 } from './artifacts/log.ts';
import type { Artifact } from './artifacts/packages.ts';

const by = { version: '1.0.0', commit: 'c'.repeat(40) };
let folder: string;
let place: LogPlace;
let key: string;

const at = (path: string): string => join(folder, path);
const artifact = (name: string, text = `bytes of ${name}`): Artifact => ({ name, bytes: Buffer.from(text) });
const newLog = (name: string): LogPlace => {
  makeLog({ log: at(name), keyFile: at(`${name}.key`) }, 'releases.example/sallyport');
  return { log: at(name), keyFile: at(`${name}.key`) };
};
const keyOf = ({ log }: LogPlace): string => readFileSync(join(log, 'vkey'), 'utf8').trim();

/** Publishes artefacts, and writes them with their proofs as a download has them. */
async function release(artifacts: readonly Artifact[], to = place): Promise<void> {
  for (const { name, bytes } of [...artifacts, ...(await publish(to, artifacts, by))]) writeFileSync(at(name), bytes);
}
/** Exit code, and the fault of each file. */
async function verify(source: string, ...args: string[]): Promise<unknown[]> {
  const { code, report } = await run(source, '--no-state', '--vkey', ...(args.length > 0 ? args : [key]));
  return [code, ...report.logs.flatMap((log: { faults: { code: string }[] }) => log.faults.map((fault) => fault.code))];
}

beforeEach(async () => {
  folder = testFolder(onTestFinished);
  place = newLog('log');
  key = keyOf(place);
  await release([artifact('a.tgz'), artifact('b.zip'), artifact('c.whl')]);
});

test('a download that is what was published is verified, with its version and commit', async () => {
  const { code, report } = await run(at('a.tgz'), '--vkey', key);
  expect([code, report.logs]).toMatchObject([0, [{ index: 0, size: 3, released: by, key: { trust: 'pinned' } }]]);
  expect((await run(at('a.tgz'))).code).toBe(6);
});

test('a download that was cut in the middle is refused, with how much of it is there', async () => {
  writeFileSync(at('a.tgz'), 'bytes of');
  expect((await run(at('a.tgz'), '--vkey', key)).out).toMatch(/"file_cut","message":"[^"]* has 8 of 14 bytes: fetch/);
});

test.each(['Bytes of a.tgz', 'bytes of a.tgz and more'])('other bytes are refused (%s)', async (text) => {
  writeFileSync(at('a.tgz'), text);
  expect(await verify(at('a.tgz'))).toEqual([1, 'file_changed']);
});

test('a proof that was cut or changed anywhere is refused, and never with another exit code than 1', async () => {
  const proof = readFileSync(at('a.tgz.tlog-proof'));
  for (let length = 0; length < proof.length; length += 1) {
    const changed = Buffer.from(proof);
    changed[length] = (changed[length] as number) ^ 1;
    for (const bytes of [proof.subarray(0, length), changed]) {
      writeFileSync(at('a.tgz.tlog-proof'), bytes);
      expect([length, (await run(at('a.tgz'), '--vkey', key)).code]).toEqual([length, 1]);
    }
  }
});

test('what another key published is refused, under the same name of the log too', async () => {
  const other = newLog('other');
  await release([artifact('a.tgz', 'of an attacker')], other);
  expect(await verify(at('a.tgz'))).toEqual([1, 'signature_missing']);
  expect(await verify(at('a.tgz'), keyOf(other))).toEqual([0]);
});

test('another artefact, or one of an older version, is refused under this name', async () => {
  cpSync(at('b.zip.tlog-proof'), at('a.tgz.tlog-proof'));
  renameSync(at('b.zip'), at('a.tgz'));
  expect(await verify(at('a.tgz'))).toEqual([1, 'name_wrong']);
});

test('of a folder, the file that is missing and the one that was changed are named', async () => {
  const sums = ['a.tgz', 'b.zip', 'c.whl'].map((name) => `${sha256(readFileSync(at(name)))}  ${name}\n`).join('');
  await release([artifact('SHA256SUMS', sums)]);
  expect(await verify(folder)).toEqual([0]);
  const next = artifact('SHA256SUMS', sums.replace(/^\w+(?= {2}a)/, '0'.repeat(64)));
  await expect(publish(place, [next], by)).rejects.toThrow('with other bytes');
  const [proof] = await publish(place, [next], { ...by, version: '1.0.1' });
  for (const { name, bytes } of [next, proof as Artifact]) writeFileSync(at(name), bytes);
  expect(await verify(folder)).toEqual([1, 'file_changed']);
  rmSync(at('b.zip'));
  writeFileSync(at('c.whl'), 'bytes of C.whl');
  expect(await verify(folder)).toEqual([1, 'file_changed', 'file_missing', 'file_changed']);
});

test('a log that grew continues an older proof, over the border of a tile; one that shrank or forked does not', async () => {
  cpSync(place.log, at('before'), { recursive: true });
  await release(Array.from({ length: 300 }, (_, n) => artifact(`${n}.txt`)));
  expect(await verify(at('a.tgz'))).toEqual([0]);
  const proof = (name: string): string[] => [key, '--since', at(`${name}.tlog-proof`)];
  expect(await verify(place.log, ...proof('a.tgz'))).toEqual([0]);
  expect(await verify(at('before'), ...proof('299.txt'))).toEqual([1, 'log_shorter']);
  rmSync(`${place.keyFile}.head`);
  const more = Array.from({ length: 301 }, (_, n) => artifact(`${n}.txt`, 'for one victim'));
  await publish({ ...place, log: at('before') }, more, by);
  expect(await verify(at('before'), ...proof('299.txt'))).toEqual([1, 'log_inconsistent']);
});

test('the same bytes are published once, and never others under a name that the log holds', async () => {
  await release([artifact('a.tgz'), artifact('d.tgz')]);
  expect((await run(at('d.tgz'), '--vkey', key)).report.logs).toMatchObject([{ index: 3, size: 4 }]);
  await expect(release([artifact('a.tgz', 'other bytes')])).rejects.toThrow('a.tgz was published with other bytes');
});

test('a publication that ended before the checkpoint was written is done again', async () => {
  const before = [join(place.log, 'checkpoint'), `${place.keyFile}.head`].map(
    (path) => [path, readFileSync(path)] as const,
  );
  await publish(place, [artifact('lost.tgz')], by);
  for (const [path, bytes] of before) writeFileSync(path, bytes);
  await release([artifact('d.tgz')]);
  expect([await verify(at('d.tgz')), await verify(place.log)]).toEqual([[0], [0]]);
});

test('nothing is signed with a key that others can read, of another log, or over changed entries', async () => {
  const refusal = (to: LogPlace) => expect(publish(to, [], by)).rejects;
  const other = newLog('other');
  await refusal({ ...place, keyFile: other.keyFile }).toThrow('is not the key of the log');
  expect(() => newLog('log')).toThrow('is never replaced');
  writeFileSync(join(other.log, 'checkpoint'), readFileSync(join(place.log, 'checkpoint')));
  await refusal(other).toThrow('no trusted key signed');
  cpSync(place.log, at('old'), { recursive: true });
  await release([artifact('d.tgz')]);
  await refusal({ ...place, log: at('old') }).toThrow('lacks what the key signed last');
  const entries = join(place.log, 'tile/entries/000.p/4');
  writeFileSync(entries, readFileSync(entries, 'latin1').replace('b.zip', 'x.zip'), 'latin1');
  await refusal(place).toThrow('is not what its checkpoint says');
  chmodSync(place.keyFile, 0o644);
  await refusal(place).toThrow('other users can read');
});
