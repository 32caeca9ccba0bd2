import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  buildProof,
  buildTlog,
  signatureLine,
  type TlogFiles,
  type TlogSigner,
  tlogSigner,
  writeTlog,
} from './testing/fixtures/tlog-builder.ts';
import {
  eventLeaf,
  faultsOf,
  folder,
  plainLeaves,
  type Run,
  signer,
  useFolder,
  verify,
} from './verify-audit-log-harness.ts';

useFolder();

const [second, third, attacker] = [9, 10, 66].map((seed) => tlogSigner(signer.name, seed)) as [
  TlogSigner,
  TlogSigner,
  TlogSigner,
];

/** A note of one key over its successor. */
function rotation(from: TlogSigner, to: TlogSigner, by = from): string {
  const text = `${from.name}/key-rotation\n${from.vkey}\n${to.vkey}\n`;
  return `${text}\n${signatureLine(by, text)}`;
}

function signedBy(leaves: readonly Buffer[], signers: readonly TlogSigner[], rotations: readonly string[]): TlogFiles {
  const files = buildTlog(leaves, signer);
  const text = `${files.get('checkpoint')!.toString().split('\n\n')[0]}\n`;
  files.set('checkpoint', Buffer.from(`${text}\n${signers.map((each) => signatureLine(each, text)).join('')}`));
  files.set('vkey', Buffer.from(signers.map(({ vkey }) => `${vkey}\n`).join('')));
  files.set('key-rotations', Buffer.from(rotations.join('\n')));
  return files;
}

const state = (): string => join(folder, 'state.json');
const keysKept = (): string[] => JSON.parse(readFileSync(state(), 'utf8')).vkeys;

function look(files: TlogFiles, ...args: readonly string[]): Promise<Run> {
  const at = join(folder, 'log');
  rmSync(at, { recursive: true, force: true });
  writeTlog(at, files);
  return verify(at, '--state', state(), ...args);
}

describe('an attacker who can insert a row into the outbox', () => {
  const events = Array.from({ length: 5 }, (_, at) => eventLeaf(at));
  const x = Buffer.from(attacker.vkey.split('+').slice(2).join('+'), 'base64').subarray(1).toString('base64url');
  const kid = createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
  const taught = Buffer.from(
    `{"actor":{"kind":"system"},"detail":{"purpose":"audit-log"},"event_id":"x","seq":5,"target":{"id":"${kid}","kind":"key"},"type":"key.published","v":1}`,
  );
  const invented = [6, 7, 8].map((seq) => eventLeaf(seq, '"outcome":"ok",'));

  test('cannot make the verifier remember a key that a sealed entry names, beside the signature of the real one', async () => {
    await look(signedBy(events, [signer], []), '--vkey', signer.vkey);
    for (const memory of [state(), join(folder, 'none.json')]) {
      const run = await look(
        signedBy([...events, taught], [signer, attacker], [rotation(signer, attacker, attacker)]),
        ...(memory === state() ? [] : ['--vkey', signer.vkey, '--no-state']),
      );
      expect([run.code, run.report.logs[0].key.reached]).toEqual([0, []]);
    }
    expect(keysKept()).toEqual([signer.vkey]);
  });

  test('cannot have invented entries verified: not with a state, not with a pinned key, not without either', async () => {
    const forged = signedBy([...events, taught, ...invented], [attacker], [rotation(signer, attacker, attacker)]);
    await look(signedBy(events, [signer], []), '--vkey', signer.vkey);
    await look(signedBy([...events, taught], [signer, attacker], []));
    for (const args of [[], ['--vkey', signer.vkey]])
      expect(faultsOf(await look(forged, ...args))).toMatchObject([{ code: 'signature_missing' }]);
    rmSync(state());
    const first = await look(forged);
    expect([first.code, first.err]).toEqual([6, expect.stringMatching(/not authenticated: give --vkey/)]);
    expect((await look(forged)).code).toBe(6);
  });

  test('gains nothing from a state of an earlier version, which may have learned a key from an entry', async () => {
    await look(signedBy(events, [signer], []), '--vkey', signer.vkey);
    const { authenticated, ...old } = JSON.parse(readFileSync(state(), 'utf8'));
    expect(authenticated).toBe(true);
    writeFileSync(state(), JSON.stringify({ ...old, vkeys: [...old.vkeys, attacker.vkey] }));
    const forged = signedBy([...events, taught, ...invented], [attacker], []);
    expect((await look(forged)).code).toBe(6);
    expect(faultsOf(await look(signedBy(events.slice(0, 3), [attacker], [])))).toMatchObject([{ code: 'log_shorter' }]);
    expect(faultsOf(await look(forged, '--vkey', signer.vkey))).toMatchObject([{ code: 'signature_missing' }]);
  });
});

describe('a key that replaced another', () => {
  const raw = '--raw';
  const both = [rotation(signer, second), rotation(second, third)];

  test('is trusted after two replacements of which the auditor saw neither, and remembered', async () => {
    await look(signedBy(plainLeaves(3), [signer], []), raw, '--vkey', signer.vkey);
    for (const notes of [both, both.toReversed()]) {
      const run = await look(signedBy(plainLeaves(9), [third], notes), raw);
      expect([faultsOf(run), run.report.logs[0].key.trust, run.code]).toEqual([[], 'seen before', 0]);
      expect(keysKept()).toEqual([third.vkey]);
    }
    const first = await look(signedBy(plainLeaves(9), [third], both), raw, '--no-state', '--vkey', signer.vkey);
    expect([first.code, first.report.logs[0].key.reached]).toEqual([0, [third.vkey]]);
  });

  test.each([
    ['a missing link', [rotation(second, third)], 'signature_missing'],
    [
      'a note that another key signed',
      [rotation(signer, second, attacker), rotation(second, third)],
      'signature_missing',
    ],
    ['a note about another key', [rotation(signer, second), rotation(attacker, third)], 'signature_missing'],
    ['a changed note', [rotation(signer, second).replace(second.vkey, third.vkey)], 'signature_wrong'],
    ['a checkpoint as a note', [buildTlog(plainLeaves(3), signer).get('checkpoint')!.toString()], 'key_malformed'],
    ['text without signatures', ['nothing\n'], 'note_malformed'],
  ])('is not trusted through %s', async (_, notes, code) => {
    const run = await look(signedBy(plainLeaves(9), [third], notes), raw, '--vkey', signer.vkey);
    expect([run.code, faultsOf(run).map((fault) => fault.code)]).toEqual([1, [code]]);
  });

  test('is trusted under the name of a log that this one continues, too', async () => {
    const next = tlogSigner(`${signer.name}/continued-0000000a`, 9);
    const files = buildTlog(plainLeaves(2), next);
    files.set('key-rotations', Buffer.from(rotation(signer, second)));
    for (const [path, bytes] of signedBy(plainLeaves(3), [second], [])) files.set(`origins/1/${path}`, bytes);
    const pinned = tlogSigner(next.name, 7);
    const run = await look(files, raw, '--vkey', pinned.vkey, '--no-state');
    expect(run.report.logs).toMatchObject([
      { origin: next.name, faults: [], key: { reached: [next.vkey] } },
      { origin: signer.name, faults: [], key: { reached: [second.vkey] } },
    ]);
  });

  test('leaves a checkpoint that only its predecessor signed uncompared', async () => {
    const files = signedBy(plainLeaves(9), [second], []);
    files.set('checkpoints/3', buildTlog(plainLeaves(3), signer).get('checkpoint')!);
    const run = await look(files, raw, '--vkey', second.vkey);
    expect([faultsOf(run), run.report.logs[0].not_compared]).toMatchObject([[], [{ file: 'checkpoints/3' }]]);
  });

  test('is trusted for one entry, with the notes beside its proof', async () => {
    const at = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const args = ['--proof', at('proof', buildProof(plainLeaves(9), 4, third)), '--leaf', at('leaf', 'leaf 4'), raw];
    const pinned = [...args, '--vkey', signer.vkey];
    expect(faultsOf(await verify(...pinned))).toMatchObject([{ code: 'signature_missing' }]);
    expect((await verify(...pinned, '--rotations', at('notes', both.join('\n')))).code).toBe(0);
  });
});
