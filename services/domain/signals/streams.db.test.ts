import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { createHandoffTransport } from '#services/worker/handoff.ts';
import { insertUser } from '#testing/fixtures/families.ts';
import { type OwnLogHarness, openLogHarness } from '#testing/harness/log.ts';
import { callerAt, testCaller } from '#testing/harness/ports.ts';
import { readEvent } from '../audit/read/read-event.ts';
import { recordEvent } from '../audit/record-event.ts';
import { sealEvents } from '../audit/seal/seal-events.ts';
import {
  accountPasswordChanged,
  factorEnrolled,
  factorsReset,
  userSessionEnded,
  userSteppedUp,
  userTokensRevoked,
} from '../identity/audit-events.ts';
import { createKeyRing } from '../keys/key-ring.ts';
import type { Caller } from '../ports.ts';
import { listSignalStreams, setSignalStreamStatus, verifySignalStream } from './administer-streams.ts';
import {
  addStreamSubject,
  createStream,
  deleteStream,
  pollStream,
  readStreamStatus,
  readStreams,
  removeStreamSubject,
  replaceStream,
  updateStream,
  updateStreamStatus,
  verifyStream,
} from './manage-streams.ts';
import { createPollWaits, type HasPollWaits } from './poll-waits.ts';
import { type PushSignalsPorts, pushSignals } from './push-signals.ts';
import { CAEP_EVENTS, VERIFICATION } from './signal-shapes.ts';
import { POLL, PUSH, type StreamInput, type StreamView } from './streams-contract.ts';

const ISSUER = 'https://auth.example.test';
let log: OwnLogHarness;
let ports: PushSignalsPorts & HasPollWaits & { readonly publicUrl: string };
let origin: string;
const arrived: { readonly body: string; readonly authorization: string | undefined }[] = [];
let status = 202;
const server = createServer(async (request, response) => {
  arrived.push({ body: await text(request), authorization: request.headers.authorization });
  response.writeHead(status).end();
});
const clientOf = (clientId: string): Caller => ({
  kind: 'client',
  clientId,
  permissions: new Set(['ssf.manage', 'ssf.read']),
  by: 'secret',
  isVetted: true,
  request: callerAt('198.51.100.1').request,
});
const caller = clientOf('receiver');
const other = clientOf('another');

beforeAll(async () => {
  log = await openLogHarness();
  const keyRing = createKeyRing(log, loadConfig({}).keys);
  await keyRing.load();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  ports = {
    ...log,
    keyRing,
    publicUrl: ISSUER,
    pollWaits: createPollWaits(log),
    tokenSettings: { issuer: ISSUER, accessTokenSeconds: 900 },
    signals: { transport: createHandoffTransport({ allowsPrivate: true }) },
  };
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await log?.end();
});
beforeEach(async () => {
  await log.raw('TRUNCATE signal_streams, handoff_endpoints CASCADE');
  await log.raw(`DELETE FROM oauth_clients WHERE "clientId" IN ('receiver', 'another')`);
  await log.raw(
    `INSERT INTO oauth_clients (id, "clientId", credential_scopes)
     SELECT id, id, '{ssf.manage,ssf.read}' FROM unnest(ARRAY['receiver', 'another']) AS id`,
  );
  arrived.length = 0;
  status = 202;
});

/** Records and seals an event about a user. */
async function happen(
  event: { readonly type: string },
  userId: string,
  detail: object = {},
  sessionId?: string,
): Promise<void> {
  const target =
    sessionId === undefined ? { kind: 'user' as const, id: userId } : { kind: 'session' as const, id: sessionId };
  await recordEvent(log.sql, testCaller, event as AuditEvent<'ok'>, {
    outcome: 'ok',
    target,
    detail: { user_id: userId, ...detail },
  });
  await sealEvents(log, {}, testCaller);
}
const newUser = (): Promise<string> =>
  insertUser({
    query: (sql: string, values?: unknown[]) => log.raw(sql, values).then((rows) => ({ rows })),
  } as never);
async function push(): Promise<void> {
  const fence = await takeFence(log.sql, 'push-signals');
  await pushSignals(ports, { fence, signal: new AbortController().signal }, testCaller);
}
const lasting = async (): Promise<boolean> => true;
const create = (input: StreamInput = {}, by = caller): Promise<StreamView> => createStream(ports, input, by);
const poll = (
  id: string,
  more: {
    readonly ack?: string[];
    readonly maxEvents?: number;
    readonly setErrs?: object;
    readonly returnImmediately?: boolean;
  } = {},
) =>
  pollStream(
    ports,
    { stream_id: id, maxEvents: 100, ack: [], setErrs: {}, returnImmediately: true, ...more } as never,
    caller,
    lasting,
  );

/** The claims of a token, verified with our key set as a receiver does. */
async function read(token: string) {
  const keys = createLocalJWKSet(JSON.parse(ports.keyRing.jwks().body));
  const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: 'receiver', typ: 'secevent+jwt' });
  return payload as { jti: string; sub_id: unknown; events: Record<string, Record<string, unknown>>; exp?: number };
}
const typesOf = (tokens: readonly string[]) => tokens.map((token) => Object.keys(decodeJwt(token).events as object)[0]);

describe('a pushed stream', () => {
  const delivery = () =>
    ({ method: PUSH, endpoint_url: `${origin}/events`, authorization_header: 'Bearer their-secret' }) as const;

  test('gets each event as a signed token, with the receiver’s authorization, which is not shown or stored in clear', async () => {
    const view = await create({ delivery: delivery() });
    expect(view).toMatchObject({
      iss: ISSUER,
      aud: 'receiver',
      delivery: { method: PUSH, endpoint_url: `${origin}/events` },
    });
    expect(JSON.stringify([view, await log.raw('SELECT * FROM signal_streams')])).not.toContain('their-secret');
    await happen(userSessionEnded, 'ada', { reason: 'ended_by_user' }, 's1');
    await push();
    expect(arrived.map(({ authorization }) => authorization)).toEqual(['Bearer their-secret']);
    const claims = await read(arrived[0]?.body ?? '');
    expect(claims).toMatchObject({
      iat: expect.any(Number),
      txn: expect.any(String),
      sub_id: {
        format: 'complex',
        session: { format: 'opaque', id: 's1' },
        user: { format: 'iss_sub', iss: ISSUER, sub: 'ada' },
      },
      events: {
        [CAEP_EVENTS['session-revoked']]: {
          event_timestamp: expect.any(Number),
          initiating_entity: 'system',
          reason_admin: { en: 'ended_by_user' },
        },
      },
    });
    // Never another kind of token (SSF 1.0 §4.1.4, §4.1.6).
    expect([claims.exp, (claims as { sub?: string }).sub]).toEqual([undefined, undefined]);
  });

  test('of a receiver that was down gets everything, in order for each user, with the same jti in each attempt', async () => {
    await create({ delivery: delivery() });
    status = 503;
    await happen(accountPasswordChanged, 'ada');
    await happen(userTokensRevoked, 'ada');
    await push();
    await push();
    const tried = arrived.map(({ body }) => decodeJwt(body).jti);
    expect(new Set(tried).size).toBe(1);
    status = 202;
    arrived.length = 0;
    await log.raw(`UPDATE handoff_deliveries SET next_attempt_at = clock_timestamp() - interval '1 second'`);
    await log.raw('UPDATE handoff_endpoints SET open_until = NULL');
    await push();
    expect(arrived.map(({ body }) => decodeJwt(body).jti)[0]).toBe(tried[0]);
    expect(typesOf(arrived.map(({ body }) => body))).toEqual([
      CAEP_EVENTS['credential-change'],
      CAEP_EVENTS['session-revoked'],
    ]);
  });

  const losses: Record<string, readonly [string, string?]> = {
    'was disabled': [
      `UPDATE oauth_clients SET disabled = true WHERE "clientId" = 'receiver'`,
      `UPDATE oauth_clients SET disabled = false WHERE "clientId" = 'receiver'`,
    ],
    'lost the permission': [
      `UPDATE oauth_clients SET credential_scopes = '{ssf.read}' WHERE "clientId" = 'receiver'`,
      `UPDATE oauth_clients SET credential_scopes = '{ssf.manage}' WHERE "clientId" = 'receiver'`,
    ],
    'was deleted': [`DELETE FROM oauth_clients WHERE "clientId" = 'receiver'`],
  };
  test.each(Object.keys(losses))('of a client that %s gets nothing more', async (name) => {
    const [lose, regain] = losses[name] as (typeof losses)[string];
    await create({ delivery: delivery() });
    await log.raw(lose);
    await happen(userTokensRevoked, 'ada');
    await push();
    expect(arrived).toEqual([]);
    if (regain === undefined) return;
    await log.raw(regain);
    await push();
    expect(arrived).toHaveLength(1);
  });

  test('of an agent ends with its kill and its time, and that of a person with the permission or the account', async () => {
    const owner = await newUser();
    await log.raw(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [owner]);
    const until = (interval: string) =>
      log.raw(`UPDATE agents SET expires_at = clock_timestamp() + $1::interval`, [interval]);
    await log.raw(
      `INSERT INTO agents (client_id, owner_id, capabilities, heartbeat_seconds, expires_at)
       VALUES ('receiver', $1, '{}', 60, clock_timestamp() + interval '1 day')`,
      [owner],
    );
    const person = { ...testCaller, kind: 'user', userId: owner } as Caller;
    await create({ delivery: delivery() });
    await create({ delivery: delivery() }, person);
    /** The audiences of what is pushed about one more event. */
    const audiences = async () => {
      arrived.length = 0;
      await happen(userTokensRevoked, 'ada');
      await push();
      return arrived.map(({ body }) => decodeJwt(body).aud).sort();
    };
    expect(await audiences()).toEqual([owner, 'receiver'].sort());
    await until('-1 second');
    expect(await audiences()).toEqual([owner]);
    await log.raw('UPDATE agents SET killed_at = clock_timestamp()');
    expect(await audiences()).toEqual([owner]);
    await log.raw('DELETE FROM user_roles WHERE user_id = $1', [owner]);
    expect(await audiences()).toEqual([]);
    await log.raw(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [owner]);
    await log.raw('UPDATE users SET "disabledAt" = now() WHERE id = $1', [owner]);
    expect(await audiences()).toEqual([]);
  });

  test('has the reason of an event only if it is one of our codes: what a person wrote stays here', async () => {
    await create({ delivery: delivery() });
    await happen(userTokensRevoked, 'ada', { reason: 'positive test of J. Doe, ward 4' });
    await push();
    const claims = await read(arrived[0]?.body ?? '');
    expect(claims.events[CAEP_EVENTS['session-revoked']]?.reason_admin).toEqual({ en: 'user.tokens_revoked' });
  });

  test('that is paused gets its events when it is enabled again; one that was disabled does not', async () => {
    const { stream_id: id } = await create({ delivery: delivery() });
    const set = (to: 'enabled' | 'paused' | 'disabled', reason?: string) =>
      updateStreamStatus(ports, { stream_id: id, status: to, ...(reason ? { reason } : {}) }, caller);
    expect(await set('paused', 'maintenance')).toEqual({ stream_id: id, status: 'paused', reason: 'maintenance' });
    await happen(accountPasswordChanged, 'ada');
    await push();
    expect(arrived).toEqual([]);
    await set('enabled');
    await push();
    expect(arrived).toHaveLength(1);
    await set('disabled');
    await happen(accountPasswordChanged, 'ada');
    await set('enabled');
    await push();
    expect([arrived.length, await readStreamStatus(ports, { stream_id: id }, caller)]).toEqual([
      1,
      { stream_id: id, status: 'enabled' },
    ]);
  });
});

describe('a polled stream', () => {
  test('gives events in the order of the log until they are acknowledged', async () => {
    const { stream_id: id, delivery } = await create();
    expect(delivery).toEqual({ method: POLL, endpoint_url: `${ISSUER}/ssf/poll/${id}` });
    await happen(accountPasswordChanged, 'ada');
    await happen(factorEnrolled, 'bob', { factor: 'passkey' });
    await happen(userSteppedUp, 'ada', { factor: 'totp', previous_acr: 'aal1' });
    // The level was as high before.
    await happen(userSteppedUp, 'ada', { factor: 'totp', previous_acr: 'aal2' });
    await happen(userSteppedUp, 'ada', { factor: 'password' });
    await happen(factorsReset, 'ada');
    const first = await poll(id, { maxEvents: 2 });
    expect(first.moreAvailable).toBe(true);
    const all = await poll(id);
    expect(Object.keys(all.sets).slice(0, 2)).toEqual(Object.keys(first.sets));
    const events = await Promise.all(Object.values(all.sets).map(async (token) => (await read(token)).events));
    expect(events.map((event) => Object.values(event)[0])).toMatchObject([
      { credential_type: 'password', change_type: 'update' },
      { credential_type: 'fido2-platform', change_type: 'create' },
      {
        namespace: 'NIST-AAL',
        previous_level: 'nist-aal1',
        current_level: 'nist-aal2',
        change_direction: 'increase',
        reason_admin: { en: 'user.stepped_up' },
      },
      { credential_type: 'app', change_type: 'revoke' },
    ]);
    const [one = '', two = '', ...rest] = Object.keys(all.sets);
    expect(decodeJwt(all.sets[one] ?? '').jti).toBe(one);
    const left = await poll(id, { ack: [one], setErrs: { [two]: { err: 'invalid_request' } } });
    expect(Object.keys(left.sets)).toEqual(rest);
    expect(await log.raw('SELECT id, failure FROM handoff_deliveries WHERE next_attempt_at IS NULL')).toEqual([
      { id: two, failure: 'invalid_request' },
    ]);
    expect(await poll(id, { ack: rest })).toEqual({ sets: {}, moreAvailable: false });
  });

  test('answers a long poll with the next event of the stream, or with none when the copy drains', async () => {
    const { stream_id: id } = await create({ events_requested: [CAEP_EVENTS['credential-change']] });
    const waiting = poll(id, { returnImmediately: false });
    // Not an event of this stream: it waits on.
    await happen(userTokensRevoked, 'ada');
    await happen(accountPasswordChanged, 'ada');
    const { sets } = await waiting;
    expect(typesOf(Object.values(sets))).toEqual([CAEP_EVENTS['credential-change']]);
    // Only an acknowledgement is answered at once.
    expect(await poll(id, { returnImmediately: false, maxEvents: 0, ack: Object.keys(sets) })).toMatchObject({
      sets: {},
    });
    const until = createPollWaits(log);
    const drained = pollStream(
      { ...ports, pollWaits: until },
      { stream_id: id, maxEvents: 1, ack: [], setErrs: {}, returnImmediately: false },
      caller,
      lasting,
    );
    const closing = setInterval(until.close, 20);
    expect(await drained).toEqual({ sets: {}, moreAvailable: false });
    clearInterval(closing);
  });

  test('delivers only what was requested, and no event of a subject that was removed', async () => {
    const [ada, bob] = [await newUser(), await newUser()];
    const events = [CAEP_EVENTS['credential-change'], 'https://example.test/unknown'];
    const view = await create({ events_requested: events, description: 'HR' });
    expect(view).toMatchObject({ events_requested: events, events_delivered: [events[0]], description: 'HR' });
    const id = view.stream_id;
    const subject = { format: 'iss_sub', iss: ISSUER, sub: ada };
    await removeStreamSubject(ports, { stream_id: id, subject }, caller);
    await removeStreamSubject(
      ports,
      { stream_id: id, subject: { format: 'iss_sub', iss: ISSUER, sub: 'gone' } },
      caller,
    );
    for (const user of [ada, bob]) {
      await happen(accountPasswordChanged, user);
      await happen(userTokensRevoked, user);
    }
    const subjects = async () =>
      Object.values((await poll(id)).sets).map((token) => (decodeJwt(token).sub_id as { sub: string }).sub);
    expect(await subjects()).toEqual([bob]);
    await addStreamSubject(ports, { stream_id: id, subject }, caller);
    await happen(accountPasswordChanged, ada);
    expect(await subjects()).toEqual([bob, ada]);
  });

  test('is verified by an event with the given state, which no other stream gets', async () => {
    const [{ stream_id: id }, { stream_id: beside }] = [await create(), await create()];
    await verifyStream(ports, { stream_id: id, state: 'nonce-1' }, caller);
    await verifyStream(ports, { stream_id: id }, caller);
    await sealEvents(log, {}, testCaller);
    const { sets } = await poll(id);
    const claims = await Promise.all(Object.values(sets).map(read));
    expect(claims).toMatchObject([
      { sub_id: { format: 'opaque', id }, events: { [VERIFICATION]: { state: 'nonce-1' } } },
      { sub_id: { format: 'opaque', id }, events: { [VERIFICATION]: {} } },
    ]);
    expect(await poll(beside)).toEqual({ sets: {}, moreAvailable: false });
  });
});

describe('a stream', () => {
  test('is its receiver’s alone: to every other client it does not exist', async () => {
    const { stream_id: id } = await create();
    const input = { stream_id: id };
    const subject = { ...input, subject: { format: 'opaque', id: 'x' } };
    const asks = [
      () => readStreams(ports, input, other),
      () => updateStream(ports, input, other),
      () => replaceStream(ports, input, other),
      () => deleteStream(ports, input, other),
      () => readStreamStatus(ports, input, other),
      () => updateStreamStatus(ports, { ...input, status: 'paused' }, other),
      () => addStreamSubject(ports, subject, other),
      () => verifyStream(ports, input, other),
      () =>
        pollStream(ports, { ...input, maxEvents: 1, ack: [], setErrs: {}, returnImmediately: false }, other, lasting),
    ];
    for (const ask of asks) await expect(ask()).rejects.toMatchObject({ code: 'signal_stream_unknown' });
    expect(await readStreams(ports, {}, other)).toEqual([]);
    expect(await readStreams(ports, {}, caller)).toMatchObject([{ stream_id: id }]);
    expect(await readStreams(ports, input, caller)).toMatchObject({ stream_id: id });
  });

  test('is changed in part, from poll to push and back, and deleted with what waits', async () => {
    const { stream_id: id } = await create({ description: 'HR' });
    const pushed = { method: PUSH, endpoint_url: `${origin}/x` } as const;
    expect(await updateStream(ports, { stream_id: id, delivery: pushed }, caller)).toMatchObject({
      description: 'HR',
      delivery: pushed,
    });
    expect(await updateStream(ports, { stream_id: id, events_requested: [] }, caller)).toMatchObject({
      delivery: pushed,
      events_delivered: [],
    });
    expect(await updateStream(ports, { stream_id: id, delivery: { method: POLL } }, caller)).toMatchObject({
      delivery: { method: POLL },
    });
    await happen(accountPasswordChanged, 'ada');
    await deleteStream(ports, { stream_id: id }, caller);
    expect(await log.raw('SELECT 1 FROM handoff_endpoints')).toEqual([]);
  });

  test('is replaced as a whole, with what the transmitter sets unchanged', async () => {
    const view = await create({ description: 'HR', events_requested: [CAEP_EVENTS['credential-change']] });
    expect(await replaceStream(ports, { ...view, delivery: { method: POLL }, description: 'IT' }, caller)).toEqual({
      ...view,
      description: 'IT',
    });
    const bare = await replaceStream(ports, { stream_id: view.stream_id }, caller);
    expect([bare.description, bare.events_requested]).toEqual([undefined, Object.values(CAEP_EVENTS)]);
    for (const change of [replaceStream, updateStream])
      await expect(change(ports, { stream_id: view.stream_id, aud: 'another' }, caller)).rejects.toMatchObject({
        code: 'signal_stream_invalid',
      });
  });

  test.each(['ftp://x.test/', 'https://user:pw@x.test/', 'x', undefined])('cannot be pushed to %s', async (url) => {
    const delivery = { method: PUSH, ...(url === undefined ? {} : { endpoint_url: url }) } as const;
    await expect(create({ delivery })).rejects.toMatchObject({ code: 'signal_stream_invalid' });
  });

  test('is one of at most five of a receiver', async () => {
    for (let n = 0; n < 5; n += 1) await create();
    await expect(create()).rejects.toMatchObject({ code: 'signal_streams_many' });
  });
});

describe('an administrator', () => {
  const reason = 'test';
  /** Details of sealed events of this type and stream that have a reason, in their order. */
  async function recordedOf(type: string, streamId: string): Promise<unknown[]> {
    await sealEvents(log, {}, testCaller);
    const rows = await log.raw<{ seq: number }>(
      'SELECT seq::float8 AS seq FROM audit_events WHERE type = $1 ORDER BY seq',
      [type],
    );
    const events = await Promise.all(rows.map(({ seq }) => readEvent(log, seq)));
    return events.map(({ detail }) => detail).filter((of) => of.stream_id === streamId && 'reason' in of);
  }
  const push8935 = () => create({ delivery: { method: PUSH, endpoint_url: `${origin}/events` } });

  test('sees the streams of every receiver, with what waits in each, its excluded subjects, and no secret', async () => {
    const { stream_id: id } = await create({
      delivery: { method: PUSH, endpoint_url: `${origin}/events?code=secret`, authorization_header: 'Bearer secret' },
    });
    await create({}, other);
    const user = await newUser();
    await removeStreamSubject(ports, { stream_id: id, subject: { format: 'iss_sub', iss: ISSUER, sub: user } }, caller);
    status = 500;
    await happen(userTokensRevoked, await newUser());
    await push();
    const { streams } = await listSignalStreams(log);
    expect(streams).toMatchObject([
      { stream_id: id, owner: 'client:receiver', status: 'enabled', waiting: 1, given_up: 0, excluded_users: 1 },
      { owner: 'client:another', method: POLL, endpoint_url: null, waiting: 0, excluded_users: 0 },
    ]);
    expect(streams[0]?.endpoint_url).toBe(`${origin}/events?…`);
    expect(JSON.stringify(streams)).not.toContain('secret');
  });

  test('pauses a stream, which keeps its events, and disables one, which does not; each with a reason', async () => {
    const { stream_id: id } = await push8935();
    const set = (next: 'enabled' | 'paused' | 'disabled') =>
      setSignalStreamStatus(ports, { stream_id: id, status: next, reason }, testCaller);
    expect(await set('paused')).toMatchObject({ status: 'paused', status_reason: reason });
    await happen(userTokensRevoked, await newUser());
    await push();
    expect(arrived).toEqual([]);
    await set('enabled');
    await push();
    expect(arrived).toHaveLength(1);
    await set('disabled');
    await happen(userTokensRevoked, await newUser());
    await set('enabled');
    await push();
    expect(arrived).toHaveLength(1);
    expect(await recordedOf('signal.stream_changed', id)).toEqual(
      ['paused', 'enabled', 'disabled', 'enabled'].map((next) => ({ stream_id: id, status: next, reason })),
    );
  });

  test('sends a verification event through a stream of another', async () => {
    const { stream_id: id } = await push8935();
    await verifySignalStream(ports, { stream_id: id, reason }, testCaller);
    await sealEvents(log, {}, testCaller);
    await push();
    expect(typesOf(arrived.map(({ body }) => body))).toEqual([VERIFICATION]);
    const unknown = { stream_id: '0190a5e2-0000-7000-8000-000000000000', reason };
    await expect(verifySignalStream(ports, unknown, testCaller)).rejects.toMatchObject({
      code: 'signal_stream_unknown',
    });
  });
});
