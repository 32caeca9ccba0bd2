import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildTlog, type TlogFiles, writeTlog } from './testing/fixtures/tlog-builder.ts';
import {
  eventLeaf,
  faultsOf,
  folder,
  plainLeaves,
  signer,
  useFolder,
  verify,
  verifyFiles,
} from './verify-audit-log-harness.ts';

useFolder();

const raw = '--raw';

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
