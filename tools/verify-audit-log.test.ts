import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildProof, buildTlog, type TlogFiles, writeTlog } from './testing/fixtures/tlog-builder.ts';
import {
  eventLeaf,
  faultsOf,
  folder,
  plainLeaves,
  signer,
  useFolder,
  VERIFIER,
  verify,
  verifyFiles,
} from './verify-audit-log-harness.ts';

useFolder();

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
  ])('a log of %i leaves has the root that Go gives it', async (size, root, tiles) => {
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

  test('an edited entry', async () => {
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

  test('reports two swapped entries, in one bundle or in two', async () => {
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

  test('reports a deleted entry whose followers moved up, and no other fault', async () => {
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
    for (const at of [128, 256, 512])
      forged.set(`checkpoints/${at}`, buildTlog(leaves.slice(0, at), signer).get('checkpoint')!);
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

describe('a damaged file is named', () => {
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

  test('as a program, by its path or through a link, it prints its report and ends with the exit code', () => {
    const link = join(folder, 'verifier');
    symlinkSync(VERIFIER, link);
    const files = buildTlog(plainLeaves(3), signer);
    files.set('tile/entries/000.p/3', buildTlog(plainLeaves(4).slice(1), signer).get('tile/entries/000.p/3') as Buffer);
    writeTlog(join(folder, 'log'), files);
    for (const program of [VERIFIER, link]) {
      const args = [program, join(folder, 'log'), raw, '--vkey', signer.vkey];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect(status).toBe(1);
      expect(stdout).toMatch(/^FAULT /);
      expect(stderr).toBe('');
    }
  });

  test('it needs no package and shares no code: its imports are Node’s own', () => {
    const text = readFileSync(VERIFIER, 'utf8');
    const imports = [...text.matchAll(/^import .* from '(.+)';$/gm)].map(([, name]) => name);
    expect(imports.length).toBeGreaterThan(3);
    for (const name of imports) expect(name).toMatch(/^node:/);
    expect(text).not.toMatch(/import\(|require\(/);
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

  test('a disclosed value fits its commitment or is named; an erased one leaves the log whole', async () => {
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

  test('is read from its address, and its pinned key and its state are remembered', async () => {
    files = buildTlog(plainLeaves(600), signer);
    expect((await verify(address, raw)).code).toBe(6);
    const first = await verify(address, raw, '--vkey', signer.vkey);
    expect(first).toMatchObject({ code: 0, report: { logs: [{ size: 600, key: { trust: 'pinned' }, seen: null }] } });
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
