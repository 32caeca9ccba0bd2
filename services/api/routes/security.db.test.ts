import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createCheckpointOutbox } from '../../domain/audit/checkpoint-outbox.ts';
import { type SealPorts, sealEvents } from '../../domain/audit/seal-events.ts';
import { countLoginFailure } from '../../domain/identity/count-login-failure.ts';
import { admitLogin } from '../../domain/identity/login-guard.ts';
import { createLogSigner } from '../../domain/keys/log-keys.ts';
import type { Caller, Ports } from '../../domain/ports.ts';
import { detectIncidents } from '../../domain/security/detect-incidents.ts';
import { refreshTokenReuse } from '../../domain/security/detections.ts';
import { createEventStreams } from '../../domain/security/event-stream.ts';
import { raiseIncident } from '../../domain/security/raise-incident.ts';
import { createFileLogMark } from '../../platform/marks/file-log-mark.ts';
import type { ApiCopy } from '../../platform/testing/api-copy.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/api-world.ts';
import { newEmail, refresh, signIn, signUp, type TestUser } from '../../platform/testing/flows.ts';
import { expectProblem, type Json, type Received, send } from '../../platform/testing/http-client.ts';
import { newPerson } from '../../platform/testing/people.ts';
import { testCaller } from '../../platform/testing/ports.ts';
import type { ClientCredentials } from '../../platform/testing/product.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: ApiWorld;
let api: ApiCopy;
let other: ApiCopy;
let log: SealPorts;
let logDir: string;
let operator: ClientCredentials;
let auditor: ClientCredentials;

beforeAll(async () => {
  logDir = mkdtempSync(join(tmpdir(), 'sallyport-security-'));
  world = await openApiWorld();
  const env = { TRUSTED_PROXIES: 'loopback', RATE_LIMIT_PROFILE: 'default', RATE_LIMIT_CREDENTIAL_PER_MINUTE: '10000' };
  api = await world.startCopy({ env });
  other = await world.startCopy({ env });
  operator = await world.newClient(['incidents:read', 'incidents:manage', 'users:unlock', 'audit:read']);
  auditor = await world.newClient(['incidents:read']);
  log = {
    ...api.ports,
    logMark: createFileLogMark(logDir),
    logSigner: createLogSigner(api.ports),
    checkpointOutbox: createCheckpointOutbox({ ...api.ports, checkpointSinks: [] }),
    auditOrigin: 'sallyport.test/audit',
  };
});
afterAll(async () => {
  await world?.close();
  rmSync(logDir, { recursive: true, force: true });
});

const never = { signal: new AbortController().signal };
/** Seals what there is, and runs the detections as two workers at once do. */
async function detect(): Promise<number> {
  await sealEvents(log, {}, testCaller);
  const runs = await Promise.all([
    detectIncidents(api.ports, never, testCaller),
    detectIncidents(other.ports, never, testCaller),
  ]);
  return runs.reduce((total, { sightings }) => total + sightings, 0);
}

const get = (path: string, basic: ClientCredentials = operator): Promise<Received> =>
  send(api.url, 'GET', path, { basic });
const post = (path: string, json: unknown, basic: ClientCredentials = operator): Promise<Received> =>
  send(other.url, 'POST', path, { basic, json });
const incidentsOf = async (subject: string): Promise<Json[]> =>
  (await get(`/v1/admin/incidents?subject=${encodeURIComponent(subject)}`)).body.incidents;
const person = (): Promise<TestUser> => signUp({ api: api.url });
const from = (ip: string, agent: string) => ({ 'x-forwarded-for': ip, 'user-agent': agent });
const callerAt = (ip: string): Caller => ({
  kind: 'anonymous',
  request: { ip, userAgent: 'guess', traceId: '', traceparent: '' },
});

async function failFrom(ip: string, email: string): Promise<void> {
  const caller = callerAt(ip);
  const admitted = await admitLogin(api.ports, { email }, caller);
  await api.ports.transact((tx) => countLoginFailure(tx, admitted, undefined, caller));
}

const signInFrom = ({ email, password }: TestUser, ip: string, agent: string): Promise<Received> =>
  send(api.url, 'POST', '/api/auth/signin', { json: { email, password }, headers: from(ip, agent) });

describe('incidents', () => {
  test('A-MCP-03 a replayed refresh token is one incident, however many workers look; the next replay counts', async () => {
    const user = await person();
    for (const login of [user.tokens, (await signInFrom(user, '127.0.0.1', 'node')).body.tokens]) {
      const first = await refresh({ api: api.url }, login.refresh_token);
      const second = await refresh({ api: api.url }, first.body.refresh_token);
      expect(second.status, second.text).toBe(200);
      expect((await refresh({ api: other.url }, login.refresh_token)).body.code).toBe('refresh_token_reused');
      await detect();
    }
    const [incident, ...more] = await incidentsOf(user.id);
    expect(more).toEqual([]);
    expect(incident).toMatchObject({
      detection: 'refresh_token_reuse',
      severity: 'high',
      subject: { kind: 'user', id: user.id },
      state: 'open',
      count: 2,
      actions: [],
      detail: { family_id: expect.any(String) },
    });
    expect(await detect(), 'nothing is judged twice').toBe(0);
    const raised = await world.rows(
      `SELECT outcome, detail->>'detection' AS detection, detail->>'user_id' AS user_id FROM audit_outbox WHERE type = 'incident.raised' AND target_id = $1`,
      [incident.incident_id],
    );
    expect(raised).toEqual([{ outcome: 'open', detection: 'refresh_token_reuse', user_id: user.id }]);
  });

  test('raised in a transaction that fails, there is none; raised by many at once, there is one', async () => {
    const id = randomUUID();
    const sighting = { target: { kind: 'client', id } } as const;
    await expect(
      api.ports.transact(async (tx) => {
        await raiseIncident(tx, api.ports, testCaller, refreshTokenReuse, sighting);
        throw new Error('the change it is about failed');
      }),
    ).rejects.toThrow('the change');
    expect(await incidentsOf(id)).toEqual([]);
    const raised = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        raiseIncident((n % 2 ? api : other).ports.sql, api.ports, testCaller, refreshTokenReuse, sighting),
      ),
    );
    expect(new Set(raised.map((one) => one.id)).size).toBe(1);
    expect(raised.map(({ count }) => count).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(raised.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect((await incidentsOf(id))[0].count).toBe(10);
  });

  test('are acknowledged and closed with a reason, by those who may; what is closed stays, and the next sighting is a new one', async () => {
    const id = randomUUID();
    const raise = () =>
      raiseIncident(api.ports.sql, api.ports, testCaller, refreshTokenReuse, { target: { kind: 'user', id } });
    const { id: incident } = await raise();
    const path = `/v1/admin/incidents/${incident}`;
    expectProblem(await post(`${path}/close`, { reason: 'no' }, auditor), 403, 'permission_missing');
    expectProblem(await post(`${path}/close`, {}), 400, 'request_invalid');
    expectProblem(await post(`${path}/close`, { reason: 'x', state: 'open' }), 400, 'request_invalid');
    expectProblem(await get(`/v1/admin/incidents/${randomUUID()}`), 404, 'incident_unknown');
    expectProblem(await post(`/v1/admin/incidents/${randomUUID()}/close`, { reason: 'x' }), 404, 'incident_unknown');

    expect((await post(`${path}/acknowledge`, { reason: 'looking' })).body).toMatchObject({ state: 'acknowledged' });
    expect(await raise(), 'an acknowledged one takes up sightings').toMatchObject({ id: incident, count: 2 });
    const closed = await post(`${path}/close`, { reason: 'a lost phone' });
    expect(closed.body).toMatchObject({
      state: 'closed',
      count: 2,
      reason: 'a lost phone',
      changed_by: `client:${operator.client_id}`,
    });
    expect((await get(path, auditor)).body).toEqual(closed.body);
    expectProblem(await post(`${path}/acknowledge`, { reason: 'again' }), 409, 'incident_closed');
    expect((await raise()).id).not.toBe(incident);
    const changes = await world.rows(
      `SELECT outcome, detail->>'reason' AS reason FROM audit_outbox WHERE type = 'incident.changed' AND target_id = $1 ORDER BY id`,
      [incident],
    );
    expect(changes).toEqual([
      { outcome: 'acknowledged', reason: 'looking' },
      { outcome: 'closed', reason: 'a lost phone' },
    ]);
  });

  test('are listed page by page, each once, the one seen last first, and by filter', async () => {
    const subject = { kind: 'installation', id: randomUUID() } as const;
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const { id } = await raiseIncident(api.ports.sql, api.ports, testCaller, refreshTokenReuse, { target: subject });
      await post(`/v1/admin/incidents/${id}/close`, { reason: 'page' });
      made.unshift(id);
    }
    const listed: string[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const { body }: Received = await get(
        `/v1/admin/incidents?limit=2&subject=${subject.id}${next ? `&cursor=${next}` : ''}`,
      );
      listed.push(...body.incidents.map((one: Json) => one.incident_id));
      next = body.next;
    }
    expect(listed).toEqual(made);
    const filtered = async (query: string) =>
      (await get(`/v1/admin/incidents?subject=${subject.id}&${query}`)).body.incidents.length;
    expect(await filtered('state=closed')).toBe(5);
    expect(await filtered('state=open')).toBe(0);
    expect(await filtered('severity=low')).toBe(0);
    expect(await filtered('detection=refresh_token_reuse')).toBe(5);
    expectProblem(await get('/v1/admin/incidents?state=gone'), 400, 'request_invalid');
    expectProblem(await get('/v1/admin/incidents?cursor=WyJ4Il0'), 400, 'cursor_invalid');
  });
});

describe('detections', () => {
  test('C-CRD-04 a guessed account raises an incident about its user, and an administrator unlocks it', async () => {
    const user = await person();
    for (let n = 0; n < 4; n += 1) await failFrom('198.51.100.1', user.email);
    await send(api.url, 'POST', '/api/auth/signin', { json: { email: user.email, password: 'wrong wrong wrong' } });
    await detect();
    expect(await incidentsOf(user.id)).toMatchObject([
      { detection: 'password_guessing', severity: 'medium', count: 1, detail: { failures: 5 } },
    ]);
    expect((await signInFrom(user, '198.51.100.2', 'x')).status).toBe(429);

    expectProblem(await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'x' }, auditor), 403, 'permission_missing');
    expectProblem(await post('/v1/admin/users/nobody/unlock', { reason: 'x' }), 404, 'user_unknown');
    const unlocked = await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'called the help desk' });
    expect(unlocked.body).toEqual({ user_id: user.id, failed_logins: 5 });
    expect((await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'twice' })).body.failed_logins).toBe(0);
    expect((await signInFrom(user, '198.51.100.2', 'x')).status).toBe(200);
  });

  test('API5 nobody unlocks an account that may more than themselves: its guesser would go on', async () => {
    const user = await person();
    for (let n = 0; n < 5; n += 1) await failFrom('198.51.100.9', user.email);
    const path = `/v1/admin/users/${user.id}/unlock`;
    await world.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [user.id]);
    expectProblem(await post(path, { reason: 'x' }), 403, 'rights_exceeded');
    expect((await signInFrom(user, '198.51.100.10', 'x')).status).toBe(429);
    await world.rows('DELETE FROM user_roles WHERE user_id = $1', [user.id]);
    expect((await post(path, { reason: 'x' })).body.failed_logins).toBe(5);
  });

  test('credential stuffing: many names from one network; it is blocked, and who gets in there loses every session', async () => {
    const user = await person();
    const ip = '198.51.100.77';
    for (let n = 0; n < 50; n += 1) await failFrom(ip, newEmail());
    const hit = await signInFrom(user, ip, 'stuffer');
    expect(hit.status).toBe(200);
    await detect();
    const incidents = (await get('/v1/admin/incidents?detection=credential_stuffing')).body.incidents;
    expect(incidents).toMatchObject([
      { severity: 'high', subject: { kind: 'network' }, count: 1, actions: ['block_network'], detail: { names: 50 } },
    ]);
    expect(incidents[0].subject.id, 'no address').toMatch(/^network:[\w-]{22}$/);
    expect(await detect(), 'blocked, it is not seen again').toBe(0);
    const blocked = await signInFrom(user, ip, 'stuffer');
    expect([blocked.status, blocked.body.code]).toEqual([429, 'login_locked']);
    expect(Number(blocked.headers.get('retry-after'))).toBeGreaterThan(3_000);
    expect((await signInFrom(user, '198.51.100.78', 'x')).status, 'others are not').toBe(200);

    expect(await incidentsOf(user.id)).toMatchObject([
      { detection: 'account_takeover', severity: 'critical', actions: ['revoke_sessions'] },
    ]);
    for (const login of [user.tokens, hit.body.tokens])
      expect((await refresh({ api: api.url }, login.refresh_token)).body.code).toBe('session_ended');
    const acted = await world.rows(
      `SELECT detail->>'user_id' AS user_id FROM audit_outbox WHERE type = 'incident.acted' AND outcome = 'revoke_sessions'`,
    );
    expect(acted).toEqual([{ user_id: user.id }]);
  });

  test('impossible travel ends the session of the new place, and no other', async () => {
    const user = await person();
    await world.rows(`UPDATE refresh_families SET rotated_at = now() - interval '1 hour' WHERE user_id = $1`, [
      user.id,
    ]);
    await world.rows(`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE "userId" = $1`, [user.id]);
    const home = await signInFrom(user, '192.0.2.50', 'Firefox on the desk');
    await detect();
    expect(await incidentsOf(user.id), 'an hour later it is a move').toEqual([]);
    const away = await signInFrom(user, '203.0.113.50', 'curl');
    await detect();
    expect(await incidentsOf(user.id)).toMatchObject([
      { detection: 'impossible_travel', actions: ['end_session'], detail: { session_id: away.body.session.id } },
    ]);
    expect((await refresh({ api: api.url }, away.body.tokens.refresh_token)).body.code).toBe('session_ended');
    expect((await refresh({ api: api.url }, home.body.tokens.refresh_token)).status).toBe(200);
  });

  test('nine of ten sign-ins refused, from wherever: one incident, not one a second', async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, lane) => {
        for (let n = 0; n < 25; n += 1) await failFrom(`10.7.${lane}.${n}`, newEmail());
      }),
    );
    await detect();
    await detect();
    const { incidents } = (await get('/v1/admin/incidents?detection=failed_login_ratio')).body;
    expect(incidents).toMatchObject([
      { severity: 'high', count: expect.any(Number), subject: { kind: 'installation' } },
    ]);
  });

  test('a run that is told to stop reads no further, and the next one goes on there', async () => {
    const email = newEmail();
    for (let n = 0; n < 5; n += 1) await failFrom('198.51.100.3', email);
    await sealEvents(log, {}, testCaller);
    const stopped = await detectIncidents(api.ports, { signal: AbortSignal.abort() }, testCaller);
    expect(stopped.read).toBe(0);
    expect((await detectIncidents(api.ports, never, testCaller)).sightings).toBe(1);
  });
});

type Frame = { readonly id: number; readonly event: string; readonly data: Json };

/** Reads frames of a stream until there are enough of them. */
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
const openStream = (copy: ApiCopy, query = '', lastEventId?: number, as = operator): Promise<Response> =>
  fetch(`${copy.url}/v1/admin/events${query}`, {
    headers: {
      authorization: `Basic ${Buffer.from(`${as.client_id}:${as.client_secret}`).toString('base64')}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
    },
  });

const always = async (): Promise<boolean> => true;

describe('GET /v1/admin/events', () => {
  test('streams sealed events in their order; by Last-Event-ID another copy goes on without a gap or a double', async () => {
    await sealEvents(log, {}, testCaller);
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

  test('follows what happens from now on, by type, with nothing the audit log does not show', async () => {
    await sealEvents(log, {}, testCaller);
    const waiting = frames(api, 1, '?type=user.unlocked,user.deleted');
    await vi.waitFor(() => expect(api.ports.eventStreams.count()).toBe(1), { timeout: 30_000 });
    const user = { id: randomUUID(), email: newEmail() };
    await world.rows('INSERT INTO users (id, email) VALUES ($1, $2)', [user.id, user.email]);
    await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'streamed' });
    await sealEvents(log, {}, testCaller);
    const [frame] = await waiting;
    expect(frame?.event).toBe('user.unlocked');
    expect((await get(`/v1/audit/events/${frame?.id}`)).body).toMatchObject(frame?.data);
    expect(JSON.stringify(frame)).not.toContain(user.email);
    await vi.waitFor(() => expect(api.ports.eventStreams.count()).toBe(0), { timeout: 30_000 });
  });

  test('ends in time to be authenticated again, with the drain, and for who takes nothing; a fault costs no event', async () => {
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

  test('ends with the right to it: a token revoked, a secret replaced, a client disabled, a session over', async () => {
    const reader = await newPerson(api, ['auditor']);
    const signedUp = await person();
    await world.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'auditor')`, [signedUp.id]);
    const browsing = await signIn({ api: api.url }, signedUp);
    const client = (): Promise<ClientCredentials> => world.newClient(['audit:read']);
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
      [{ cookie: browsing.cookie }, () => world.rows('DELETE FROM sessions WHERE "userId" = $1', [browsing.id])],
      [
        basicOf(renewed),
        () =>
          world.rows(`UPDATE oauth_clients SET "clientSecret" = $2 WHERE "clientId" = $1`, [
            renewed.client_id,
            'A'.repeat(43),
          ]),
      ],
      [
        basicOf(disabled),
        () => world.rows(`UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1`, [disabled.client_id]),
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

  test('sends nothing while the right to it cannot be told, and nothing of what it has read when the right is gone', async () => {
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

  test('many who open at once get no more than their number', async () => {
    const streams = createEventStreams({ ...api.ports, maximumPerCaller: 2 });
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => streams.open({}, testCaller, always)));
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(streams.count()).toBe(2);
    streams.close();
    for (const one of opened) if (one.status === 'fulfilled') one.value.destroy();
  });

  test('is for those who may read the log; one caller holds five streams of a copy', async () => {
    expect((await openStream(api, '', undefined, auditor)).status).toBe(403);
    expect((await openStream(api, '?type=DROP')).status).toBe(400);
    const open = await Promise.all(Array.from({ length: 5 }, () => openStream(api)));
    const sixth = await openStream(api);
    expect([sixth.status, ((await sixth.json()) as Json).code]).toEqual([429, 'event_streams_spent']);
    await Promise.all(open.map((answer) => answer.body?.cancel()));
  });
});
