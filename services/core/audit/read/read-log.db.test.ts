import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { defineStatement, type Statement } from '#services/platform/define/statement.ts';
import { noteSigner, plainEvent, sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import {
  auditEventsBefore,
  auditEventsBeforeOfType,
  auditEventsBetween,
  auditEventsBetweenOfType,
} from '../events.store.ts';
import { leafOf } from '../log/leaf.ts';
import { vkeyOf } from '../log/note.ts';
import { entryBundle, tilePath, tilePrefix, tileWidth } from '../log/tiles.ts';
import { validateAuditTrail } from '../trail/validate-audit-trail.ts';
import { auditReportCsv, auditReportJson } from './format-audit-report.ts';
import { generateAuditReport } from './generate-audit-report.ts';
import { proveEvent } from './prove-event.ts';
import { readEvent } from './read-event.ts';
import { readCheckpoint } from './read-log.ts';
import { auditReportPage } from './report.store.ts';
import { createTileReader } from './tile-reader.ts';

const VERIFIER = join(import.meta.dirname, '../../../../tools/verify-audit-log.mjs');
const SIZE = 70_000;
const signer = noteSigner('sallyport.example/audit', 7);

const ports = opened(() => openTestPorts());
const folder = testFolder();
beforeAll(async () => {
  await sealInBulk(ports.sql, { signer, batches: [SIZE] });
  await ports.sql.query(defineStatement('')`ANALYZE audit_events`);
});

/** Runs the offline verifier on a proof of the product. */
function verifyOffline(seq: number, proof: string, leaf: Buffer): { status: number | null; stdout: string } {
  writeFileSync(join(folder, 'leaf'), leaf);
  writeFileSync(join(folder, 'proof'), proof);
  const args = ['--proof', join(folder, 'proof'), '--leaf', join(folder, 'leaf'), '--vkey', vkeyOf(signer.key)];
  const { status, stdout } = spawnSync(process.execPath, [VERIFIER, ...args, '--json'], { encoding: 'utf8' });
  expect(JSON.parse(stdout).logs[0].index).toBe(seq);
  return { status, stdout };
}

describe('a proof', () => {
  test('of any event in 70,000 verifies offline, and has at most 2 KB besides its checkpoint', async () => {
    for (const seq of [0, 1, 255, 256, 257, 65_535, 65_536, 69_888, 69_999]) {
      const proof = await proveEvent(ports, seq);
      const checkpoint = await readCheckpoint(ports, 'current');
      expect(proof.endsWith(`\n\n${checkpoint}`)).toBe(true);
      expect(Buffer.byteLength(proof) - Buffer.byteLength(checkpoint)).toBeLessThanOrEqual(2_048);
      const { leaf } = await readEvent(ports, seq);
      expect(leaf).toBe(leafOf(plainEvent(seq)).toString('base64'));
      expect(verifyOffline(seq, proof, Buffer.from(leaf, 'base64')).status).toBe(0);
    }
  });

  test('of one event does not prove another', async () => {
    const proof = await proveEvent(ports, 300);
    expect(verifyOffline(300, proof, leafOf(plainEvent(301))).status).toBe(1);
  });

  test('of an event that was never sealed is not found', async () => {
    await expect(proveEvent(ports, SIZE)).rejects.toMatchObject({ code: 'audit_event_unknown' });
    await expect(readEvent(ports, SIZE)).rejects.toMatchObject({ code: 'audit_event_unknown' });
  });
});

describe('the tile reader', () => {
  /** A reader that records its statements. */
  const counted = (memoryBytes = 16 * 1_048_576) => {
    const statements: string[] = [];
    const sql: Sql = {
      query: (statement, values) => {
        statements.push(statement.name);
        return ports.sql.query(statement, values);
      },
    };
    const time = { ms: 0 };
    const clock = { ...ports.clock, monotonic: () => time.ms };
    return { reader: createTileReader({ sql, clock }, memoryBytes), statements, time };
  };
  const tilesOfLog = [0, 1, 2].flatMap((level) =>
    Array.from({ length: Math.ceil(SIZE / 256 ** (level + 1)) }, (_, n) =>
      tilePath({ level, n, width: tileWidth(level, n, SIZE) }).slice('tile/'.length),
    ),
  );

  test('reads each tile of 70,000 leaves from the database once, for any number of requests', async () => {
    const { reader, statements } = counted();
    expect(tilesOfLog).toHaveLength(274 + 2 + 1);
    const first = [];
    for (const path of tilesOfLog) first.push((await reader.read('current', path)).etag);
    expect(statements.filter((name) => name === 'auditTileRead')).toHaveLength(tilesOfLog.length);
    // Two more: the list of logs and the newest checkpoint.
    expect(statements).toHaveLength(tilesOfLog.length + 2);
    for (let client = 0; client < 20; client += 1)
      for (const [at, path] of tilesOfLog.entries())
        expect((await reader.read(client % 2 ? '1' : 'current', path)).etag).toBe(first[at]);
    for (const width of [1, 100, 255]) await reader.read('current', `0/000.p/${width}`);
    expect(statements).toHaveLength(tilesOfLog.length + 2);
  });

  test('reads a bundle of leaves once, and returns the sealed bytes', async () => {
    const { reader, statements, time } = counted();
    const [one, two] = [await reader.read('1', 'entries/273.p/112'), await reader.read('1', 'entries/273.p/112')];
    expect(two.bytes).toEqual(one.bytes);
    expect(one.bytes).toEqual(entryBundle(Array.from({ length: 112 }, (_, i) => leafOf(plainEvent(273 * 256 + i)))));
    expect(statements).toEqual(['auditLogsRead', 'auditCheckpointNewest', 'auditLeavesRead']);
    // After the interval of a checkpoint the tile is read again, so that the cache hides no change.
    time.ms = 999;
    await reader.read('1', 'entries/273.p/112');
    expect(statements).toHaveLength(3);
    time.ms = 1_000;
    await reader.read('1', 'entries/273.p/112');
    expect(statements).toHaveLength(4);
  });

  test.each(['entries', '0'])(
    'concurrent requests for every width of a full tile of %s share one read',
    async (level) => {
      const { reader, statements } = counted();
      await reader.read('1', '0/001');
      statements.length = 0;
      const widths = Array.from({ length: 255 }, (_, i) => i + 1);
      const [full, ...partial] = await Promise.all(
        [`${level}/000`, ...widths.map((width) => `${level}/000.p/${width}`)].map((path) => reader.read('1', path)),
      );
      for (const width of widths) await reader.read('current', `${level}/000.p/${width}`);
      expect(statements).toEqual([level === 'entries' ? 'auditLeavesRead' : 'auditTileRead']);
      const whole = full?.bytes ?? Buffer.alloc(0);
      const kind = level === 'entries' ? level : 0;
      expect(partial.map(({ bytes }) => bytes)).toEqual(widths.map((width) => tilePrefix(kind, whole, width)));
      expect([full, ...partial].filter((tile) => tile?.isFull)).toHaveLength(1);
      expect(new Set([full, ...partial].map((tile) => tile?.etag)).size).toBe(256);
    },
  );

  test('requests for every width of the last, partial bundle share one read', async () => {
    const { reader, statements } = counted();
    for (const width of [1, 112, 40, 111]) await reader.read('1', `entries/273.p/${width}`);
    expect(statements).toEqual(['auditLogsRead', 'auditCheckpointNewest', 'auditLeavesRead']);
  });

  test('a cached tile has its own buffer, and counts with its overhead', async () => {
    const roomy = counted(4 * 1_100);
    expect((await roomy.reader.read('1', '2/000.p/1')).bytes.buffer.byteLength).toBe(32);
    await roomy.reader.read('1', '2/000.p/1');
    // A tile of 32 bytes counts as more than a thousand.
    const narrow = counted(4 * 1_000);
    for (let i = 0; i < 2; i += 1) await narrow.reader.read('1', '2/000.p/1');
    expect([roomy, narrow].map(({ statements }) => statements.slice(2))).toEqual([
      ['auditTileRead'],
      ['auditTileRead', 'auditTileRead'],
    ]);
  });

  test('a missing tile is not cached', async () => {
    const { reader, statements } = counted();
    for (const [choice, path, code] of [
      ['current', '0/273', 'audit_tile_unknown'],
      ['current', 'no/tile', 'audit_tile_unknown'],
      ['2', '0/000', 'audit_origin_unknown'],
    ] as const)
      await expect(reader.read(choice, path)).rejects.toMatchObject({ code });
    expect(statements).toEqual(['auditLogsRead', 'auditCheckpointNewest', 'auditLogsRead']);
  });

  test('a damaged tile is reported, and not cached', async () => {
    const { reader } = counted();
    const { raw } = ports;
    await raw`UPDATE audit_tiles SET hashes = substr(hashes, 1, 320) WHERE level = 0 AND n = 7`;
    await expect(reader.read('current', '0/007')).rejects.toMatchObject({ code: 'audit_log_damaged' });
    expect((await reader.read('current', '0/007.p/10')).bytes).toHaveLength(320);
    await raw`UPDATE audit_tiles SET hashes = (SELECT string_agg(sha256('\\x00'::bytea || leaf), '' ORDER BY seq)
      FROM audit_events WHERE seq >= 1792 AND seq < 2048) WHERE level = 0 AND n = 7`;
    expect((await reader.read('current', '0/007')).isFull).toBe(true);
    await raw`UPDATE audit_tiles SET n = 9 WHERE level = 2`;
    await expect(reader.read('current', '2/000.p/1')).rejects.toMatchObject({ code: 'audit_log_damaged' });
    await raw`UPDATE audit_tiles SET n = 0 WHERE level = 2`;
    const move = (from: number, to: number) =>
      raw(
        `DO $$ BEGIN SET LOCAL session_replication_role = replica; UPDATE audit_events SET seq = ${to} WHERE seq = ${from}; END $$`,
      );
    await move(1_800, 1_000_000);
    await expect(reader.read('current', 'entries/007')).rejects.toMatchObject({ code: 'audit_log_damaged' });
    expect((await reader.read('current', 'entries/007.p/8')).isFull).toBe(false);
    await expect(reader.read('current', 'entries/007.p/9')).rejects.toMatchObject({ code: 'audit_log_damaged' });
    await move(1_000_000, 1_800);
    expect((await reader.read('current', 'entries/007')).isFull).toBe(true);
  });
});

type PlanNode = { readonly 'Node Type': string; readonly 'Relation Name'?: string; readonly Plans?: PlanNode[] };
async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
const nodesOf = (node: PlanNode): string[] => [
  [node['Node Type'], node['Relation Name']].filter(Boolean).join(' of '),
  ...(node.Plans ?? []).flatMap(nodesOf),
];

describe('a page of the list', () => {
  const plan = async ({ text }: Statement): Promise<string[]> => {
    const [row] = await ports.sql.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      defineStatement('')`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`,
    );
    return nodesOf(row!['QUERY PLAN'][0].Plan);
  };

  test.each([auditEventsBefore, auditEventsBeforeOfType, auditEventsBetween, auditReportPage])(
    'reads along an index in its order, without a sort: $name',
    async (statement) => {
      const nodes = await plan(statement);
      expect(nodes.filter((node) => node.endsWith('audit_events'))).toEqual(['Index Scan of audit_events']);
      // `audit_log` has a few rows.
      expect(nodes.filter((node) => /Sort|Seq Scan (?!of audit_log)/.test(node))).toEqual([]);
    },
  );

  test('of one type in a period reads one of two indexes', async () => {
    const nodes = await plan(auditEventsBetweenOfType);
    expect(nodes.filter((node) => node.includes('audit_events'))).toEqual([
      expect.stringMatching(/^(Index|Bitmap Heap) Scan of audit_events$/),
    ]);
  });
});

describe('generateAuditReport covers a period, both ends included', () => {
  const [start, end] = [plainEvent(1_000).occurred_at, plainEvent(4_499).occurred_at];
  const textOf = async (parts: AsyncIterable<string>): Promise<string> => (await listOf(parts)).join('');

  test('contains every row of the period, both ends inclusive, and its counts equal its rows', async () => {
    const report = await generateAuditReport(ports, { start, end });
    const rows = await listOf(report.rows());
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 3_500 }, (_, i) => 1_000 + i));
    expect(report).toMatchObject({ start, end, total: 3_500, unsealed: 0, throughSeq: SIZE - 1 });
    const logins = rows.filter(({ type }) => type === 'user.login').length;
    expect(report.counts).toEqual([
      { type: 'token.issued', outcome: 'ok', count: 3_500 - logins },
      { type: 'user.login', outcome: 'refused', count: logins },
    ]);
    const [{ count } = { count: -1 }] = await ports.sql.query<{ count: number }>(
      defineStatement('')`SELECT count(*) FROM audit_events WHERE occurred_at BETWEEN $1 AND $2`,
      [start, end],
    );
    expect(report.total).toBe(count);
  });

  test('omits the last row if the end is a microsecond earlier', async () => {
    const before = `${new Date(Date.parse(end) - 1).toISOString().slice(0, -1)}999Z`;
    expect((await generateAuditReport(ports, { start, end })).total).toBe(3_500);
    expect((await generateAuditReport(ports, { start, end: before })).total).toBe(3_499);
    expect((await generateAuditReport(ports, { start: new Date(start), end: new Date(end) })).total).toBe(3_500);
  });

  test('has the same content as JSON and as CSV', async () => {
    const report = await generateAuditReport(ports, { start, end: plainEvent(1_009).occurred_at });
    const json = JSON.parse(await textOf(auditReportJson(report)));
    expect(json).toMatchObject({ start, total: 10, counts: report.counts });
    expect(json.events).toEqual(await listOf(report.rows()));
    const lines = (await textOf(auditReportCsv(report))).split('\r\n');
    expect(lines).toHaveLength(12);
    expect(lines[0]).toMatch(/^seq,event_id,occurred_at,/);
    expect(lines[2]).toBe(
      `1001,${plainEvent(1_001).event_id},${plainEvent(1_001).occurred_at},${plainEvent(1_001).sealed_at},token.issued,ok,client,client-1,token,${plainEvent(1_001).target_id},client-1,${plainEvent(1_001).trace_id},"{""grant"":""client_credentials"",""n"":1001}"`,
    );
  });

  test('counts unsealed events separately and does not contain them', async () => {
    await ports.sql.query(
      defineStatement('')`
        INSERT INTO audit_outbox (type, outcome, actor_kind, occurred_at) VALUES ('test.done', 'ok', 'system', $1)`,
      [start],
    );
    expect(await generateAuditReport(ports, { start, end })).toMatchObject({ total: 3_500, unsealed: 1 });
  });

  test('rejects a start that is not a time', () =>
    expect(generateAuditReport(ports, { start: 'yesterday', end })).rejects.toThrow(RangeError));
});

test('a CSV report is safe in a spreadsheet: no cell is a formula, and quotes and line breaks stay in their cell', async () => {
  const event = {
    seq: 1,
    event_id: 'e',
    type: 'test.done',
    outcome: 'ok',
    actor: { kind: 'user', id: '=1+1' },
    target: { kind: 'session', id: 'a"b\r\nc,d' },
    client_id: '@sum',
    detail: {},
    trace_id: null,
    occurred_at: '2026-01-01T00:00:00.000000Z',
    sealed_at: '2026-01-01T00:00:00.000000Z',
  };
  const lines = await listOf(
    auditReportCsv({
      start: '',
      end: '',
      generatedAt: '',
      throughSeq: 1,
      total: 1,
      counts: [],
      unsealed: 0,
      rows: async function* () {
        yield event;
      },
    }),
  );
  expect(lines[1]).toBe(
    `1,e,2026-01-01T00:00:00.000000Z,2026-01-01T00:00:00.000000Z,test.done,ok,user,'=1+1,session,"a""b\r\nc,d",'@sum,,{}\r\n`,
  );
});

test('validates a trail of 70,000 rows', async () => {
  const startedAt = performance.now();
  const result = await validateAuditTrail({ sql: ports.sql, auditLogKeys: async () => [signer.key] });
  console.info(`validated ${result.checked} rows in ${Math.round(performance.now() - startedAt)} ms`);
  expect(result).toMatchObject({ valid: true, checked: SIZE });
});
