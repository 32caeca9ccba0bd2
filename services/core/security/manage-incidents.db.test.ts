import { describe, expect, test } from 'vitest';
import { clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import type { Caller } from '../ports.ts';
import {
  type Detection,
  passwordGuessing,
  refreshTokenReuse,
  stateRewoundDetected,
  tokenReplay,
} from './detections.ts';
import { acknowledgeIncident, closeIncident, listIncidents, readIncident } from './manage-incidents.ts';
import { isIncidentOpen } from './open-incidents.ts';
import { raiseIncident } from './raise-incident.ts';

const ports = opened(openTestPorts);

const { request } = testCaller;
type Declared = typeof refreshTokenReuse | typeof stateRewoundDetected | typeof tokenReplay;
const raise = async (id: string, detection: Detection & Declared = tokenReplay, detail = {}): Promise<string> =>
  (await raiseIncident(ports.sql, ports, testCaller, detection, { target: { kind: 'user', id }, detail })).id;
const UNKNOWN = '00000000-0000-7000-8000-000000000000';

// The first: the database has no incident yet.
test('an incident of severity high counts until it is closed; a lesser one does not', async () => {
  const target = { kind: 'user', id: 'u' } as const;
  await raiseIncident(ports.sql, ports, testCaller, passwordGuessing, { target });
  expect(await isIncidentOpen(ports)).toBe(false);
  const { id: incidentId } = await raiseIncident(ports.sql, ports, testCaller, tokenReplay, { target });
  expect(await isIncidentOpen(ports)).toBe(true);
  await acknowledgeIncident(ports, { incident_id: incidentId, reason: 'test' }, testCaller);
  expect(await isIncidentOpen(ports)).toBe(true);
  await closeIncident(ports, { incident_id: incidentId, reason: 'test' }, testCaller);
  expect(await isIncidentOpen(ports)).toBe(false);
});

describe('incidents', () => {
  test('are one per detection and subject until closed; later details overwrite earlier ones', async () => {
    const id = await raise('ada', tokenReplay, { seq: 1, factor: 'password' });
    expect(await raise('ada', tokenReplay, { seq: 2 })).toBe(id);
    expect(await raise('ada', refreshTokenReuse), 'another detection').not.toBe(id);
    expect(await raise('bob'), 'another subject').not.toBe(id);
    expect(await readIncident(ports, { incident_id: id })).toMatchObject({
      detection: 'token_replay',
      severity: 'high',
      subject: { kind: 'user', id: 'ada' },
      state: 'open',
      count: 2,
      detail: { seq: 2, factor: 'password' },
      actions: [],
      reason: null,
      changed_at: null,
      changed_by: null,
    });
    await closeIncident(ports, { incident_id: id, reason: 'ours' }, testCaller);
    expect(await raise('ada')).not.toBe(id);
  });

  test('raised in a failed transaction do not exist; raised by many at once, they are one', async () => {
    const sighting = { target: { kind: 'client', id: 'many' } } as const;
    const failing = ports.transact(async (tx) => {
      await raiseIncident(tx, ports, testCaller, refreshTokenReuse, sighting);
      throw new Error('the change it is about failed');
    });
    await expect(failing).rejects.toThrow('the change');
    expect((await listIncidents(ports, { subject: 'many', limit: 9 })).incidents).toEqual([]);
    const raised = await Promise.all(
      Array.from({ length: 10 }, () => raiseIncident(ports.sql, ports, testCaller, refreshTokenReuse, sighting)),
    );
    expect(new Set(raised.map(({ id }) => id)).size).toBe(1);
    expect(raised.map(({ count }) => count).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(raised.filter((row) => row.is_new)).toHaveLength(1);
    expect((await listIncidents(ports, { subject: 'many', limit: 9 })).incidents).toMatchObject([{ count: 10 }]);
  });

  test('write an event when raised, and none for further sightings', async () => {
    const id = await raise('event');
    await raise('event');
    const events = await ports.raw`SELECT type, detail FROM audit_outbox WHERE target_id = ${id}`;
    expect(events).toEqual([
      {
        type: 'incident.raised',
        detail: { detection: 'token_replay', severity: 'high', subject: 'user', user_id: 'event' },
      },
    ]);
  });

  test('about a name or a network put its hash in no public member of the event', async () => {
    const target = { kind: 'network', id: 'network:hash' } as const;
    const { id } = await raiseIncident(ports.sql, ports, testCaller, tokenReplay, { target });
    const [event] = await ports.raw<{ detail: object }>`SELECT detail FROM audit_outbox WHERE target_id = ${id}`;
    expect(event?.detail).toEqual({
      detection: 'token_replay',
      severity: 'high',
      subject: 'network',
      identifier: 'network:hash',
    });
  });

  test('are listed by filter, most recently seen first, page by page', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) ids.push(await raise(`paged ${n}`, stateRewoundDetected));
    for (const [n, id] of ids.entries())
      await ports.raw`UPDATE incidents SET last_seen_at = now() + make_interval(secs => ${n}) WHERE id = ${id}`;
    const asked = { detection: 'state_rewound', severity: 'critical', state: 'open', limit: 2 };
    const first = await listIncidents(ports, asked);
    const rest = await listIncidents(ports, { ...asked, cursor: first.next ?? undefined });
    expect([...first.incidents, ...rest.incidents].map(({ incident_id }) => incident_id)).toEqual([...ids].reverse());
    expect([first.incidents.length, rest.next]).toEqual([2, null]);
    expect((await listIncidents(ports, { ...asked, state: 'closed' })).incidents).toEqual([]);
    expect((await listIncidents(ports, { subject: 'paged 1', limit: 9 })).incidents).toHaveLength(1);
  });

  test.each(['made up', Buffer.from('["2026-01-01T00:00:00.000Z","no id"]').toString('base64url')])(
    'a cursor of another list is refused: %s',
    (cursor) => expect(listIncidents(ports, { limit: 1, cursor })).rejects.toMatchObject({ code: 'cursor_invalid' }),
  );

  test('that were never raised are unknown', async () => {
    await expect(readIncident(ports, { incident_id: UNKNOWN })).rejects.toMatchObject({ code: 'incident_unknown' });
    const change = { incident_id: UNKNOWN, reason: 'x' };
    await expect(closeIncident(ports, change, testCaller)).rejects.toMatchObject({ code: 'incident_unknown' });
  });

  test('are acknowledged, then closed for good, each with its reason in the audit log', async () => {
    const incidentId = await raise('closed');
    const acknowledged = await acknowledgeIncident(ports, { incident_id: incidentId, reason: 'looking' }, testCaller);
    expect(acknowledged).toMatchObject({ state: 'acknowledged', reason: 'looking', changed_at: expect.any(String) });
    expect(await raise('closed'), 'it still counts sightings').toBe(incidentId);
    const closed = await closeIncident(ports, { incident_id: incidentId, reason: 'a test' }, testCaller);
    expect(closed).toMatchObject({ state: 'closed', count: 2 });
    const late = acknowledgeIncident(ports, { incident_id: incidentId, reason: 'late' }, testCaller);
    await expect(late).rejects.toMatchObject({ code: 'incident_closed' });
    const recorded = await ports.raw`SELECT outcome, detail->>'reason' AS reason FROM audit_outbox
      WHERE type = 'incident.changed' AND target_id = ${incidentId}
      ORDER BY id`;
    expect(recorded).toEqual([
      { outcome: 'acknowledged', reason: 'looking' },
      { outcome: 'closed', reason: 'a test' },
    ]);
  });

  test('closed by two concurrent requests are closed by exactly one', async () => {
    const incidentId = await raise('race');
    const close = (reason: string) => closeIncident(ports, { incident_id: incidentId, reason }, testCaller);
    const results = await Promise.allSettled([close('first'), close('second')]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'incident_closed' } });
  });

  const user = userCaller('u1', { clientId: 'c1' });
  const callers: [string, Caller][] = [
    ['user:u1', user],
    ['client:c2', clientCaller('c2')],
    ['system:test', testCaller],
    ['anonymous', { kind: 'anonymous', request }],
  ];
  test.each(callers)('record who changed them: %s', async (name, caller) => {
    const incidentId = await raise(`by ${name}`);
    const changed = await closeIncident(ports, { incident_id: incidentId, reason: 'x' }, caller);
    expect(changed.changed_by).toBe(name);
  });
});
