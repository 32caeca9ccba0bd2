import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NoteSigner } from '../../domain/audit/log/note.ts';
import { createLogSigner } from '../../domain/keys/log-keys.ts';
import type { ApiCopy } from '../../platform/testing/api-copy.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/api-world.ts';
import { signIn, signUp } from '../../platform/testing/flows.ts';
import { expectProblem, type Json, type Received, send } from '../../platform/testing/http-client.ts';
import { type ClientCredentials, queryRows } from '../../platform/testing/product.ts';
import { continueInBulk, plainEvent, sealInBulk } from '../../platform/testing/sealed-log.ts';

const VERIFIER = join(import.meta.dirname, '../../../scripts/verify-audit-log.mjs');
const FIRST = 'audit.example/1';
const SECOND = 'audit.example/2';
const FIRST_SIZE = 600;
const SECOND_SIZE = 300;
const SIZE = FIRST_SIZE + SECOND_SIZE;

let world: ApiWorld;
let api: ApiCopy;
let auditor: ClientCredentials;
let other: ClientCredentials;
let folder: string;

async function logSigner(origin: string): Promise<NoteSigner> {
  const [signer] = await createLogSigner(api.ports).signers(origin);
  return signer as NoteSigner;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-audit-routes-'));
  world = await openApiWorld();
  // What a superuser does shows at once.
  api = await world.startCopy({ env: { AUDIT_TILE_MEMORY_MB: '0' } });
  auditor = await world.newClient(['audit:read']);
  other = await world.newClient(['keys:read', 'tokens:read']);
  const signer = await logSigner(FIRST);
  const first = await sealInBulk(api.ports.sql, { signer, batches: [1, 255, 300, FIRST_SIZE - 556] });
  await continueInBulk(api.ports.sql, first, { signer: await logSigner(SECOND), batches: [SECOND_SIZE] });
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, as: ClientCredentials | null = auditor): Promise<Received> =>
  send(api.url, 'GET', path, as ? { basic: as } : {});
const bytesAt = async (path: string): Promise<{ status: number; bytes: Buffer; headers: Headers }> => {
  const answer = await fetch(api.url + path);
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
};

async function everyPage(query: string): Promise<{ seq: number; type: string; occurred_at: string }[]> {
  const events = [];
  for (let next: string | null = ''; next !== null; ) {
    const cursor: string = next === '' ? '' : `&cursor=${next}`;
    const { status, body, text } = await get(`/v1/audit/events?limit=100${query}${cursor}`);
    expect(status, text).toBe(200);
    expect(body.events.length).toBeGreaterThan(0);
    events.push(...body.events);
    next = body.next;
  }
  return events;
}

describe('GET /v1/audit/events', () => {
  test('lists every event once, newest first, page by page', async () => {
    const events = await everyPage('');
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: SIZE }, (_, i) => SIZE - 1 - i));
    const { body } = await get('/v1/audit/events');
    expect(body.events).toHaveLength(50);
    expect(body.events[0]).toEqual({
      seq: SIZE - 1,
      event_id: plainEvent(SIZE - 1).eventId,
      type: 'token.issued',
      outcome: 'ok',
      actor: { kind: 'client', id: 'client-1' },
      target: { kind: 'token', id: plainEvent(SIZE - 1).targetId },
      client_id: 'client-1',
      detail: { grant: 'client_credentials', n: SIZE - 1 },
      trace_id: plainEvent(SIZE - 1).traceId,
      occurred_at: plainEvent(SIZE - 1).occurredAt,
      sealed_at: plainEvent(SIZE - 1).sealedAt,
    });
  });

  test('by type: all of it and nothing else', async () => {
    const events = await everyPage('&type=user.login');
    expect(events).toHaveLength(SIZE / 3);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['user.login']));
    expect((await get('/v1/audit/events?type=no.such_type')).body).toEqual({ events: [], next: null });
  });

  test('by time, both ends inclusive, with or without a type, in any offset', async () => {
    const [from, to] = [plainEvent(120).occurredAt, plainEvent(420).occurredAt];
    const seqs = (await everyPage(`&from=${from}&to=${to}`)).map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 301 }, (_, i) => 420 - i));
    const logins = await everyPage(`&from=${from}&to=${to}&type=user.login`);
    expect(logins.map(({ seq }) => seq)).toEqual(seqs.filter((seq) => seq % 3 === 0));
    expect((await everyPage(`&from=${plainEvent(SIZE - 2).occurredAt}`)).map(({ seq }) => seq)).toEqual([
      SIZE - 1,
      SIZE - 2,
    ]);
    const until = encodeURIComponent('2026-01-01T02:00:01+02:00');
    expect((await everyPage(`&to=${until}`)).map(({ seq }) => seq)).toEqual([1, 0]);
  });

  test.each([
    ['a cursor of nothing', '?cursor=AAAA', 'audit_cursor_invalid'],
    ['a cursor with a sign', `?cursor=${Buffer.from('-5').toString('base64url')}`, 'audit_cursor_invalid'],
    ['a cursor past all numbers', `?cursor=${'OTk5'.repeat(8)}`, 'audit_cursor_invalid'],
    ['a cursor with SQL in it', `?cursor=${Buffer.from("1' OR 1=1").toString('base64url')}`, 'audit_cursor_invalid'],
    ['a cursor in another spelling', `?cursor=${Buffer.from('55').toString('base64url')}A`, 'audit_cursor_invalid'],
    [
      'a cursor of another list',
      `?from=2026-01-01T00:00:00Z&cursor=${Buffer.from('5').toString('base64url')}`,
      'audit_cursor_invalid',
    ],
    [
      'a cursor whose time is none',
      `?from=2026-01-01T00:00:00Z&cursor=${Buffer.from('2026-99-99T00:00:00.000000Z 5').toString('base64url')}`,
      'audit_cursor_invalid',
    ],
    ['a cursor too long', `?cursor=${'A'.repeat(65)}`, 'request_invalid'],
    ['a cursor with a slash', '?cursor=a%2Fb', 'request_invalid'],
    ['two cursors', '?cursor=NQ&cursor=NQ', 'request_invalid'],
    ['limit 0', '?limit=0', 'request_invalid'],
    ['limit 1,001', '?limit=1001', 'request_invalid'],
    ['limit of words', '?limit=all', 'request_invalid'],
    ['limit with a fraction', '?limit=1.5', 'request_invalid'],
    ['a type of another form', '?type=user%25', 'request_invalid'],
    ['a type too long', `?type=${'a'.repeat(40)}.${'b'.repeat(40)}`, 'request_invalid'],
    ['a time that is none', '?from=yesterday', 'request_invalid'],
    ['a day that is none', '?to=2026-02-30T00:00:00Z', 'request_invalid'],
    ['an unknown member', '?order=asc', 'request_invalid'],
  ])('%s is refused with its code', async (_, query, code) => {
    expectProblem(await get(`/v1/audit/events${query}`), 400, code);
  });
});

describe('GET /v1/audit/events/{seq}', () => {
  test('gives the sealed bytes, the place in its log, and what lies behind the commitments', async () => {
    const { status, body } = await get(`/v1/audit/events/${FIRST_SIZE + 3}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ seq: FIRST_SIZE + 3, origin: SECOND, index: 3, type: 'user.login' });
    expect(body.personal).toEqual([
      {
        field: 'ip_hash',
        salt: Buffer.alloc(32, (FIRST_SIZE + 3) % 251).toString('base64'),
        value: `1.${FIRST_SIZE + 3}`,
      },
    ]);
    const leaf = JSON.parse(Buffer.from(body.leaf, 'base64').toString());
    expect(leaf).toMatchObject({ seq: FIRST_SIZE + 3, event_id: body.event_id, detail: { factor: 'password' } });
    expect(JSON.stringify(leaf)).not.toContain(`1.${FIRST_SIZE + 3}`);
  });

  test('the proof is plain text in its form, of the log the event is in, old or new', async () => {
    for (const [seq, origin, index] of [
      [0, FIRST, 0],
      [FIRST_SIZE - 1, FIRST, FIRST_SIZE - 1],
      [FIRST_SIZE, SECOND, 0],
    ] as const) {
      const { status, text, headers } = await get(`/v1/audit/events/${seq}/proof`);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(text).toMatch(/^c2sp\.org\/tlog-proof@v1\nindex (\d+)\n([A-Za-z0-9+/]{43}=\n)*\n/);
      expect(text).toContain(`\nindex ${index}\n`);
      expect(text).toContain(`\n\n${origin}\n`);
    }
  });

  test.each([
    ['what was never sealed', `/${SIZE}`, 404, 'audit_event_unknown'],
    ['a negative number', '/-1', 404, 'audit_event_unknown'],
    ['a word', '/newest', 404, 'audit_event_unknown'],
    ['a number past all numbers', '/99999999999999999999', 404, 'audit_event_unknown'],
    ['a fraction', '/1.5', 404, 'audit_event_unknown'],
    ['a number in another spelling', '/007', 404, 'audit_event_unknown'],
    ['what is too long for any number', `/${'9'.repeat(33)}`, 400, 'request_invalid'],
  ])('%s is refused, proof and all', async (_, seq, status, code) => {
    expectProblem(await get(`/v1/audit/events${seq}`), status, code);
    expectProblem(await get(`/v1/audit/events${seq}/proof`), status, code);
  });
});

describe('who may read', () => {
  const PRIVATE = ['/v1/audit/events', '/v1/audit/events/0', '/v1/audit/events/0/proof'];
  const PUBLIC = [
    '/v1/audit/log/checkpoint',
    '/v1/audit/log/vkey',
    '/v1/audit/log/tile/0/000',
    '/v1/audit/log/tile/entries/000',
    '/v1/audit/log/origins',
    '/v1/audit/log/origins/1/checkpoint',
    '/v1/audit/log/origins/1/vkey',
    '/v1/audit/log/origins/1/tile/0/000',
  ];

  test('events take audit:read; the log is for everybody', async () => {
    for (const path of PRIVATE) {
      expect((await get(path)).status, path).toBe(200);
      expectProblem(await get(path, null), 401, 'unauthenticated');
      expectProblem(await get(path, other), 403, 'permission_missing');
      expectProblem(await send(api.url, 'GET', path, { bearer: 'nonsense' }), 401, 'unauthenticated');
      expectProblem(await send(api.url, 'POST', path, { basic: auditor }), 405, 'method_not_allowed');
    }
    for (const path of PUBLIC) {
      expect((await get(path, null)).status, path).toBe(200);
      expect((await send(api.url, 'HEAD', path)).status, path).toBe(200);
      expectProblem(await send(api.url, 'POST', path), 405, 'method_not_allowed');
    }
  });

  test('auditors and administrators hold it, a person without a role does not', async () => {
    const person = await signUp({ api: api.url });
    for (const [role, status] of [
      [null, 403],
      ['auditor', 200],
      ['admin', 200],
    ] as const) {
      await queryRows(world.databaseUrl, 'DELETE FROM user_roles WHERE user_id = $1', [person.id]);
      if (role) await queryRows(world.databaseUrl, 'INSERT INTO user_roles VALUES ($1, $2)', [person.id, role]);
      await api.ports.access.load();
      const { tokens, cookie } = await signIn({ api: api.url }, person);
      for (const path of PRIVATE) {
        expect((await send(api.url, 'GET', path, { bearer: tokens.access_token })).status, `${role} ${path}`).toBe(
          status,
        );
        expect((await send(api.url, 'GET', path, { cookie })).status, `${role} ${path}`).toBe(status);
      }
      if (role === 'auditor')
        expect((await send(api.url, 'GET', '/v1/keys', { bearer: tokens.access_token })).status).toBe(403);
    }
  });
});

describe('the public log', () => {
  test('content types and caches are those of c2sp.org/tlog-tiles', async () => {
    for (const [path, type, cache] of [
      ['/v1/audit/log/checkpoint', 'text/plain; charset=utf-8', 'public, max-age=1'],
      ['/v1/audit/log/vkey', 'text/plain; charset=utf-8', 'public, max-age=300'],
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

  test('a tile has a tag, and who has it already is sent nothing', async () => {
    const path = '/v1/audit/log/origins/1/tile/0/001';
    const etag = (await bytesAt(path)).headers.get('etag') as string;
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    const again = await fetch(api.url + path, { headers: { 'if-none-match': `"other", ${etag}` } });
    expect([again.status, again.headers.get('etag'), (await again.arrayBuffer()).byteLength]).toEqual([304, etag, 0]);
    expect(again.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const other = await fetch(`${api.url}/v1/audit/log/tile/0/001.p/44`, { headers: { 'if-none-match': etag } });
    expect(other.status).toBe(200);
    // Reading the log has a limit of its own, and leaves an address all its other requests.
    expect(other.headers.get('ratelimit-policy')).toContain('"log"');
  });

  test('a partial tile is the beginning of the full one, whatever its width', async () => {
    const { bytes } = await bytesAt('/v1/audit/log/origins/1/tile/0/001');
    for (const width of [1, 44, 255])
      expect((await bytesAt(`/v1/audit/log/origins/1/tile/0/001.p/${width}`)).bytes).toEqual(
        bytes.subarray(0, width * 32),
      );
  });

  test.each([
    '0/000.p/0',
    '0/000.p/256',
    '0/000.p/01',
    '0/1',
    '0/0000',
    '0/x000/000',
    '0/002',
    '0/001',
    '0/001.p/45',
    '1/000',
    '2/000.p/1',
    '64/000',
    '-1/000',
    'entries/002',
    'entries/001.p/45',
    'entries',
    'data/000',
    '0/000/',
    '0/..%2F000',
    '0/x999/x999/x999/999',
    "0/000'--",
  ])('tile/%s is not there', async (path) => {
    expectProblem(await get(`/v1/audit/log/tile/${path}`, null), 404, 'audit_tile_unknown');
  });

  test('an address too long for any tile is refused', async () => {
    expectProblem(await get(`/v1/audit/log/tile/0/${'x000/'.repeat(13)}`, null), 400, 'request_invalid');
  });

  test('a checkpoint that was not published yet shows no tile of what it covers', async () => {
    const [{ size }] = (await queryRows<{ size: number }>(
      world.databaseUrl,
      `SELECT size::int FROM audit_checkpoints WHERE origin = '${SECOND}'`,
    )) as [{ size: number }];
    expect(size).toBe(SECOND_SIZE);
    await queryRows(
      world.databaseUrl,
      `UPDATE audit_tiles SET hashes = hashes || sha256('later') WHERE origin = $1 AND level = 0 AND n = 1`,
      [SECOND],
    );
    expectProblem(await get('/v1/audit/log/tile/0/001.p/45', null), 404, 'audit_tile_unknown');
    expect((await bytesAt('/v1/audit/log/tile/0/001.p/44')).bytes).toHaveLength(44 * 32);
    await queryRows(
      world.databaseUrl,
      'UPDATE audit_tiles SET hashes = substr(hashes, 1, 44 * 32) WHERE origin = $1 AND level = 0 AND n = 1',
      [SECOND],
    );
  });

  test('a log that was continued stays where it can be read, and says what took its place', async () => {
    const { body } = await get('/v1/audit/log/origins', null);
    expect(body.origins).toMatchObject([
      { number: 1, origin: FIRST, first_seq: 0, size: FIRST_SIZE, closed_at: expect.any(String), previous: null },
      { number: 2, origin: SECOND, first_seq: FIRST_SIZE, size: SECOND_SIZE, closed_at: null, previous: FIRST },
    ]);
    const [one, two, current] = await Promise.all(
      ['origins/1/', 'origins/2/', ''].map((prefix) => get(`/v1/audit/log/${prefix}checkpoint`, null)),
    );
    expect(one?.text.startsWith(`${FIRST}\n${FIRST_SIZE}\n`)).toBe(true);
    expect(current?.text).toBe(two?.text);
    for (const part of ['checkpoint', 'vkey', 'tile/0/000'])
      expectProblem(await get(`/v1/audit/log/origins/3/${part}`, null), 404, 'audit_origin_unknown');
    for (const number of ['0', 'x', '01', 'current2', '99999999'])
      expectProblem(await get(`/v1/audit/log/origins/${number}/checkpoint`, null), 404, 'audit_origin_unknown');
  });
});

describe('the offline verifier on the running log', () => {
  const verify = (...args: readonly string[]): Promise<{ code: number | null; report: Json }> => {
    const child = spawn(process.execPath, [VERIFIER, '--json', '--quiet', ...args], {
      env: { PATH: process.env.PATH ?? '', HOME: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (part: Buffer) => {
      out += part;
    });
    return new Promise((done) => child.once('close', (code) => done({ code, report: JSON.parse(out) })));
  };
  const address = (): string => `${api.url}/v1/audit/log`;

  test('finds it whole, the log before it too', async () => {
    const { code, report } = await verify(address(), '--complete');
    expect(report.logs).toMatchObject([
      { origin: SECOND, size: SECOND_SIZE, first_seq: FIRST_SIZE, checked: { entries: SECOND_SIZE }, faults: [] },
      { origin: FIRST, size: FIRST_SIZE, first_seq: 0, checked: { entries: FIRST_SIZE }, faults: [] },
    ]);
    expect(code).toBe(0);
    const { text } = await get('/v1/audit/log/vkey', null);
    const pinned = await verify(address(), '--vkey', text.trim());
    expect(pinned.report.logs.map((log: { key: { trust: string } }) => log.key.trust)).toEqual(['pinned', 'pinned']);
  });

  /** As somebody with every right on the database would: past the trigger. */
  const tamper = (statement: string): Promise<unknown> =>
    queryRows(world.databaseUrl, `DO $$ BEGIN SET LOCAL session_replication_role = replica; ${statement}; END $$`);

  test('V1: names the entry that a superuser edited', async () => {
    const edit = (from: string, to: string): string =>
      `UPDATE audit_events SET leaf = decode(replace(encode(leaf, 'escape'), '"n":${from}', '"n":${to}'), 'escape') WHERE seq = ${FIRST_SIZE + 100}`;
    await tamper(edit('700', '701'));
    const { code, report } = await verify(address());
    await tamper(edit('701', '700'));
    expect([code, report.logs[0].faults]).toMatchObject([1, [{ code: 'entry_changed', index: 100 }]]);
    expect((await verify(address())).code).toBe(0);
  });

  test('V3: names the entries that a superuser swapped', async () => {
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

  test('V12: names the tile whose bit was flipped', async () => {
    const flip = `UPDATE audit_tiles SET hashes = set_bit(hashes, 77, 1 - get_bit(hashes, 77)) WHERE origin = '${SECOND}' AND level = 0 AND n = 1`;
    await tamper(flip);
    const { code, report } = await verify(address());
    await tamper(flip);
    expect([code, report.logs[0].faults]).toMatchObject([1, [{ code: 'tile_wrong', file: 'tile/0/001.p/44' }]]);
  });

  test('V2: a log whose tail was cut off, and that is signed again, is shorter than it was seen', async () => {
    const note = (await get('/v1/audit/log/checkpoint', null)).text;
    await tamper(`DELETE FROM audit_checkpoints WHERE origin = '${SECOND}'`);
    const { checkpoint } = await signedHead(SECOND, 280);
    await queryRows(
      world.databaseUrl,
      'INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ($1, 280, $2, $3)',
      [SECOND, checkpoint.root, checkpoint.note],
    );
    const { code, report } = await verify(address());
    expect([code, report.logs[0].faults]).toMatchObject([
      1,
      [{ code: 'log_shorter', checkpoints: [note, checkpoint.note] }],
    ]);
  });
});

/** A head of the first `size` leaves of the second log, signed by the log's own key. */
async function signedHead(origin: string, size: number): Promise<{ checkpoint: { root: Buffer; note: string } }> {
  const written: unknown[][] = [];
  const sql = {
    query: async <R>(_statement: unknown, values: readonly unknown[] = []): Promise<R[]> => {
      written.push([...values]);
      return [];
    },
  };
  await sealInBulk(
    sql,
    { signer: await logSigner(origin), batches: [size] },
    { origin, firstSeq: FIRST_SIZE, edge: { size: 0, levels: [] } },
  );
  const [, , root, note] = written.at(-1) as [string, number, Buffer, string];
  return { checkpoint: { root, note } };
}
