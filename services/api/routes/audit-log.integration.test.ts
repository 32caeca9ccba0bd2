import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { plainEvent, sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { expectProblem, type Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { FIRST, FIRST_SIZE, openAuditHarness, SECOND, SECOND_SIZE } from './audit-harness.ts';

const VERIFIER = join(import.meta.dirname, '../../../tools/verify-audit-log.mjs');

const harness = opened(() => openAuditHarness());
const folder = testFolder();

const bytesAt = async (path: string): Promise<{ status: number; bytes: Buffer; headers: Headers }> => {
  const answer = await fetch(harness.api.url + path);
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
};

describe('the public log', () => {
  test('uses the content types and caching of c2sp.org/tlog-tiles', async () => {
    for (const [path, type, cache] of [
      ['/v1/audit/log/checkpoint', 'text/plain; charset=utf-8', 'public, max-age=1'],
      ['/v1/audit/log/vkey', 'text/plain; charset=utf-8', 'public, max-age=300'],
      ['/v1/audit/log/key-rotations', 'text/plain; charset=utf-8', 'public, max-age=300'],
      ['/v1/audit/log/origins/1/key-rotations', 'text/plain; charset=utf-8', 'public, max-age=300'],
      ['/v1/audit/log/tile/0/000', 'application/octet-stream', 'public, max-age=3600, immutable'],
      ['/v1/audit/log/tile/0/001.p/44', 'application/octet-stream', 'public, max-age=60'],
      ['/v1/audit/log/tile/entries/000', 'application/octet-stream', 'public, max-age=3600, immutable'],
      ['/v1/audit/log/origins/1/tile/0/001', 'application/octet-stream', 'public, max-age=31536000, immutable'],
      ['/v1/audit/log/origins/1/tile/entries/002.p/88', 'application/octet-stream', 'public, max-age=60'],
    ]) {
      const answer = await bytesAt(path as string);
      expect([path, answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
        path,
        200,
        type,
        cache,
      ]);
    }
    expect((await bytesAt('/v1/audit/log/tile/0/000')).bytes).toHaveLength(8_192);
    expect((await bytesAt('/v1/audit/log/tile/1/000.p/1')).bytes).toHaveLength(32);
  });

  test('a tile has an ETag, and a client that has it is sent no body', async () => {
    const path = '/v1/audit/log/origins/1/tile/0/001';
    const etag = (await bytesAt(path)).headers.get('etag') as string;
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    const again = await fetch(harness.api.url + path, { headers: { 'if-none-match': `"other", ${etag}` } });
    expect([again.status, again.headers.get('etag'), (await again.arrayBuffer()).byteLength]).toEqual([304, etag, 0]);
    expect(again.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const other = await fetch(`${harness.api.url}/v1/audit/log/tile/0/001.p/44`, {
      headers: { 'if-none-match': etag },
    });
    expect(other.status).toBe(200);
    // Reading the log has its own limit, separate from the address's other requests.
    expect(other.headers.get('ratelimit-policy')).toContain('"log"');
  });

  test('a partial tile is the beginning of the full one, at any width', async () => {
    const { bytes } = await bytesAt('/v1/audit/log/origins/1/tile/0/001');
    for (const width of [1, 44, 255])
      expect((await bytesAt(`/v1/audit/log/origins/1/tile/0/001.p/${width}`)).bytes).toEqual(
        bytes.subarray(0, width * 32),
      );
  });

  test.each(
    `0/000.p/0 0/000.p/256 0/000.p/01 0/1 0/0000 0/x000/000 0/002 0/001 0/001.p/45 1/000 2/000.p/1 64/000 -1/000 entries/002
    entries/001.p/45 entries data/000 0/000/ 0/..%2F000 0/x999/x999/x999/999 0/000'--`.split(/\s+/),
  )('tile/%s is not found', async (path) => {
    expectProblem(await harness.get(`/v1/audit/log/tile/${path}`, null), 404, 'audit_tile_unknown');
  });

  test('an address too long for any tile is refused', async () =>
    expectProblem(await harness.get(`/v1/audit/log/tile/0/${'x000/'.repeat(13)}`, null), 400, 'request_invalid'));

  test('an unpublished checkpoint exposes no tile of what it covers', async () => {
    const [{ size }] = (await queryRows(harness.databaseUrl)<{ size: number }>(
      `SELECT size::int FROM audit_checkpoints WHERE origin = '${SECOND}'`,
    )) as [{ size: number }];
    expect(size).toBe(SECOND_SIZE);
    await queryRows(harness.databaseUrl)`UPDATE audit_tiles SET hashes = hashes || sha256('later')
      WHERE origin = ${SECOND} AND level = 0 AND n = 1`;
    expectProblem(await harness.get('/v1/audit/log/tile/0/001.p/45', null), 404, 'audit_tile_unknown');
    expect((await bytesAt('/v1/audit/log/tile/0/001.p/44')).bytes).toHaveLength(44 * 32);
    await queryRows(harness.databaseUrl)`UPDATE audit_tiles SET hashes = substr(hashes, 1, 44 * 32)
      WHERE origin = ${SECOND} AND level = 0 AND n = 1`;
  });

  test('a continued log stays readable and names its successor', async () => {
    const { body } = await harness.get('/v1/audit/log/origins', null);
    expect(body.origins).toMatchObject([
      { number: 1, origin: FIRST, first_seq: 0, size: FIRST_SIZE, closed_at: expect.any(String), previous: null },
      { number: 2, origin: SECOND, first_seq: FIRST_SIZE, size: SECOND_SIZE, closed_at: null, previous: FIRST },
    ]);
    const [one, two, current] = await Promise.all(
      ['origins/1/', 'origins/2/', ''].map((prefix) => harness.get(`/v1/audit/log/${prefix}checkpoint`, null)),
    );
    expect(one?.text.startsWith(`${FIRST}\n${FIRST_SIZE}\n`)).toBe(true);
    expect(current?.text).toBe(two?.text);
    for (const part of ['checkpoint', 'vkey', 'tile/0/000'])
      expectProblem(await harness.get(`/v1/audit/log/origins/3/${part}`, null), 404, 'audit_origin_unknown');
    for (const number of ['0', 'x', '01', 'current2', '99999999'])
      expectProblem(await harness.get(`/v1/audit/log/origins/${number}/checkpoint`, null), 404, 'audit_origin_unknown');
  });
});

describe('the offline verifier on the running log', () => {
  const vkey = async (): Promise<string> => (await harness.get('/v1/audit/log/vkey', null)).text.trim();
  const verify = async (...args: readonly string[]): Promise<{ code: number | null; report: Json }> => {
    const child = spawn(process.execPath, [VERIFIER, '--json', '--quiet', '--vkey', await vkey(), ...args], {
      env: { PATH: process.env.PATH ?? '', HOME: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (part: Buffer) => {
      out += part;
    });
    return new Promise((done) => child.once('close', (code) => done({ code, report: JSON.parse(out) })));
  };
  const address = (): string => `${harness.api.url}/v1/audit/log`;

  test('verifies it, and the log before it', async () => {
    const { code, report } = await verify(address(), '--complete');
    expect(report.logs).toMatchObject([
      { origin: SECOND, size: SECOND_SIZE, first_seq: FIRST_SIZE, checked: { entries: SECOND_SIZE }, faults: [] },
      { origin: FIRST, size: FIRST_SIZE, first_seq: 0, checked: { entries: FIRST_SIZE }, faults: [] },
    ]);
    expect(code).toBe(0);
    expect(report.logs.map((log: { key: { trust: string } }) => log.key.trust)).toEqual(['pinned', 'pinned']);
  });

  /** As a superuser of the database would: bypassing the trigger. */
  const tamper = (statement: string): Promise<unknown> =>
    queryRows(harness.databaseUrl)(`DO $$ BEGIN SET LOCAL session_replication_role = replica; ${statement}; END $$`);

  test('names the entry that a superuser edited', async () => {
    const edit = (from: string, to: string): string =>
      `UPDATE audit_events SET leaf = decode(replace(encode(leaf, 'escape'), '"n":${from}', '"n":${to}'), 'escape') WHERE seq = ${FIRST_SIZE + 100}`;
    await tamper(edit('700', '701'));
    const { code, report } = await verify(address());
    await tamper(edit('701', '700'));
    expect([code, report.logs[0].faults]).toMatchObject([1, [{ code: 'entry_changed', index: 100 }]]);
    expect((await verify(address())).code).toBe(0);
  });

  test('names the entries that a superuser swapped', async () => {
    const swap = `UPDATE audit_events e SET leaf = o.leaf FROM audit_events o
      WHERE (e.seq, o.seq) IN ((${FIRST_SIZE + 7}, ${FIRST_SIZE + 290}), (${FIRST_SIZE + 290}, ${FIRST_SIZE + 7}))`;
    await tamper(swap);
    const { code, report } = await verify(address());
    await tamper(swap);
    expect(code).toBe(1);
    expect(report.logs[0].faults).toContainEqual(
      expect.objectContaining({ code: 'entries_swapped', index: 7, other: 290 }),
    );
  });

  test('names the tile whose bit was flipped', async () => {
    const flip = `UPDATE audit_tiles SET hashes = set_bit(hashes, 77, 1 - get_bit(hashes, 77)) WHERE origin = '${SECOND}' AND level = 0 AND n = 1`;
    await tamper(flip);
    const { code, report } = await verify(address());
    await tamper(flip);
    expect([code, report.logs[0].faults]).toMatchObject([1, [{ code: 'tile_wrong', file: 'tile/0/001.p/44' }]]);
  });

  test('reports that a log truncated and signed again is shorter than before', async () => {
    const note = (await harness.get('/v1/audit/log/checkpoint', null)).text;
    await tamper(`DELETE FROM audit_checkpoints WHERE origin = '${SECOND}'`);
    const { checkpoint } = await signedHead(SECOND, 280);
    await queryRows(harness.databaseUrl)`INSERT INTO audit_checkpoints (origin, size, root, note)
      VALUES (${SECOND}, 280, ${checkpoint.root}, ${checkpoint.note})`;
    const { code, report } = await verify(address());
    expect([code, report.logs[0].faults]).toMatchObject([
      1,
      [{ code: 'log_shorter', checkpoints: [note, checkpoint.note] }],
    ]);
  });
});

/** A signed head of the first `size` leaves of the second log. */
async function signedHead(origin: string, size: number): Promise<{ checkpoint: { root: Buffer; note: string } }> {
  // Its first leaf names the log before it.
  const [first] = await queryRows(harness.databaseUrl)<{ detail: Json }>`SELECT detail FROM audit_events
    WHERE seq = ${FIRST_SIZE}`;
  const event = (seq: number) =>
    seq === FIRST_SIZE ? { ...plainEvent(seq), type: 'audit.log_continued', detail: first?.detail } : plainEvent(seq);
  const written: unknown[][] = [];
  const sql = {
    query: async <R>(_statement: unknown, values: readonly unknown[] = []): Promise<R[]> => {
      written.push([...values]);
      return [];
    },
  };
  await sealInBulk(
    sql,
    { signer: await harness.logSigner(origin), batches: [size], event },
    { origin, firstSeq: FIRST_SIZE, edge: { size: 0, levels: [] } },
  );
  const [, , root, note] = written.at(-1) as [string, number, Buffer, string];
  return { checkpoint: { root, note } };
}
