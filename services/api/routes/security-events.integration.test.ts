import { randomUUID } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { newEmail, signIn, signUp } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import type { ApiCopy } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Json, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { openSecurityHarness, type SecurityHarness } from './security-harness.ts';

const harness = opened(() => openSecurityHarness());
const api = partOf(() => harness.api);
const other = partOf(() => harness.other);
const auditor = opened(() => harness.newClient(['incidents:read']));

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

describe('GET /v1/admin/events', () => {
  test('streams sealed events in order; by Last-Event-ID another copy continues without a gap or a duplicate', async () => {
    await harness.rows`INSERT INTO users (id, email) SELECT 'streamed-' || n, n || '@streamed.test'
      FROM generate_series(1, 30) n`;
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
    await harness.rows`INSERT INTO users (id, email) VALUES (${user.id}, ${user.email})`;
    await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'streamed' });
    await harness.seal();
    const [frame] = await waiting;
    expect(frame?.event).toBe('user.unlocked');
    expect((await get(`/v1/audit/events/${frame?.id}`)).body).toMatchObject(frame?.data);
    expect(JSON.stringify(frame)).not.toContain(user.email);
    await vi.waitFor(() => expect(api.ports.eventStreams.count()).toBe(0), { timeout: 30_000 });
  });

  test('ends with its permission: a token revoked, a secret replaced, a client disabled, a session ended', async () => {
    const reader = await newPerson(api, ['auditor']);
    const signedUp = await signUp({ api: api.url });
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${signedUp.id}, 'auditor')`;
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
      [{ cookie: browsing.cookie }, () => harness.rows`DELETE FROM sessions WHERE "userId" = ${browsing.id}`],
      [
        basicOf(renewed),
        () =>
          harness.rows`UPDATE oauth_clients SET secret_hash = ${'A'.repeat(43)}
            WHERE "clientId" = ${renewed.client_id}`,
      ],
      [
        basicOf(disabled),
        () => harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${disabled.client_id}`,
      ],
    ];
    // All at once: a copy learns of each after its own interval, up to half a minute later.
    await Promise.all(
      cases.map(async ([headers, end]) => {
        const answer = await fetch(`${api.url}/v1/admin/events`, { headers });
        expect(answer.status, Object.keys(headers)[0]).toBe(200);
        await end();
        await answer.text();
      }),
    );
    expect(api.ports.eventStreams.count()).toBe(0);
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
