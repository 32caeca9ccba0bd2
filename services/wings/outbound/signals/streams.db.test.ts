import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import type { ClientCaller } from '#services/core/authority/callers.ts';
import {
  accountPasswordChanged,
  factorEnrolled,
  factorsReset,
  userSessionEnded,
  userSteppedUp,
  userTokensRevoked,
} from '#services/core/identity/audit-events.ts';
import type { Caller } from '#services/core/ports.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { listSignalStreams, setSignalStreamStatus, verifySignalStream } from './administer-streams.ts';
import {
  addStreamSubject,
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
import { createPollWaits } from './poll-waits.ts';
import { CAEP_EVENTS, VERIFICATION } from './signal-shapes.ts';
import { POLL, PUSH } from './streams-contract.ts';
import { caller, ISSUER, lasting, openStreamsHarness, other, typesOf } from './streams-harness.ts';

const harness = opened(openStreamsHarness);
beforeEach(() => harness.reset());

describe('a polled stream', () => {
  test('gives events in the order of the log until they are acknowledged', async () => {
    const { stream_id: id, delivery } = await harness.create();
    expect(delivery).toEqual({ method: POLL, endpoint_url: `${ISSUER}/ssf/poll/${id}` });
    await harness.happen(accountPasswordChanged, 'ada');
    await harness.happen(factorEnrolled, 'bob', { factor: 'passkey' });
    await harness.happen(userSteppedUp, 'ada', { factor: 'totp', previous_acr: 'aal1' });
    // The level was as high before.
    await harness.happen(userSteppedUp, 'ada', { factor: 'totp', previous_acr: 'aal2' });
    await harness.happen(userSteppedUp, 'ada', { factor: 'password' });
    await harness.happen(factorsReset, 'ada');
    const first = await harness.poll(id, { maxEvents: 2 });
    expect(first.moreAvailable).toBe(true);
    const all = await harness.poll(id);
    expect(Object.keys(all.sets).slice(0, 2)).toEqual(Object.keys(first.sets));
    const events = await Promise.all(Object.values(all.sets).map(async (token) => (await harness.read(token)).events));
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
    const left = await harness.poll(id, { ack: [one], setErrs: { [two]: { err: 'invalid_request' } } });
    expect(Object.keys(left.sets)).toEqual(rest);
    expect(await harness.log.raw`SELECT id, failure FROM handoff_deliveries WHERE next_attempt_at IS NULL`).toEqual([
      { id: two, failure: 'invalid_request' },
    ]);
    expect(await harness.poll(id, { ack: rest })).toEqual({ sets: {}, moreAvailable: false });
  });

  test('answers a long poll with the next event of the stream, or with none when the copy drains', async () => {
    const { stream_id: id } = await harness.create({ events_requested: [CAEP_EVENTS['credential-change']] });
    const waiting = harness.poll(id, { returnImmediately: false });
    // Not an event of this stream: it waits on.
    await harness.happen(userTokensRevoked, 'ada');
    await harness.happen(accountPasswordChanged, 'ada');
    const { sets } = await waiting;
    expect(typesOf(Object.values(sets))).toEqual([CAEP_EVENTS['credential-change']]);
    // Only an acknowledgement is answered at once.
    expect(await harness.poll(id, { returnImmediately: false, maxEvents: 0, ack: Object.keys(sets) })).toMatchObject({
      sets: {},
    });
    const until = createPollWaits(harness.log);
    const drained = pollStream(
      { ...harness.ports, pollWaits: until },
      { stream_id: id, maxEvents: 1, ack: [], setErrs: {}, returnImmediately: false },
      caller,
      lasting,
    );
    const closing = setInterval(until.close, 20);
    expect(await drained).toEqual({ sets: {}, moreAvailable: false });
    clearInterval(closing);
  });

  test('delivers only what was requested, and no event of a subject that was removed', async () => {
    const [ada, bob] = [await harness.newUser(), await harness.newUser()];
    const events = [CAEP_EVENTS['credential-change'], 'https://example.test/unknown'];
    const view = await harness.create({ events_requested: events, description: 'HR' });
    expect(view).toMatchObject({ events_requested: events, events_delivered: [events[0]], description: 'HR' });
    const id = view.stream_id;
    const subject = { format: 'iss_sub', iss: ISSUER, sub: ada };
    await removeStreamSubject(harness.ports, { stream_id: id, subject }, caller);
    await removeStreamSubject(
      harness.ports,
      { stream_id: id, subject: { format: 'iss_sub', iss: ISSUER, sub: 'gone' } },
      caller,
    );
    for (const user of [ada, bob]) {
      await harness.happen(accountPasswordChanged, user);
      await harness.happen(userTokensRevoked, user);
    }
    const subjects = async () =>
      Object.values((await harness.poll(id)).sets).map((token) => (decodeJwt(token).sub_id as { sub: string }).sub);
    expect(await subjects()).toEqual([bob]);
    await addStreamSubject(harness.ports, { stream_id: id, subject }, caller);
    await harness.happen(accountPasswordChanged, ada);
    expect(await subjects()).toEqual([bob, ada]);
  });

  test('is verified by an event with the given state, which no other stream gets', async () => {
    const [{ stream_id: id }, { stream_id: beside }] = [await harness.create(), await harness.create()];
    await verifyStream(harness.ports, { stream_id: id, state: 'nonce-1' }, caller);
    await expect(verifyStream(harness.ports, { stream_id: id, state: 'x' }, caller)).rejects.toMatchObject({
      code: 'signal_verification_early',
    });
    await harness.log.raw`UPDATE signal_streams SET verified_at = verified_at - interval '5 seconds'`;
    await verifyStream(harness.ports, { stream_id: id }, caller);
    await sealEvents(harness.log, {}, testCaller);
    const { sets } = await harness.poll(id);
    const claims = await Promise.all(Object.values(sets).map(harness.read));
    expect(claims).toMatchObject([
      { sub_id: { format: 'opaque', id }, events: { [VERIFICATION]: { state: 'nonce-1' } } },
      { sub_id: { format: 'opaque', id }, events: { [VERIFICATION]: {} } },
    ]);
    expect(await harness.poll(beside)).toEqual({ sets: {}, moreAvailable: false });
  });
});

describe('a stream', () => {
  test('is its receiver’s alone: to every other client it does not exist', async () => {
    const { stream_id: id } = await harness.create();
    const input = { stream_id: id };
    const subject = { ...input, subject: { format: 'opaque', id: 'x' } };
    const asks = [
      () => readStreams(harness.ports, input, other),
      () => updateStream(harness.ports, input, other),
      () => replaceStream(harness.ports, input, other),
      () => deleteStream(harness.ports, input, other),
      () => readStreamStatus(harness.ports, input, other),
      () => updateStreamStatus(harness.ports, { ...input, status: 'paused' }, other),
      () => addStreamSubject(harness.ports, subject, other),
      () => verifyStream(harness.ports, input, other),
      () =>
        pollStream(
          harness.ports,
          { ...input, maxEvents: 1, ack: [], setErrs: {}, returnImmediately: false },
          other,
          lasting,
        ),
    ];
    for (const ask of asks) await expect(ask()).rejects.toMatchObject({ code: 'signal_stream_unknown' });
    expect(await readStreams(harness.ports, {}, other)).toEqual([]);
    expect(await readStreams(harness.ports, {}, caller)).toMatchObject([{ stream_id: id }]);
    expect(await readStreams(harness.ports, input, caller)).toMatchObject({ stream_id: id });
  });

  test('is changed in part, from poll to push and back, and deleted with what waits', async () => {
    const { stream_id: id } = await harness.create({ description: 'HR' });
    const pushed = { method: PUSH, endpoint_url: `${harness.origin}/x` } as const;
    expect(await updateStream(harness.ports, { stream_id: id, delivery: pushed }, caller)).toMatchObject({
      description: 'HR',
      delivery: pushed,
    });
    expect(await updateStream(harness.ports, { stream_id: id, events_requested: [] }, caller)).toMatchObject({
      delivery: pushed,
      events_delivered: [],
    });
    expect(await updateStream(harness.ports, { stream_id: id, delivery: { method: POLL } }, caller)).toMatchObject({
      delivery: { method: POLL },
    });
    await harness.happen(accountPasswordChanged, 'ada');
    await deleteStream(harness.ports, { stream_id: id }, caller);
    expect(await harness.log.raw`SELECT 1 FROM handoff_endpoints`).toEqual([]);
  });

  test('is replaced as a whole, with what the transmitter sets unchanged', async () => {
    const view = await harness.create({ description: 'HR', events_requested: [CAEP_EVENTS['credential-change']] });
    expect(
      await replaceStream(harness.ports, { ...view, delivery: { method: POLL }, description: 'IT' }, caller),
    ).toEqual({ ...view, description: 'IT' });
    const bare = await replaceStream(harness.ports, { stream_id: view.stream_id }, caller);
    expect([bare.description, bare.events_requested]).toEqual([undefined, Object.values(CAEP_EVENTS)]);
    for (const change of [replaceStream, updateStream])
      await expect(change(harness.ports, { stream_id: view.stream_id, aud: 'another' }, caller)).rejects.toMatchObject({
        code: 'signal_stream_invalid',
      });
  });

  test.each(['ftp://x.test/', 'https://user:pw@x.test/', 'x', undefined])('cannot be pushed to %s', async (url) => {
    const delivery = { method: PUSH, ...(url === undefined ? {} : { endpoint_url: url }) } as const;
    await expect(harness.create({ delivery })).rejects.toMatchObject({ code: 'signal_stream_invalid' });
  });

  test('is one of at most five of a receiver', async () => {
    for (let n = 0; n < 5; n += 1) await harness.create();
    await expect(harness.create()).rejects.toMatchObject({ code: 'signal_streams_many' });
  });
});

describe('a pushed stream', () => {
  const delivery = () =>
    ({ method: PUSH, endpoint_url: `${harness.origin}/events`, authorization_header: 'Bearer their-secret' }) as const;

  test('gets each event as a signed token, with the receiver’s authorization, which is not shown or stored in clear', async () => {
    const view = await harness.create({ delivery: delivery() });
    expect(view).toMatchObject({
      iss: ISSUER,
      aud: 'receiver',
      delivery: { method: PUSH, endpoint_url: `${harness.origin}/events` },
    });
    expect(JSON.stringify([view, await harness.log.raw`SELECT * FROM signal_streams`])).not.toContain('their-secret');
    await harness.happen(userSessionEnded, 'ada', { reason: 'ended_by_user' }, 's1');
    await harness.push();
    expect(harness.arrived.map(({ authorization }) => authorization)).toEqual(['Bearer their-secret']);
    const claims = await harness.read(harness.arrived[0]?.body ?? '');
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

  test('a stolen token directs to no address that its client has not registered, and the client itself to any', async () => {
    const bySecret = caller as ClientCaller;
    const to = (endpoint_url: string) => ({ delivery: { method: PUSH, endpoint_url } }) as const;
    const registered = to('https://receiver.example.test/events');
    const elsewhere = to('https://thief.example.test/events');
    const refusal = { code: 'own_credential_required' };
    for (const by of ['bearer', 'api_key'] as const) {
      const thief = { ...bySecret, by };
      await expect(harness.create(elsewhere, thief)).rejects.toMatchObject(refusal);
      const { stream_id } = await harness.create(registered, thief);
      const change = { stream_id, ...elsewhere };
      await expect(updateStream(harness.ports, change, thief)).rejects.toMatchObject(refusal);
      await expect(replaceStream(harness.ports, change, thief)).rejects.toMatchObject(refusal);
      const { delivery } = await updateStream(harness.ports, change, bySecret);
      expect(delivery).toEqual(elsewhere.delivery);
    }
    expect((await harness.create(elsewhere, { ...bySecret, by: 'bearer', isBound: true })).delivery).toEqual(
      elsewhere.delivery,
    );
    expect((await harness.create({}, { ...bySecret, by: 'bearer' })).delivery.method).toBe(POLL);
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
    await harness.create({ delivery: delivery() });
    await harness.log.raw(lose);
    await harness.happen(userTokensRevoked, 'ada');
    await harness.push();
    expect(harness.arrived).toEqual([]);
    if (regain === undefined) return;
    await harness.log.raw(regain);
    await harness.push();
    expect(harness.arrived).toHaveLength(1);
  });

  test('of an agent ends with its kill and its time, and that of a person with the permission or the account', async () => {
    const owner = await harness.newUser();
    await harness.log.raw`INSERT INTO user_roles (user_id, role) VALUES (${owner}, 'admin')`;
    const until = (interval: string) =>
      harness.log.raw`UPDATE agents SET expires_at = clock_timestamp() + ${interval}::interval`;
    await harness.log.raw`INSERT INTO agents (client_id, owner_id, capabilities, heartbeat_seconds, expires_at)
      VALUES ('receiver', ${owner}, '{}', 60, clock_timestamp() + interval '1 day')`;
    const person = { ...testCaller, kind: 'user', userId: owner } as Caller;
    await harness.create({ delivery: delivery() });
    await harness.create({ delivery: delivery() }, person);
    /** The audiences of what is pushed about one more event. */
    const audiences = async () => {
      harness.arrived.length = 0;
      await harness.happen(userTokensRevoked, 'ada');
      await harness.push();
      return harness.arrived.map(({ body }) => decodeJwt(body).aud).sort();
    };
    expect(await audiences()).toEqual([owner, 'receiver'].sort());
    await until('-1 second');
    expect(await audiences()).toEqual([owner]);
    await harness.log.raw`UPDATE agents SET killed_at = clock_timestamp()`;
    expect(await audiences()).toEqual([owner]);
    await harness.log.raw`DELETE FROM user_roles WHERE user_id = ${owner}`;
    expect(await audiences()).toEqual([]);
    await harness.log.raw`INSERT INTO user_roles (user_id, role) VALUES (${owner}, 'admin')`;
    await harness.log.raw`UPDATE users SET "disabledAt" = now() WHERE id = ${owner}`;
    expect(await audiences()).toEqual([]);
  });

  test('has the reason of an event only if it is one of our codes: what a person wrote stays here', async () => {
    await harness.create({ delivery: delivery() });
    await harness.happen(userTokensRevoked, 'ada', { reason: 'positive test of J. Doe, ward 4' });
    await harness.push();
    const claims = await harness.read(harness.arrived[0]?.body ?? '');
    expect(claims.events[CAEP_EVENTS['session-revoked']]?.reason_admin).toEqual({ en: 'user.tokens_revoked' });
  });

  test('that is paused gets its events when it is enabled again; one that was disabled does not', async () => {
    const { stream_id: id } = await harness.create({ delivery: delivery() });
    const set = (to: 'enabled' | 'paused' | 'disabled', reason?: string) =>
      updateStreamStatus(harness.ports, { stream_id: id, status: to, ...(reason ? { reason } : {}) }, caller);
    expect(await set('paused', 'maintenance')).toEqual({ stream_id: id, status: 'paused', reason: 'maintenance' });
    await harness.happen(accountPasswordChanged, 'ada');
    await harness.push();
    expect(harness.arrived).toEqual([]);
    await set('enabled');
    await harness.push();
    expect(harness.arrived).toHaveLength(1);
    await set('disabled');
    await harness.happen(accountPasswordChanged, 'ada');
    await set('enabled');
    await harness.push();
    expect([harness.arrived.length, await readStreamStatus(harness.ports, { stream_id: id }, caller)]).toEqual([
      1,
      { stream_id: id, status: 'enabled' },
    ]);
  });
});

describe('an administrator', () => {
  const reason = 'the receiver of Ada was broken into';
  /** Details of sealed events of this type and stream that have a reason, in their order. */
  async function recordedOf(type: string, streamId: string): Promise<unknown[]> {
    await sealEvents(harness.log, {}, testCaller);
    const rows = await harness.log.raw<{ seq: number }>`SELECT seq::float8 AS seq FROM audit_events
      WHERE type = ${type} ORDER BY seq`;
    const events = await Promise.all(rows.map(({ seq }) => readEvent(harness.log, seq)));
    return events.map(({ detail }) => detail).filter((of) => of.stream_id === streamId && 'reason' in of);
  }
  const push8935 = () => harness.create({ delivery: { method: PUSH, endpoint_url: `${harness.origin}/events` } });

  test('sees the streams of every receiver, with what waits in each, its excluded subjects, and no secret', async () => {
    const { stream_id: id } = await harness.create({
      delivery: {
        method: PUSH,
        endpoint_url: `${harness.origin}/events?code=secret`,
        authorization_header: 'Bearer secret',
      },
    });
    await harness.create({}, other);
    const user = await harness.newUser();
    await removeStreamSubject(
      harness.ports,
      { stream_id: id, subject: { format: 'iss_sub', iss: ISSUER, sub: user } },
      caller,
    );
    harness.answer(500);
    await harness.happen(userTokensRevoked, await harness.newUser());
    await harness.push();
    const { streams } = await listSignalStreams(harness.log);
    expect(streams).toMatchObject([
      { stream_id: id, owner: 'client:receiver', status: 'enabled', waiting: 1, given_up: 0, excluded_users: 1 },
      { owner: 'client:another', method: POLL, endpoint_url: null, waiting: 0, excluded_users: 0 },
    ]);
    expect(streams[0]?.endpoint_url).toBe(`${harness.origin}/events?…`);
    expect(JSON.stringify(streams)).not.toContain('secret');
  });

  test('pauses a stream, which keeps its events, and disables one, which does not; each with a reason', async () => {
    const { stream_id: id } = await push8935();
    const set = (next: 'enabled' | 'paused' | 'disabled') =>
      setSignalStreamStatus(harness.ports, { stream_id: id, status: next, reason }, testCaller);
    expect(await set('paused')).toMatchObject({ status: 'paused', status_reason: 'administrator' });
    // The receiver learns that it was an administrator, and nothing of what they wrote.
    expect(await readStreamStatus(harness.ports, { stream_id: id }, caller)).toEqual({
      ...{ stream_id: id, status: 'paused', reason: 'administrator' },
    });
    await harness.happen(userTokensRevoked, await harness.newUser());
    await harness.push();
    expect(harness.arrived).toEqual([]);
    await set('enabled');
    await harness.push();
    expect(harness.arrived).toHaveLength(1);
    await set('disabled');
    await harness.happen(userTokensRevoked, await harness.newUser());
    await set('enabled');
    await harness.push();
    expect(harness.arrived).toHaveLength(1);
    expect(await recordedOf('signal.stream_changed', id)).toEqual(
      ['paused', 'enabled', 'disabled', 'enabled'].map((next) => ({ stream_id: id, status: next, reason })),
    );
  });

  test('sends a verification event through a stream of another', async () => {
    const { stream_id: id } = await push8935();
    await verifySignalStream(harness.ports, { stream_id: id, reason }, testCaller);
    await sealEvents(harness.log, {}, testCaller);
    await harness.push();
    expect(typesOf(harness.arrived.map(({ body }) => body))).toEqual([VERIFICATION]);
    const unknown = { stream_id: '0190a5e2-0000-7000-8000-000000000000', reason };
    await expect(verifySignalStream(harness.ports, unknown, testCaller)).rejects.toMatchObject({
      code: 'signal_stream_unknown',
    });
  });
});
