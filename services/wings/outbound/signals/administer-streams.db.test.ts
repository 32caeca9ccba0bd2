import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { userTokensRevoked } from '#services/core/identity/audit-events.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { listSignalStreams, setSignalStreamStatus, verifySignalStream } from './administer-streams.ts';
import { readStreamStatus, removeStreamSubject } from './manage-streams.ts';
import { VERIFICATION } from './signal-shapes.ts';
import { POLL, PUSH } from './streams-contract.ts';
import { caller, ISSUER, openStreamsHarness, other, type StreamsHarness, typesOf } from './streams-harness.ts';

let harness: StreamsHarness;
beforeAll(async () => {
  harness = await openStreamsHarness();
});
beforeEach(() => harness.reset());
afterAll(() => harness?.close());

describe('an administrator', () => {
  const reason = 'the receiver of Ada was broken into';
  /** Details of sealed events of this type and stream that have a reason, in their order. */
  async function recordedOf(type: string, streamId: string): Promise<unknown[]> {
    await sealEvents(harness.log, {}, testCaller);
    const rows = await harness.log.raw<{ seq: number }>(
      'SELECT seq::float8 AS seq FROM audit_events WHERE type = $1 ORDER BY seq',
      [type],
    );
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
