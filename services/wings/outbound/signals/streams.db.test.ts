import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import {
  accountPasswordChanged,
  factorEnrolled,
  factorsReset,
  userSteppedUp,
  userTokensRevoked,
} from '#services/core/identity/audit-events.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
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
import { caller, ISSUER, lasting, openStreamsHarness, other, type StreamsHarness, typesOf } from './streams-harness.ts';

let harness: StreamsHarness;
beforeAll(async () => {
  harness = await openStreamsHarness();
});
beforeEach(() => harness.reset());
afterAll(() => harness?.close());

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
    expect(await harness.log.raw('SELECT id, failure FROM handoff_deliveries WHERE next_attempt_at IS NULL')).toEqual([
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
    await harness.log.raw(`UPDATE signal_streams SET verified_at = verified_at - interval '5 seconds'`);
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
    expect(await harness.log.raw('SELECT 1 FROM handoff_endpoints')).toEqual([]);
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
