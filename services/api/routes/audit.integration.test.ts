import { describe, expect, test } from 'vitest';
import { plainEvent } from '#tools/testing/fixtures/sealed-log.ts';
import { signIn, signUp } from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { FIRST, FIRST_SIZE, openAuditHarness, SECOND, SECOND_SIZE } from './audit-harness.ts';

const SIZE = FIRST_SIZE + SECOND_SIZE;

const harness = opened(() => openAuditHarness());
const other = opened(() => harness.newClient(['keys:read', 'tokens:read']));

async function everyPage(query: string): Promise<{ seq: number; type: string; occurred_at: string }[]> {
  const events = [];
  for (let next: string | null = ''; next !== null; ) {
    const cursor: string = next === '' ? '' : `&cursor=${next}`;
    const { status, body, text } = await harness.get(`/v1/audit/events?limit=100${query}${cursor}`);
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
    const { body } = await harness.get('/v1/audit/events');
    expect(body.events).toHaveLength(50);
    expect(body.events[0]).toEqual({
      seq: SIZE - 1,
      event_id: plainEvent(SIZE - 1).event_id,
      type: 'token.issued',
      outcome: 'ok',
      actor: { kind: 'client', id: 'client-1' },
      target: { kind: 'token', id: plainEvent(SIZE - 1).target_id },
      client_id: 'client-1',
      detail: { grant: 'client_credentials', n: SIZE - 1 },
      trace_id: plainEvent(SIZE - 1).trace_id,
      occurred_at: plainEvent(SIZE - 1).occurred_at,
      sealed_at: plainEvent(SIZE - 1).sealed_at,
    });
  });

  test('by type, outcome or both: all of them and no others', async () => {
    const events = await everyPage('&type=user.login');
    // The first event of the second log is the one that continues the first log.
    expect(events).toHaveLength(SIZE / 3 - 1);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['user.login']));
    expect((await harness.get('/v1/audit/events?type=no.such_type')).body).toEqual({ events: [], next: null });
    expect(await everyPage('&outcome=refused&type=user.login')).toEqual(events);
    const both = await harness.get('/v1/audit/events?type=token.issued&outcome=refused');
    expect(both.body).toEqual({ events: [], next: null });
  });

  test('by time, both ends inclusive, with or without a type, in any offset', async () => {
    const [from, to] = [plainEvent(120).occurred_at, plainEvent(420).occurred_at];
    const seqs = (await everyPage(`&from=${from}&to=${to}`)).map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 301 }, (_, i) => 420 - i));
    const logins = await everyPage(`&from=${from}&to=${to}&type=user.login`);
    expect(logins.map(({ seq }) => seq)).toEqual(seqs.filter((seq) => seq % 3 === 0));
    expect((await everyPage(`&from=${plainEvent(SIZE - 2).occurred_at}`)).map(({ seq }) => seq)).toEqual([
      SIZE - 1,
      SIZE - 2,
    ]);
    const until = encodeURIComponent('2026-01-01T02:00:01+02:00');
    expect((await everyPage(`&to=${until}`)).map(({ seq }) => seq)).toEqual([1, 0]);
  });

  test('by actor, target, client and trace: all of them and no others, page by page', async () => {
    const seqs = async (query: string) => (await everyPage(query)).map(({ seq }) => seq);
    const issued = (await everyPage('&type=token.issued')).map(({ seq }) => seq);
    expect(await seqs('&actor=client:client-1')).toEqual(issued);
    expect(await seqs('&client=client-1&type=token.issued')).toEqual(issued);
    expect(await seqs(`&target=token:${plainEvent(7).target_id}`)).toEqual([7]);
    // 281 and 25 are 119 and 19 in hexadecimal, padded with ones as 9 is.
    expect(await seqs(`&trace=${plainEvent(9).trace_id}`)).toEqual([281, 25, 9]);
    expect((await harness.get('/v1/audit/events?actor=user:client-1')).body).toEqual({ events: [], next: null });
  });

  test.each([
    ['a cursor of nothing', '?cursor=AAAA', 'cursor_invalid'],
    ['a cursor with a sign', `?cursor=${Buffer.from('-5').toString('base64url')}`, 'cursor_invalid'],
    ['a cursor past all numbers', `?cursor=${'OTk5'.repeat(8)}`, 'cursor_invalid'],
    ['a cursor with SQL in it', `?cursor=${Buffer.from("1' OR 1=1").toString('base64url')}`, 'cursor_invalid'],
    ['a cursor in another spelling', `?cursor=${Buffer.from('55').toString('base64url')}A`, 'cursor_invalid'],
    [
      'a cursor of another list',
      `?from=2026-01-01T00:00:00Z&cursor=${Buffer.from('5').toString('base64url')}`,
      'cursor_invalid',
    ],
    [
      'a cursor whose time is none',
      `?from=2026-01-01T00:00:00Z&cursor=${Buffer.from('2026-99-99T00:00:00.000000Z 5').toString('base64url')}`,
      'cursor_invalid',
    ],
    [
      'a cursor whose day is none',
      `?from=2026-01-01T00:00:00Z&cursor=${Buffer.from('2026-02-30T00:00:00.000000Z 5').toString('base64url')}`,
      'cursor_invalid',
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
    ['an outcome that no event has', '?outcome=done_well', 'request_invalid'],
    ['a time that is none', '?from=yesterday', 'request_invalid'],
    ['a day that is none', '?to=2026-02-30T00:00:00Z', 'request_invalid'],
    ['an actor without kind', '?actor=client-1', 'request_invalid'],
    ['a target too long', `?target=user:${'a'.repeat(512)}`, 'request_invalid'],
    ['a client with a control character', '?client=a%00b', 'request_invalid'],
    ['a trace of another form', '?trace=xyz', 'request_invalid'],
    [
      'a cursor of the list by time, for an actor',
      `?actor=user:u1&cursor=${Buffer.from('2026-01-01T00:00:00.000000Z 5').toString('base64url')}`,
      'cursor_invalid',
    ],
    ['an unknown member', '?order=asc', 'request_invalid'],
  ])('%s is refused with its code', async (_, query, code) => {
    expectProblem(await harness.get(`/v1/audit/events${query}`), 400, code);
  });
});

describe('GET /v1/audit/events/{seq}', () => {
  test('returns the sealed bytes, the position in the log, and the values behind the commitments', async () => {
    const { status, body } = await harness.get(`/v1/audit/events/${FIRST_SIZE + 3}`);
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

  test('the proof is plain text in its format, from the log that the event is in, old or new', async () => {
    for (const [seq, origin, index] of [
      [0, FIRST, 0],
      [FIRST_SIZE - 1, FIRST, FIRST_SIZE - 1],
      [FIRST_SIZE, SECOND, 0],
    ] as const) {
      const { status, text, headers } = await harness.get(`/v1/audit/events/${seq}/proof`);
      expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
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
  ])('%s is refused, for event and proof', async (_, seq, status, code) => {
    expectProblem(await harness.get(`/v1/audit/events${seq}`), status, code);
    expectProblem(await harness.get(`/v1/audit/events${seq}/proof`), status, code);
  });
});

describe('who may read', () => {
  const PRIVATE = ['/v1/audit/events', '/v1/audit/events/0', '/v1/audit/events/0/proof'];
  const PUBLIC = `/v1/audit/log/checkpoint /v1/audit/log/vkey /v1/audit/log/tile/0/000 /v1/audit/log/tile/entries/000
    /v1/audit/log/origins /v1/audit/log/origins/1/checkpoint /v1/audit/log/origins/1/vkey
    /v1/audit/log/origins/1/tile/0/000`.split(/\s+/);

  test('events need audit:read; the log is public', async () => {
    for (const path of PRIVATE) {
      expect((await harness.get(path)).status, path).toBe(200);
      expectProblem(await harness.get(path, null), 401, 'unauthenticated');
      expectProblem(await harness.get(path, other), 403, 'permission_missing');
      expectProblem(await send(harness.api.url, 'GET', path, { bearer: 'nonsense' }), 401, 'unauthenticated');
      expectProblem(await send(harness.api.url, 'POST', path, { basic: harness.auditor }), 405, 'method_not_allowed');
    }
    for (const path of PUBLIC) {
      expect((await harness.get(path, null)).status, path).toBe(200);
      expect((await send(harness.api.url, 'HEAD', path)).status, path).toBe(200);
      expectProblem(await send(harness.api.url, 'POST', path), 405, 'method_not_allowed');
    }
  });

  test('auditors and administrators have it, a user without a role does not', async () => {
    const person = await signUp({ api: harness.api.url });
    for (const [role, status] of [
      [null, 403],
      ['auditor', 200],
      ['admin', 200],
    ] as const) {
      await queryRows(harness.databaseUrl)`DELETE FROM user_roles WHERE user_id = ${person.id}`;
      if (role) await queryRows(harness.databaseUrl)`INSERT INTO user_roles VALUES (${person.id}, ${role})`;
      await harness.api.ports.access.load();
      const { tokens, cookie } = await signIn({ api: harness.api.url }, person);
      for (const path of PRIVATE) {
        expect(
          (await send(harness.api.url, 'GET', path, { bearer: tokens.access_token })).status,
          `${role} ${path}`,
        ).toBe(status);
        expect((await send(harness.api.url, 'GET', path, { cookie })).status, `${role} ${path}`).toBe(status);
      }
      if (role === 'auditor')
        expect((await send(harness.api.url, 'GET', '/v1/keys', { bearer: tokens.access_token })).status).toBe(403);
    }
  });
});
