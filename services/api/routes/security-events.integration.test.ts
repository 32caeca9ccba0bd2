import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Ports } from '#services/domain/ports.ts';
import { createEventStreams } from '#services/domain/security/event-stream.ts';
import { newEmail, signIn, signUp } from '#testing/flows/flows.ts';
import { newPerson } from '#testing/flows/people.ts';
import type { ApiCopy } from '#testing/harness/api.ts';
import { callerAt, testCaller } from '#testing/harness/ports.ts';
import type { ClientCredentials } from '#testing/http-client.ts';
import { type Json, send } from '#testing/http-client.ts';
import { openSecurityHarness, type SecurityHarness } from './security-harness.ts';

vi.setConfig({ testTimeout: 120_000 });

let harness: SecurityHarness;
let api: SecurityHarness['api'];
let other: SecurityHarness['other'];
let auditor: ClientCredentials;
beforeAll(async () => {
  harness = await openSecurityHarness();
  ({ api, other } = harness);
  auditor = await harness.newClient(['incidents:read']);
});
afterAll(() => harness?.close());

const get: SecurityHarness['get'] = (...asked) => harness.get(...asked);
const post: SecurityHarness['post'] = (...asked) => harness.post(...asked);

type Frame = { readonly id: number; readonly event: string; readonly data: Json };

/** Reads stream frames until there are enough. */
async function frames(copy: ApiCopy, want: number, query = '', lastEventId?: number): Promise<Frame[]> {
  const answer = await openStream(copy, query, lastEventId);
  expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  const found: Frame[] = [];
  for (let text = ''; found.length < want; ) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (text + value).split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const [, id, event, data] = /^id: (\d+)\nevent: (\S+)\ndata: (.*)$/.exec(part) ?? [];
      if (data !== undefined) found.push({ id: Number(id), event: event as string, data: JSON.parse(data) });
    }
  }
  await reader.cancel();
  return found;
}
const openStream = (copy: ApiCopy, query = '', lastEventId?: number, as = harness.operator): Promise<Response> =>
  fetch(`${copy.url}/v1/admin/events${query}`, {
    headers: {
      authorization: `Basic ${Buffer.from(`${as.client_id}:${as.client_secret}`).toString('base64')}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
    },
  });

const always = async (): Promise<boolean> => true;

describe('GET /v1/admin/events', () => {
  test('streams sealed events in order; by Last-Event-ID another copy continues without a gap or a duplicate', async () => {
    await harness.rows(
      `INSERT INTO users (id, email) SELECT 'streamed-' || n, n || '@streamed.test' FROM generate_series(1, 30) n`,
    );
    await harness.seal();
    const { body } = await get('/v1/audit/events?limit=30');
    const expected = body.events.toReversed();
    const before = expected[0].seq - 1;
    const first = await frames(api, 10, '', before);
    const rest = await frames(other, 20, '', first[9]?.id);
    const all = [...first.slice(0, 10), ...rest.slice(0, 20)];
    expect(all.map(({ id }) => id)).toEqual(expected.map(({ seq }: Json) => seq));
    expect(all.map(({ data }) => data)).toEqual(expected);
    expect(all.every(({ event, data }) => event === data.type)).toBe(true);
  });

  test('follows new events by type, with nothing that the audit log does not show', async () => {
    await harness.seal();
    const waiting = frames(api, 1, '?type=user.unlocked,user.deleted');
    await vi.waitFor(() => expect(api.ports.eventStreams.count()).toBe(1), { timeout: 30_000 });
    const user = { id: randomUUID(), email: newEmail() };
    await harness.rows('INSERT INTO users (id, email) VALUES ($1, $2)', [user.id, user.email]);
    await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'streamed' });
    await harness.seal();
    const [frame] = await waiting;
    expect(frame?.event).toBe('user.unlocked');
    expect((await get(`/v1/audit/events/${frame?.id}`)).body).toMatchObject(frame?.data);
    expect(JSON.stringify(frame)).not.toContain(user.email);
    await vi.waitFor(() => expect(api.ports.eventStreams.count()).toBe(0), { timeout: 30_000 });
  });

  test('ends in time to be authenticated again, with the drain, and for a reader that stops reading; a failure loses no event', async () => {
    let isFailing = false;
    const sql: Ports['sql'] = {
      query: async (statement, values) => {
        if (isFailing) throw new Error('out of reach');
        return api.ports.sql.query(statement, values);
      },
    };
    const deps = { ...api.ports, sql, everyMs: 10 };
    const end = (stream: Readable): Promise<unknown> => once(stream.resume(), 'close');
    await end(await createEventStreams({ ...deps, maximumLifeMs: 0 }).open({}, testCaller, always));

    // More than the 16 KiB that a stream buffers for a reader that stops reading.
    await harness.rows(
      `INSERT INTO users (id, email) SELECT 'untaken-' || n, n || '@untaken.test' FROM generate_series(1, 80) n`,
    );
    await harness.seal();
    const narrow = createEventStreams({ ...deps, maximumStreams: 1, stuckAfterMs: 0 });
    const stuck = await narrow.open({ afterSeq: 0 }, testCaller, always);
    await expect(narrow.open({}, callerAt('192.0.2.1'), always)).rejects.toMatchObject({ code: 'event_streams_busy' });
    await once(stuck, 'close');
    expect(narrow.count()).toBe(0);

    const streams = createEventStreams({ ...deps, heartbeatMs: 0 });
    const stream = await streams.open({ afterSeq: 0 }, testCaller, always);
    isFailing = true;
    const text: string[] = [];
    stream.on('data', (chunk: Buffer) => text.push(chunk.toString()));
    await expect(streams.open({}, testCaller, always)).rejects.toThrow('out of reach');
    isFailing = false;
    await vi.waitFor(() => expect(text.join('')).toContain('id: 1\n'), { timeout: 30_000 });
    await vi.waitFor(() => expect(text.join('')).toContain(': quiet\n\n'), { timeout: 30_000 });
    streams.close();
    await once(stream, 'close');
    await expect(streams.open({}, testCaller, always)).rejects.toMatchObject({ code: 'shutting_down' });
  });

  test('ends with its permission: a token revoked, a secret replaced, a client disabled, a session ended', async () => {
    const reader = await newPerson(api, ['auditor']);
    const signedUp = await signUp({ api: api.url });
    await harness.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'auditor')`, [signedUp.id]);
    const browsing = await signIn({ api: api.url }, signedUp);
    const client = (): Promise<ClientCredentials> => harness.newClient(['audit:read']);
    const [renewed, disabled] = [await client(), await client()];
    const basicOf = ({ client_id, client_secret }: ClientCredentials) => ({
      authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
    });
    const cases: readonly (readonly [Record<string, string>, () => Promise<unknown>])[] = [
      [
        { authorization: `Bearer ${reader.bearer}` },
        () =>
          send(other.url, 'POST', '/v1/tokens/revoke', {
            bearer: reader.bearer,
            json: { token: reader.bearer, reason: 'test' },
          }),
      ],
      [{ cookie: browsing.cookie }, () => harness.rows('DELETE FROM sessions WHERE "userId" = $1', [browsing.id])],
      [
        basicOf(renewed),
        () =>
          harness.rows(`UPDATE oauth_clients SET secret_hash = $2 WHERE "clientId" = $1`, [
            renewed.client_id,
            'A'.repeat(43),
          ]),
      ],
      [
        basicOf(disabled),
        () => harness.rows(`UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1`, [disabled.client_id]),
      ],
    ];
    for (const [headers, end] of cases) {
      const answer = await fetch(`${api.url}/v1/admin/events`, { headers });
      expect(answer.status, Object.keys(headers)[0]).toBe(200);
      await end();
      await answer.text();
    }
    expect(api.ports.eventStreams.count()).toBe(0);
  });

  test('sends nothing while the permission cannot be checked, and drops what it has read when the permission is gone', async () => {
    let verdict: 'yes' | 'no' | 'unknown' = 'unknown';
    const asked = vi.fn(async () => {
      if (verdict === 'unknown') throw new Error('out of reach');
      return verdict === 'yes';
    });
    const streams = createEventStreams({ ...api.ports, everyMs: 10, heartbeatMs: 0 });
    for (const end of ['yes', 'no'] as const) {
      verdict = 'unknown';
      asked.mockClear();
      const stream = await streams.open({ afterSeq: 0 }, testCaller, asked);
      const text: string[] = [];
      stream.on('data', (chunk: Buffer) => text.push(chunk.toString()));
      await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(2), { timeout: 30_000 });
      expect(text.join('')).not.toContain('id: ');
      verdict = end;
      if (end === 'yes') {
        await vi.waitFor(() => expect(text.join('')).toContain('id: 1\n'), { timeout: 30_000 });
        stream.destroy();
      } else {
        await once(stream, 'close');
        expect(text.join('')).not.toContain('id: ');
      }
    }
    await vi.waitFor(() => expect(streams.count()).toBe(0), { timeout: 30_000 });
  });

  test('concurrent opens get no more streams than the limit', async () => {
    const streams = createEventStreams({ ...api.ports, maximumPerCaller: 2 });
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => streams.open({}, testCaller, always)));
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(streams.count()).toBe(2);
    streams.close();
    for (const one of opened) if (one.status === 'fulfilled') one.value.destroy();
  });

  test('needs the permission to read the log; one caller has at most five streams per copy', async () => {
    expect((await openStream(api, '', undefined, auditor)).status).toBe(403);
    expect((await openStream(api, '?type=DROP')).status).toBe(400);
    const open = await Promise.all(Array.from({ length: 5 }, () => openStream(api)));
    const sixth = await openStream(api);
    expect([sixth.status, ((await sixth.json()) as Json).code]).toEqual([429, 'event_streams_spent']);
    await Promise.all(open.map((answer) => answer.body?.cancel()));
  });
});
