import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Json } from '../services/platform/testing/http-client.ts';
import {
  buildProof,
  buildTlog,
  checkpointText,
  signatureLine,
  type TlogFiles,
  tlogSigner,
  writeTlog,
} from '../services/platform/testing/tlog-builder.ts';

const VERIFIER = join(import.meta.dirname, 'verify-audit-log.mjs');
const signer = tlogSigner('sallyport.example/audit', 7);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-verify-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Run = { readonly code: number | null; readonly out: string; readonly err: string; readonly report: Json };

function verify(...args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [VERIFIER, '--json', ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (part: Buffer) => {
    out += part;
  });
  child.stderr.on('data', (part: Buffer) => {
    err += part;
  });
  return new Promise((done) =>
    child.once('close', (code) => done({ code, out, err, report: out === '' ? undefined : JSON.parse(out) })),
  );
}
const faultsOf = ({ report }: Run): Json[] => report.logs.flatMap((log: Json) => log.faults);

/** Writes a log and verifies it with its key pinned. */
async function verifyFiles(files: TlogFiles, ...args: readonly string[]): Promise<Run> {
  const at = join(folder, 'log');
  rmSync(at, { recursive: true, force: true });
  writeTlog(at, files);
  return verify(at, '--vkey', signer.vkey, ...args);
}

const plainLeaves = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => Buffer.from(`leaf ${i}`));
const raw = '--raw';

describe('golden vectors', () => {
  const root3 = 'NmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=';
  const vkey = 'sallyport.example/audit+3dbe7488+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs';
  const signature = 'Pb50iIRAmElEYK1S77OQqu3Tkv2iuRqUWuVbtxV7cw0sYKguuGP3Vcu6ExBBtcn+B0gi9syZhNVEg+O49a7jhEXmmQY=';
  const checkpoint = `sallyport.example/audit\n3\n${root3}\n\n\u2014 sallyport.example/audit ${signature}\n`;
  const letters = ['a', 'b', 'c'].map((letter) => Buffer.from(letter));

  test('a checkpoint made by the Go note package verifies, byte for byte the builder’s', async () => {
    const files = buildTlog(letters, signer);
    expect(signer.vkey).toBe(vkey);
    expect(files.get('checkpoint')?.toString()).toBe(checkpoint);
    const at = join(folder, 'log');
    writeTlog(at, files);
    expect(await verify(at, raw, '--vkey', vkey)).toMatchObject({
      code: 0,
      report: { ok: true, logs: [{ origin: 'sallyport.example/audit', size: 3, root: root3, faults: [] }] },
    });
  });

  test('inclusion of index 1 in size 3 is [a, c]', async () => {
    const hash = (letter: string): string => createHash('sha256').update(`\0${letter}`).digest('base64');
    const proof = `c2sp.org/tlog-proof@v1\nindex 1\n${hash('a')}\n${hash('c')}\n\n${checkpoint}`;
    expect(buildProof(letters, 1, signer)).toBe(proof);
    writeFileSync(join(folder, 'proof'), proof);
    writeFileSync(join(folder, 'leaf'), 'b');
    const args = ['--proof', join(folder, 'proof'), '--leaf', join(folder, 'leaf'), '--vkey', vkey, raw];
    expect((await verify(...args)).code).toBe(0);
    writeFileSync(join(folder, 'leaf'), 'B');
    expect(faultsOf(await verify(...args))).toMatchObject([{ code: 'proof_wrong', index: 1 }]);
  });

  // Roots as github.com/transparency-dev/merkle v0.0.2 gives them over the leaves `leaf 0`, `leaf 1` …
  test.each([
    [0, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', 0],
    [1, 'G7l9zCFjXUfiZj79/QoXRobZjdcBNS3SzQbotD/T0wU=', 1],
    [255, '1xWSohnUBnZj7t4kf5tUw/ngKQaC1V3gm0lbB/HeQck=', 1],
    [256, 'z17/2xHQknou31Ow5zx4N/ZZQU4AU32l2Q61xMSf8nQ=', 2],
    [257, 'hVuTaqAMuYtRFEhCSa0514pr6TYj4mwB6OSH3AIYSlo=', 3],
    [65_536, '4QC6VNaakQEvwTt4kP6seNaZaglyaLb3NdFzEcdAKmA=', 258],
    [70_000, '2gUy/3su5W9AZxEPyWTp8ntZWflSe//z+lAap1hN6vM=', 274 + 2 + 1],
  ])('V10: a log of %i leaves has the root that Go gives it', async (size, root, tiles) => {
    const run = await verifyFiles(buildTlog(plainLeaves(size), signer), raw);
    expect(run.report).toMatchObject({
      ok: true,
      logs: [{ size, root, checked: { entries: size, left_out: 0, tiles } }],
    });
    expect(run.code).toBe(0);
  });
});

describe('what happened to an entry is said, with its index', () => {
  const size = 700;
  const leaves = plainLeaves(size);
  const signed = buildTlog(leaves, signer);
  /** The log that was signed, with entries of another list. */
  const withEntries = (entries: readonly Buffer[]): TlogFiles => {
    const files = new Map(signed);
    for (const path of files.keys()) if (path.startsWith('tile/entries/')) files.delete(path);
    for (const [path, bytes] of buildTlog(entries, signer))
      if (path.startsWith('tile/entries/')) files.set(path, bytes);
    return files;
  };
  const changed = (change: (entries: Buffer[]) => void): Buffer[] => {
    const copy = [...leaves];
    change(copy);
    return copy;
  };

  test('V1: an edited entry', async () => {
    const run = await verifyFiles(
      withEntries(
        changed((entries) => {
          entries[300] = Buffer.from('leaf 30O');
        }),
      ),
      raw,
    );
    expect(faultsOf(run)).toMatchObject([{ code: 'entry_changed', index: 300 }]);
    expect(run.code).toBe(1);
  });

  test('V3: two swapped entries, in one bundle or in two', async () => {
    for (const [one, other] of [
      [10, 11],
      [3, 699],
    ] as const) {
      const run = await verifyFiles(
        withEntries(
          changed((entries) => {
            [entries[one], entries[other]] = [entries[other]!, entries[one]!];
          }),
        ),
        raw,
      );
      expect(faultsOf(run)).toMatchObject([{ code: 'entries_swapped', index: one, other }]);
    }
  });

  test('V1: a deleted entry whose followers moved up, and nothing more', async () => {
    const run = await verifyFiles(withEntries(changed((entries) => entries.splice(300, 1))), raw);
    const codes = faultsOf(run).map((fault) => fault.code);
    expect(faultsOf(run)[0]).toMatchObject({ code: 'entry_missing', index: 300 });
    // The last bundle is one short: its file is not there under its name, so it counts as left out.
    expect(codes.every((code) => code === 'entry_missing')).toBe(true);
  });

  test('an entry put in between', async () => {
    const run = await verifyFiles(
      withEntries(changed((entries) => entries.splice(5, 0, Buffer.from('never happened'))).slice(0, size)),
      raw,
    );
    expect(faultsOf(run)).toMatchObject([{ code: 'entry_added', index: 5 }]);
  });

  test('an entry cut from the end of its bundle', async () => {
    const files = new Map(signed);
    const path = 'tile/entries/002.p/188';
    files.set(path, files.get(path)!.subarray(0, -(2 + 'leaf 699'.length)));
    expect(faultsOf(await verifyFiles(files, raw))).toMatchObject([{ code: 'entry_missing', index: 699 }]);
  });

  test('entries and tiles rebuilt together: the signed checkpoints bound the place', async () => {
    const forged = buildTlog(
      changed((entries) => {
        entries[300] = Buffer.from('leaf 30O');
      }),
      signer,
    );
    for (const name of ['checkpoint', 'vkey']) forged.set(name, signed.get(name)!);
    for (const at of [128, 256, 512]) {
      forged.set(`checkpoints/${at}`, buildTlog(leaves.slice(0, at), signer).get('checkpoint')!);
    }
    expect(faultsOf(await verifyFiles(forged, raw))).toMatchObject([{ code: 'root_mismatch', from: 256, to: 511 }]);
  });

  test('left-out bundles are counted, and refused where all is wanted', async () => {
    const files = new Map(signed);
    files.delete('tile/entries/001');
    const run = await verifyFiles(files, raw);
    expect(run).toMatchObject({ code: 0, report: { logs: [{ checked: { entries: 444, left_out: 256 } }] } });
    expect(faultsOf(await verifyFiles(files, raw, '--complete'))).toMatchObject([{ code: 'entries_left_out' }]);
  });
});

describe('V12: a damaged file is named', () => {
  const signed = buildTlog(plainLeaves(600), signer);
  const damaged = (path: string, damage: (bytes: Buffer) => Buffer | undefined): TlogFiles => {
    const files = new Map(signed);
    const bytes = damage(Buffer.from(files.get(path)!));
    if (bytes) files.set(path, bytes);
    else files.delete(path);
    return files;
  };
  const flip = (bytes: Buffer): Buffer => {
    bytes[bytes.length >> 1]! ^= 4;
    return bytes;
  };

  test.each([
    ['a bit of a full tile flipped', 'tile/0/001', flip, 'tile_wrong'],
    ['a bit of a partial tile flipped', 'tile/0/002.p/88', flip, 'tile_wrong'],
    ['a bit of a tile above flipped', 'tile/1/000.p/2', flip, 'tile_wrong'],
    ['a truncated tile', 'tile/0/000', (bytes: Buffer) => bytes.subarray(0, -7), 'tile_malformed'],
    ['a tile that lost a whole hash', 'tile/0/000', (bytes: Buffer) => bytes.subarray(0, -32), 'tile_malformed'],
    ['a truncated bundle', 'tile/entries/001', (bytes: Buffer) => bytes.subarray(0, -3), 'bundle_malformed'],
    ['a missing tile', 'tile/0/001', () => undefined, 'tile_missing'],
    ['a missing tile above', 'tile/1/000.p/2', () => undefined, 'tile_missing'],
    ['a checkpoint that is no note', 'checkpoint', (bytes: Buffer) => bytes.subarray(0, -9), 'note_malformed'],
    ['a missing checkpoint', 'checkpoint', () => undefined, 'checkpoint_missing'],
  ])('%s', async (_, path, damage, code) => {
    const run = await verifyFiles(damaged(path, damage), raw);
    expect(faultsOf(run)).toMatchObject([{ code, file: path }]);
    expect(run.code).toBe(1);
  });

  test('a flipped bit of an entry names the entry instead', async () => {
    const path = 'tile/entries/001';
    const files = damaged(path, (bytes) => {
      bytes[2] = 'L'.charCodeAt(0);
      return bytes;
    });
    expect(faultsOf(await verifyFiles(files, raw))).toMatchObject([{ code: 'entry_changed', index: 256 }]);
  });

  test('a partial tile that the log dropped is read from the full one', async () => {
    const longer = buildTlog(plainLeaves(700), signer);
    const files = new Map(buildTlog(plainLeaves(300), signer));
    for (const path of ['tile/0/001', 'tile/entries/001']) {
      files.delete(`${path}.p/44`);
      files.set(path, longer.get(path)!);
    }
    expect((await verifyFiles(files, raw)).report.ok).toBe(true);
  });
});

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

  test('V11: a note with signatures of the old and the new key verifies with either', async () => {
    const next = tlogSigner(signer.name, 9);
    const files = buildTlog(leaves, signer);
    const text = `${files.get('checkpoint')!.toString().split('\n\n')[0]}\n`;
    files.set('checkpoint', Buffer.from(`${text}\n${signatureLine(signer, text)}${signatureLine(next, text)}`));
    const at = join(folder, 'log');
    writeTlog(at, files);
    for (const { vkey } of [signer, next]) expect((await verify(at, raw, '--vkey', vkey)).code).toBe(0);
  });

  test('without a pinned key it says that the key proves nothing', async () => {
    const at = join(folder, 'log');
    writeTlog(at, buildTlog(leaves, signer));
    const run = await verify(at, raw);
    expect(run).toMatchObject({ code: 0, report: { logs: [{ key: { trust: 'unpinned' } }] } });
    expect(run.err).toMatch(/proves nothing by itself/);
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

  test('V2, V5: a log that lost its tail is named, though signed again, and both checkpoints are kept', async () => {
    const files = buildTlog(plainLeaves(300), signer);
    await verifyFiles(files, raw, ...state());
    const run = await verifyFiles(buildTlog(plainLeaves(290), signer), raw, ...state());
    expect(faultsOf(run)).toMatchObject([
      { code: 'log_shorter', checkpoints: [expect.any(String), expect.any(String)] },
    ]);
    expect(kept()).toHaveLength(1);
    expect((await verifyFiles(files, raw, ...state())).code).toBe(0);
  });

  test('V4: two roots of one size are kept as proof', async () => {
    await verifyFiles(buildTlog(plainLeaves(300), signer), raw, ...state());
    const other = [...plainLeaves(299), Buffer.from('another story')];
    const run = await verifyFiles(buildTlog(other, signer), raw, ...state());
    expect(faultsOf(run)).toMatchObject([{ code: 'log_forked' }]);
    const [name = ''] = kept();
    const proof = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    expect(proof.checkpoints).toHaveLength(2);
    for (const note of proof.checkpoints) expect(note).toMatch(/\n300\n/);
  });

  test('V4: two checkpoints of one size beside the log too, without any state', async () => {
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
    const first = await verify(at, raw, ...state());
    expect(first.report.logs[0].key.trust).toBe('first use');
    rmSync(at, { recursive: true });
    writeTlog(at, buildTlog(plainLeaves(4), tlogSigner(signer.name, 8)));
    expect(faultsOf(await verify(at, raw, ...state()))).toMatchObject([{ code: 'signature_missing' }]);
  });

  test('a state that cannot be kept is no success: the next run would trust anew', async () => {
    mkdirSync(join(folder, 'state.json.new'));
    const at = join(folder, 'log');
    writeTlog(at, buildTlog(plainLeaves(3), signer));
    const run = await verify(at, raw, ...state());
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

/** Event `seq`, in canonical form: members in order, no spaces. */
const eventLeaf = (seq: number, more = ''): Buffer =>
  Buffer.from(
    `{"actor":{"kind":"system"},"detail":{},"event_id":"${`${seq}`.padStart(8, '0')}-0000-7000-8000-000000000000",${more}"seq":${seq},"type":"test.done","v":1}`,
  );

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

  test('V5: another past is no continuation, whatever it is signed with; nor is a shorter log or another root', async () => {
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

  test('V1: hashes of the past that were changed do not give the signed root', async () => {
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

  test('a checkpoint of another key proves nothing, and one that is not there is a mistake', async () => {
    const files = buildTlog(plainLeaves(300), signer);
    const old = checkpointOf(buildTlog(plainLeaves(200), tlogSigner(signer.name, 8)));
    expect(faultsOf(await verifyFiles(files, raw, ...old))).toMatchObject([{ code: 'signature_missing' }]);
    expect((await verifyFiles(files, raw, '--since', join(folder, 'none'))).code).toBe(2);
  });
});

describe('entries as events', () => {
  const events = Array.from({ length: 300 }, (_, i) => eventLeaf(1_000 + i));

  test('each is in its place, wherever the count began', async () => {
    const run = await verifyFiles(buildTlog(events, signer));
    expect(run.report.logs[0]).toMatchObject({ first_seq: 1_000, checked: { entries: 300 }, faults: [] });
  });

  test('a log rebuilt and signed again without an event says so itself', async () => {
    const run = await verifyFiles(buildTlog(events.toSpliced(200, 1), signer));
    expect(faultsOf(run)).toMatchObject([{ code: 'entry_misplaced', index: 200, seq: 1_201 }]);
  });

  test.each([
    ['no JSON', 'nonsense', /not JSON/],
    ['another spelling', '{"seq": 1005, "v":1}', /canonical/],
    ['members out of order', '{"v":1,"seq":1005}', /canonical/],
    ['no number', '{"v":1}', /no seq/],
    ['another version', '{"seq":1005,"v":2}', /version/],
  ])('%s is named', async (_, text, message) => {
    const run = await verifyFiles(buildTlog(events.with(5, Buffer.from(text)), signer));
    expect(faultsOf(run)).toMatchObject([
      { code: 'leaf_malformed', index: 5, message: expect.stringMatching(message) },
    ]);
  });

  test('a disclosed value fits its commitment or is named; an erased one leaves the log whole (V9)', async () => {
    const salt = Buffer.alloc(32, 3);
    const committed = createHash('sha256')
      .update(Buffer.concat([Buffer.from('sallyport/audit/personal/v1\0ip_hash\0'), salt, Buffer.from('1.abc')]))
      .digest('base64');
    const leaf = eventLeaf(1_007, `"personal":{"ip_hash":"${committed}"},`);
    const files = buildTlog(events.with(7, leaf), signer);
    const event_id = JSON.parse(leaf.toString()).event_id;
    const disclose = (value: string): void =>
      void files.set(
        'personal.jsonl',
        Buffer.from(`${JSON.stringify({ event_id, field: 'ip_hash', salt: salt.toString('base64'), value })}\n`),
      );
    expect((await verifyFiles(files)).report.logs[0]).toMatchObject({ checked: { disclosures: 0 }, faults: [] });
    disclose('1.abc');
    expect((await verifyFiles(files)).report.logs[0]).toMatchObject({ checked: { disclosures: 1 }, faults: [] });
    disclose('1.abd');
    expect(faultsOf(await verifyFiles(files))).toMatchObject([
      { code: 'disclosure_wrong', index: 7, field: 'ip_hash' },
    ]);
  });

  test('V11: a key that the log itself tells of is trusted from then on, and no other', async () => {
    const next = tlogSigner(signer.name, 9);
    const x = Buffer.from(next.vkey.split('+').slice(2).join('+'), 'base64').subarray(1).toString('base64url');
    const kid = createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
    const telling = Buffer.from(
      `{"actor":{"kind":"system"},"detail":{"purpose":"audit-log"},"event_id":"x","seq":1300,"target":{"id":"${kid}","kind":"key"},"type":"key.published","v":1}`,
    );
    const state = ['--state', join(folder, 'state.json')];
    const at = join(folder, 'log');
    const put = (
      leaves: readonly Buffer[],
      signers: readonly (typeof signer)[],
      offered: readonly (typeof signer)[],
    ) => {
      const files = buildTlog(leaves, signer);
      const text = `${files.get('checkpoint')!.toString().split('\n\n')[0]}\n`;
      files.set('checkpoint', Buffer.from(`${text}\n${signers.map((each) => signatureLine(each, text)).join('')}`));
      files.set('vkey', Buffer.from(offered.map(({ vkey }) => `${vkey}\n`).join('')));
      rmSync(at, { recursive: true, force: true });
      writeTlog(at, files);
    };
    put(events, [signer], [signer]);
    expect((await verify(at, ...state)).code).toBe(0);
    // Offered and signing, but the log says nothing of it: not taken up.
    put(events, [signer, next], [signer, next]);
    expect((await verify(at, ...state)).report.logs[0].key.learned).toEqual([]);
    put([...events, telling], [signer, next], [signer, next]);
    expect((await verify(at, ...state)).report.logs[0].key.learned).toEqual([next.vkey]);
    put([...events, telling, eventLeaf(1_301)], [next], [signer, next]);
    expect((await verify(at, ...state)).code).toBe(0);
    put([...events, telling, eventLeaf(1_301), eventLeaf(1_302)], [signer], [signer, next]);
    expect(faultsOf(await verify(at, ...state))).toMatchObject([{ code: 'signature_missing' }]);
  });
});

describe('a running log', () => {
  let server: Server;
  let files: TlogFiles;
  let address: string;
  beforeEach(async () => {
    server = createServer((request, response) => {
      const bytes = files.get(request.url!.slice('/log/'.length));
      response.writeHead(bytes ? 200 : 404).end(bytes);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log`;
  });
  afterEach(() => new Promise((done) => server.close(done)));

  test('is read from its address, its key trusted on first use and its state remembered', async () => {
    files = buildTlog(plainLeaves(600), signer);
    const first = await verify(address, raw);
    expect(first).toMatchObject({
      code: 0,
      report: { logs: [{ size: 600, key: { trust: 'first use' }, seen: null }] },
    });
    files = buildTlog(plainLeaves(700), signer);
    const second = await verify(`${address}/`, raw);
    expect(second.report.logs[0]).toMatchObject({ size: 700, key: { trust: 'seen before' }, seen: { size: 600 } });
    files = buildTlog(plainLeaves(650), signer);
    expect(faultsOf(await verify(address, raw))).toMatchObject([{ code: 'log_shorter' }]);
  });

  test('out of reach is not a fault of the log', async () => {
    await new Promise((done) => server.close(done));
    expect(await verify(address, raw)).toMatchObject({ code: 3, out: '' });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
});

describe('a tar', () => {
  test('is read like the folder it holds', async () => {
    const at = join(folder, 'export');
    writeTlog(at, buildTlog(plainLeaves(600), signer));
    const tar = join(folder, 'export.tar');
    expect(spawnSync('tar', ['cf', tar, '-C', folder, 'export']).status).toBe(0);
    expect((await verify(tar, raw, '--vkey', signer.vkey)).report.logs[0]).toMatchObject({
      size: 600,
      checked: { entries: 600 },
    });
    writeFileSync(tar, readFileSync(tar).subarray(0, 9_000));
    const cut = await verify(tar, raw, '--vkey', signer.vkey);
    expect(cut.code).toBe(1);
  });
});

describe('usage', () => {
  test.each([
    [[], /one SOURCE is needed/],
    [['/nowhere/at/all'], /is not there/],
    [['x', '--vkey', 'nonsense'], /not a verifier key/],
    [['x', '--no-such-option'], /no-such-option/],
    [['x', '--quorum', 'two'], /whole number/],
    [['x', '--quorum', '1'], /more than the witnesses/],
    [['--proof', 'x'], /--proof needs --leaf and --vkey/],
  ])('%j ends with 2', async (args, message) => {
    const run = await verify(...(args as string[]));
    expect(run).toMatchObject({ code: 2, out: '' });
    expect(run.err).toMatch(message as RegExp);
  });

  test('--help names every option and exit code', async () => {
    const { stdout, status } = spawnSync(process.execPath, [VERIFIER, '--help'], { encoding: 'utf8' });
    expect(status).toBe(0);
    for (const word of ['--vkey', '--state', '--witness', '--proof', 'Exit codes']) expect(stdout).toContain(word);
  });

  test('it needs no package and shares no code: its imports are Node’s own', () => {
    const text = readFileSync(VERIFIER, 'utf8');
    const imports = [...text.matchAll(/^import .* from '(.+)';$/gm)].map(([, name]) => name);
    expect(imports.length).toBeGreaterThan(3);
    for (const name of imports) expect(name).toMatch(/^node:/);
    expect(text).not.toMatch(/import\(|require\(/);
  });
});
