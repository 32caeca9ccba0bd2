import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  buildProof,
  buildTlog,
  checkpointText,
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
  VERIFIER,
  verify,
  verifyFiles,
} from './verify-audit-log-harness.ts';

useFolder();

const raw = '--raw';

describe('only the expected log, signed by the trusted key', () => {
  const leaves = plainLeaves(3);

  test('another key of the same name is refused', async () => {
    const run = await verifyFiles(buildTlog(leaves, tlogSigner(signer.name, 8)), raw);
    expect(faultsOf(run)).toMatchObject([{ code: 'signature_missing' }]);
  });

  test('a signature that does not verify under a known key is refused, whatever else signs', async () => {
    const files = buildTlog(leaves, signer);
    const text = checkpointText(signer.name, 3, randomBytes(32));
    const wrong = signatureLine(signer, `${text}x`);
    files.set('checkpoint', Buffer.from(`${text}\n${wrong}${signatureLine(signer, text)}`));
    expect(faultsOf(await verifyFiles(files, raw))).toMatchObject([{ code: 'signature_wrong' }]);
  });

  test('another origin under the right key is refused', async () => {
    const files = buildTlog(leaves, signer);
    const root = Buffer.from(files.get('checkpoint')!.toString().split('\n')[2]!, 'base64');
    const text = checkpointText('other.example/audit', 3, root);
    files.set('checkpoint', Buffer.from(`${text}\n${signatureLine(signer, text)}`));
    expect(faultsOf(await verifyFiles(files, raw))).toMatchObject([{ code: 'origin_unexpected' }]);
  });

  test.each([
    ['size with a leading zero', (text: string) => text.replace('\n3\n', '\n03\n'), 'checkpoint_malformed'],
    ['negative size', (text: string) => text.replace('\n3\n', '\n-3\n'), 'checkpoint_malformed'],
    ['a root that is too short', (text: string) => text.replace(/\n[^\n]{44}\n$/, '\nAAAA\n'), 'checkpoint_malformed'],
    ['a carriage return', (text: string) => text.replaceAll('\n', '\r\n'), 'note_malformed'],
    ['a NUL', (text: string) => `${text}\0\n`, 'note_malformed'],
  ])('strict reading: %s is refused though signed', async (_, spoil, code) => {
    const files = buildTlog(leaves, signer);
    const [text = ''] = files.get('checkpoint')!.toString().split('\n\n');
    const spoilt = spoil(`${text}\n`);
    files.set('checkpoint', Buffer.from(`${spoilt}\n${signatureLine(signer, spoilt)}`));
    expect(faultsOf(await verifyFiles(files, raw))).toMatchObject([{ code }]);
  });

  test('unknown signatures are ignored, sixteen of them too', async () => {
    const files = buildTlog(leaves, signer);
    const [text = '', own = ''] = files.get('checkpoint')!.toString().split('\n\n');
    const others = Array.from({ length: 16 }, (_, i) => signatureLine(tlogSigner(`w${i}`, i), 'anything'));
    files.set('checkpoint', Buffer.from(`${text}\n\n${others.join('')}${own}`));
    expect((await verifyFiles(files, raw)).code).toBe(0);
  });

  test('k of n cosignatures, each fresh, or none', async () => {
    const witnesses = [tlogSigner('w.example/1', 21, 4), tlogSigner('w.example/2', 22, 4)];
    const now = Math.floor(Date.now() / 1_000);
    const files = buildTlog(leaves, signer);
    const text = `${files.get('checkpoint')!.toString().split('\n\n')[0]}\n`;
    const fresh = signatureLine(witnesses[0]!, text, now);
    const old = signatureLine(witnesses[1]!, text, now - 86_400);
    files.set('checkpoint', Buffer.from(`${text}\n${signatureLine(signer, text)}${fresh}${old}`));
    const named = witnesses.flatMap(({ vkey }) => ['--witness', vkey]);
    expect((await verifyFiles(files, raw, ...named)).report.logs[0].checked.cosignatures).toBe(2);
    const strict = await verifyFiles(files, raw, ...named, '--max-age', '3600');
    expect(faultsOf(strict)).toMatchObject([{ code: 'cosignatures_missing' }]);
    expect((await verifyFiles(files, raw, ...named, '--max-age', '3600', '--quorum', '1')).code).toBe(0);
    files.set('checkpoint', Buffer.from(`${text}\n${signatureLine(signer, text)}`));
    expect(faultsOf(await verifyFiles(files, raw, ...named))).toMatchObject([{ code: 'cosignatures_missing' }]);
  });

  test('a note with signatures of the old and the new key verifies with either', async () => {
    const next = tlogSigner(signer.name, 9);
    const files = buildTlog(leaves, signer);
    const text = `${files.get('checkpoint')!.toString().split('\n\n')[0]}\n`;
    files.set('checkpoint', Buffer.from(`${text}\n${signatureLine(signer, text)}${signatureLine(next, text)}`));
    const at = join(folder, 'log');
    writeTlog(at, files);
    for (const { vkey } of [signer, next]) expect((await verify(at, raw, '--vkey', vkey)).code).toBe(0);
  });

  test('without a pinned key it says "not authenticated", ends with a code of its own and remembers nothing', async () => {
    const at = join(folder, 'log');
    writeTlog(at, buildTlog(leaves, signer));
    const state = join(folder, 'state.json');
    for (const args of [[], ['--state', state], ['--save', join(folder, 'saved')]]) {
      const run = await verify(at, raw, ...args);
      expect(run).toMatchObject({
        code: 6,
        report: { ok: false, authenticated: false, logs: [{ key: { trust: 'none' }, faults: [] }] },
      });
      expect(run.err).toMatch(/not authenticated: give --vkey/);
    }
    expect(readdirSync(folder)).toEqual(['log']);
  });
});

describe('what was last seen', () => {
  const state = (): string[] => ['--state', join(folder, 'state.json')];
  const kept = (): string[] => readdirSync(folder).filter((name) => name.startsWith('state.json.log_'));

  test('a log that grew is accepted, and remembered', async () => {
    for (const size of [0, 1, 200, 256, 300, 300])
      expect((await verifyFiles(buildTlog(plainLeaves(size), signer), raw, ...state())).code, String(size)).toBe(0);
    const { checkpoint } = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
    expect(checkpoint).toContain('\n300\n');
  });

  test('reports a log that lost its tail and was signed again, and keeps both checkpoints', async () => {
    const files = buildTlog(plainLeaves(300), signer);
    await verifyFiles(files, raw, ...state());
    const run = await verifyFiles(buildTlog(plainLeaves(290), signer), raw, ...state());
    expect(faultsOf(run)).toMatchObject([
      { code: 'log_shorter', checkpoints: [expect.any(String), expect.any(String)] },
    ]);
    expect(kept()).toHaveLength(1);
    expect((await verifyFiles(files, raw, ...state())).code).toBe(0);
  });

  test('two roots of one size are kept as proof', async () => {
    await verifyFiles(buildTlog(plainLeaves(300), signer), raw, ...state());
    const other = [...plainLeaves(299), Buffer.from('another story')];
    const run = await verifyFiles(buildTlog(other, signer), raw, ...state());
    expect(faultsOf(run)).toMatchObject([{ code: 'log_forked' }]);
    const [name = ''] = kept();
    const proof = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    expect(proof.checkpoints).toHaveLength(2);
    for (const note of proof.checkpoints) expect(note).toMatch(/\n300\n/);
  });

  test('reports two contradicting checkpoints of one size in the log itself, without a state file', async () => {
    const files = buildTlog(plainLeaves(300), signer);
    files.set('checkpoints/200', buildTlog(plainLeaves(200), signer).get('checkpoint')!);
    const other = [...plainLeaves(199), Buffer.from('another story')];
    files.set('checkpoints/200.1', buildTlog(other, signer).get('checkpoint')!);
    const faults = faultsOf(await verifyFiles(files, raw));
    expect(faults.map(({ code }) => code)).toEqual(['log_forked', 'log_inconsistent']);
    expect(faults[0].checkpoints).toHaveLength(2);
  });

  test('a longer log with another past is no continuation', async () => {
    await verifyFiles(buildTlog(plainLeaves(300), signer), raw, ...state());
    const other = [Buffer.from('another story'), ...plainLeaves(500).slice(1)];
    const run = await verifyFiles(buildTlog(other, signer), raw, ...state());
    expect(faultsOf(run)).toMatchObject([{ code: 'log_inconsistent' }]);
    expect(kept()).toHaveLength(1);
  });

  test('a key seen before stays: a log signed by another one is refused', async () => {
    const at = join(folder, 'log');
    writeTlog(at, buildTlog(plainLeaves(3), signer));
    expect((await verify(at, raw, ...state(), '--vkey', signer.vkey)).report.logs[0].key.trust).toBe('pinned');
    expect((await verify(at, raw, ...state())).report.logs[0].key.trust).toBe('seen before');
    rmSync(at, { recursive: true });
    writeTlog(at, buildTlog(plainLeaves(4), tlogSigner(signer.name, 8)));
    expect(faultsOf(await verify(at, raw, ...state()))).toMatchObject([{ code: 'signature_missing' }]);
  });

  test('a state that cannot be kept is no success: the next run would trust anew', async () => {
    mkdirSync(join(folder, 'state.json.new'));
    const at = join(folder, 'log');
    writeTlog(at, buildTlog(plainLeaves(3), signer));
    const run = await verify(at, raw, ...state(), '--vkey', signer.vkey);
    expect(run.code).toBe(2);
    expect(run.err).toMatch(/--no-state/);
  });

  test('a spoilt state is refused rather than forgotten', async () => {
    writeFileSync(join(folder, 'state.json'), '{"vkeys":[],"checkpoint":""}');
    const run = await verifyFiles(buildTlog(plainLeaves(3), signer), raw, ...state());
    expect(run.code).toBe(2);
    expect(run.err).toMatch(/put it back, or remove it/);
  });
});

describe('logs that continue one another', () => {
  const next = tlogSigner(`${signer.name}/continued-0000000a`, 7);
  const eventsOf = (from: number, count: number): Buffer[] =>
    Array.from({ length: count }, (_, i) => eventLeaf(from + i));
  const headOf = (files: TlogFiles): { origin: string; size: number; root: string } => {
    const [origin = '', size = '', root = ''] = files.get('checkpoint')!.toString().split('\n');
    return { origin, size: Number(size), root };
  };
  const continuation = (seq: number, held: object, lost: object): Buffer =>
    Buffer.from(
      JSON.stringify({
        actor: { kind: 'system' },
        detail: { held, lost },
        event_id: `${`${seq}`.padStart(8, '0')}-0000-7000-8000-000000000000`,
        seq,
        type: 'audit.log_continued',
        v: 1,
      }),
    );
  const sorted = ({ origin, size, root }: { origin: string; size: number; root: string }): object => ({
    origin,
    root,
    size,
  });
  const whole = buildTlog(eventsOf(0, 62), signer);
  const held = buildTlog(eventsOf(0, 18), signer);
  const honest = buildTlog([continuation(18, sorted(headOf(held)), sorted(headOf(whole))), ...eventsOf(19, 3)], next);
  const state = (): string[] => ['--state', join(folder, 'state.json')];

  function both(newest: TlogFiles, earlier: TlogFiles | null): Promise<Run> {
    const at = join(folder, 'log');
    rmSync(at, { recursive: true, force: true });
    writeTlog(at, newest);
    if (earlier) writeTlog(join(at, 'origins/1'), earlier);
    return verify(at, '--vkey', next.vkey, ...state());
  }
  const only = (files: TlogFiles): Promise<Run> => verifyFiles(files, ...state());
  const codesOf = (run: Run): string[] => faultsOf(run).map(({ code }) => code);

  test('to a reader without memory, one that says what it continues is verified, and what was lost is told', async () => {
    const run = await both(honest, held);
    expect(faultsOf(run)).toEqual([]);
    expect(run.report.logs[0]).toMatchObject({ origin: next.name, lost: { held: headOf(held), lost: headOf(whole) } });
    expect((await both(honest, held)).code).toBe(0);
  });

  test.each([
    ['an empty log', buildTlog([], next)],
    ['one that begins with another event', buildTlog(eventsOf(18, 4), next)],
    ['one that names another head', buildTlog([continuation(18, sorted(headOf(whole)), sorted(headOf(whole)))], next)],
    ['one that does not say what was lost', buildTlog([continuation(18, sorted(headOf(held)), {})], next)],
  ])('%s behind another is no continuation of it', async (_, forged) => {
    expect(codesOf(await both(forged, held))).toEqual(['log_forged_continuation']);
  });

  test('a log that was seen longer before it was continued is named, by its name, in every run', async () => {
    expect((await only(whole)).code).toBe(0);
    for (let again = 0; again < 2; again += 1) {
      const run = await both(honest, held);
      expect(codesOf(run)).toEqual(['log_shorter']);
      expect(run.report.logs[1]).toMatchObject({ origin: signer.name, seen: { size: 62 } });
    }
  });

  test('one that was seen with other entries is named', async () => {
    await only(buildTlog([...eventsOf(0, 9), eventLeaf(9, '"outcome":"ok",'), ...eventsOf(10, 8)], signer));
    expect(codesOf(await both(honest, held))).toEqual(['log_forked']);
  });

  test('one that is not shown any more is named; one that lost nothing that was seen goes on, and is remembered', async () => {
    await only(held);
    expect(codesOf(await both(honest, null))).toEqual(['log_missing']);
    expect((await both(honest, held)).code).toBe(0);
    expect(codesOf(await both(honest, buildTlog(eventsOf(0, 17), signer)))).toEqual([
      'log_forged_continuation',
      'log_shorter',
    ]);
    // The newest one is remembered as well, and its key needs no pin any more.
    writeTlog(join(folder, 'log/origins/1'), held);
    const run = await verify(join(folder, 'log'), ...state());
    expect(run.report.logs.map(({ key }: { key: { trust: string } }) => key.trust)).toEqual([
      'seen before',
      'seen before',
    ]);
  });
});

describe('--since a checkpoint that was verified before', () => {
  const checkpointOf = (files: TlogFiles): string[] => {
    const file = join(folder, 'before');
    writeFileSync(file, files.get('checkpoint') as Buffer);
    return ['--since', file];
  };

  test.each([
    [0, 300, 300],
    [1, 1, 1],
    [256, 257, 1],
    [300, 700, 700 - 256],
    [512, 512, 0],
    [65_536, 70_000, 70_000 - 65_536],
    [69_999, 70_000, 70_000 - 69_888],
  ])('of %i entries, %i are shown to continue them by reading %i', async (before, now, read) => {
    const old = checkpointOf(buildTlog(plainLeaves(before), signer));
    const run = await verifyFiles(buildTlog(plainLeaves(now), signer), raw, ...old);
    expect(run.report.logs).toMatchObject([
      { size: now, since: { size: before }, checked: { entries: read, left_out: 0 }, faults: [] },
    ]);
    expect(run.code).toBe(0);
  });

  test('does not accept another history, a shorter log or another root as a continuation, whatever key signed it', async () => {
    const old = checkpointOf(buildTlog(plainLeaves(300), signer));
    const [first = Buffer.alloc(0), ...others] = plainLeaves(700);
    const story = [Buffer.from('another story'), ...others];
    for (const [leaves, code] of [
      [story, 'log_inconsistent'],
      [[first, ...others.slice(0, 289)], 'log_shorter'],
      [story.slice(0, 300), 'log_forked'],
    ] as const) {
      const run = await verifyFiles(buildTlog(leaves, signer), raw, ...old);
      expect([run.code, faultsOf(run).map((fault) => fault.code)]).toEqual([1, [code]]);
      expect(faultsOf(run)[0].checkpoints).toHaveLength(2);
    }
  });

  test('reports changed hashes of earlier entries, which do not give the signed root', async () => {
    const old = checkpointOf(buildTlog(plainLeaves(600), signer));
    const files = buildTlog(plainLeaves(700), signer);
    const tile = Buffer.from(files.get('tile/1/000.p/2') as Buffer);
    tile[0] = (tile[0] as number) ^ 1;
    files.set('tile/1/000.p/2', tile);
    expect(faultsOf(await verifyFiles(files, raw, ...old)).map(({ code }) => code)).toContain('root_mismatch');
    files.delete('tile/1/000.p/2');
    expect(faultsOf(await verifyFiles(files, raw, ...old))).toMatchObject([{ code: 'tile_missing' }]);
  });

  test('what was seen further back is not passed over: reading begins there', async () => {
    const state = ['--state', join(folder, 'state.json')];
    await verifyFiles(buildTlog(plainLeaves(300), signer), raw, ...state);
    const old = checkpointOf(buildTlog(plainLeaves(600), signer));
    const run = await verifyFiles(buildTlog(plainLeaves(700), signer), raw, ...state, ...old);
    expect(run.report.logs).toMatchObject([{ seen: { size: 300 }, checked: { entries: 700 - 256 }, faults: [] }]);
  });

  test('--save keeps the checkpoint that the run verified, and no other', async () => {
    const file = join(folder, 'verified');
    const save = [raw, '--save', file];
    const checkpoint = (size: number) => buildTlog(plainLeaves(size), signer).get('checkpoint')?.toString();
    const leftOut = buildTlog(plainLeaves(700), signer);
    leftOut.delete('tile/entries/001');
    const damaged = buildTlog(plainLeaves(700), signer);
    damaged.set('tile/0/001', randomBytes(8_192));
    for (const [files, code] of [
      [leftOut, 'entries_left_out'],
      [damaged, 'tile_wrong'],
    ] as const) {
      const run = await verifyFiles(files, ...save);
      expect([run.code, faultsOf(run).map((fault) => fault.code)]).toEqual([1, [code]]);
      expect(existsSync(file)).toBe(false);
    }
    const whole = await verifyFiles(buildTlog(plainLeaves(300), signer), ...save);
    expect(whole.report.logs).toMatchObject([{ saved: file, checked: { entries: 300 }, faults: [] }]);
    expect(readFileSync(file, 'utf8')).toBe(checkpoint(300));
    // The next run goes on from there, and keeps how far it came; one that finds a fault does not.
    const next = await verifyFiles(buildTlog(plainLeaves(600), signer), ...save, '--since', file);
    expect(next.report.logs).toMatchObject([{ since: { size: 300 }, checked: { entries: 600 - 256 }, faults: [] }]);
    expect(readFileSync(file, 'utf8')).toBe(checkpoint(600));
    expect((await verifyFiles(damaged, ...save)).code).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe(checkpoint(600));
    expect((await verifyFiles(buildTlog(plainLeaves(3), signer), raw, '--save', join(file, 'below'))).code).toBe(2);
  });

  test('checkpoints beside the log from before the place where reading began are named, and not counted', async () => {
    const old = checkpointOf(buildTlog(plainLeaves(600), signer));
    const files = buildTlog(plainLeaves(700), signer);
    for (const size of [100, 511, 512, 650, 700])
      files.set(`checkpoints/${size}`, buildTlog(plainLeaves(size), signer).get('checkpoint') as Buffer);
    const since = await verifyFiles(files, raw, ...old);
    expect(since.report.logs).toMatchObject([
      {
        checked: { checkpoints: 1 + 3 },
        not_compared: [
          { file: 'checkpoints/100', size: 100 },
          { file: 'checkpoints/511', size: 511 },
        ],
        faults: [],
      },
    ]);
    const { stdout } = spawnSync(process.execPath, [VERIFIER, join(folder, 'log'), raw, ...old], { encoding: 'utf8' });
    expect(stdout).toMatch(/^skipped {2}checkpoints\/100, checkpoints\/511: not compared$/m);
    const whole = await verifyFiles(files, raw);
    expect(whole.report.logs).toMatchObject([{ checked: { checkpoints: 1 + 5 }, not_compared: [] }]);
  });

  test('a checkpoint of another key proves nothing, and one that is not there is a mistake', async () => {
    const files = buildTlog(plainLeaves(300), signer);
    const old = checkpointOf(buildTlog(plainLeaves(200), tlogSigner(signer.name, 8)));
    expect(faultsOf(await verifyFiles(files, raw, ...old))).toMatchObject([{ code: 'signature_missing' }]);
    expect((await verifyFiles(files, raw, '--since', join(folder, 'none'))).code).toBe(2);
  });
});

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
