import { describe, expect, test } from 'vitest';
import { detectionSeverities } from '../../../observability/metrics/security.ts';
import type { AuditEventView } from '../audit/event-view.ts';
import { incidentActed } from './audit-events.ts';
import { detections } from './detections.ts';
import { isFromUnknownDevice, sightingsOf, WATCHED_TYPES } from './sighting-of.ts';
import type { Elsewhere } from './sightings.store.ts';

const event = (type: string, changes: Partial<AuditEventView> = {}): AuditEventView => ({
  seq: 7,
  event_id: '00000000-0000-7000-8000-000000000000',
  type,
  outcome: 'ok',
  actor: { kind: 'user', id: 'u1' },
  target: null,
  client_id: null,
  detail: {},
  trace_id: null,
  occurred_at: '2026-01-01T00:00:00.000000Z',
  sealed_at: '2026-01-01T00:00:00.000000Z',
  ...changes,
});
const user = { kind: 'user', id: 'u1' };
const seen = (one: AuditEventView, elsewhere: readonly Elsewhere[] = []) =>
  sightingsOf(one, elsewhere).map(({ detection, target, on }) => ({ detection: detection.name, target, on }));

const login = (detail: object, outcome = 'ok') =>
  event('user.login', { outcome, target: user, detail: { session_id: 's1', ...detail } });
const place = (ip: string | null, agent: string | null): Elsewhere => ({
  sessionId: 's2',
  ip,
  agent,
  ownIp: '192.0.2.1',
  ownAgent: 'Firefox',
});

describe('what one event is a sighting of', () => {
  test('a login that ended because a refresh token came back, and one presented too often, are about its user', () => {
    const detail = { user_id: 'u1', session_id: 's1' };
    const target = { kind: 'family', id: 'f1' };
    expect(seen(event('token.refresh_reused', { outcome: 'replay', target, detail }))).toEqual([
      { detection: 'refresh_token_reuse', target: user, on: { userId: 'u1' } },
    ]);
    expect(seen(event('token.refresh_overused', { outcome: 'grace_spent', target, detail }))).toEqual([
      { detection: 'refresh_token_overuse', target: user, on: { userId: 'u1' } },
    ]);
    const [sighting] = sightingsOf(event('token.refresh_reused', { target, detail }), []);
    expect(sighting?.detail).toEqual({ seq: 7, family_id: 'f1' });
  });

  test('a rewound database is the installation’s affair, whoever found out', () => {
    const subject = { kind: 'installation', id: 'sallyport' };
    expect(seen(event('token.state_rewound', { outcome: 'ahead', detail: { user_id: 'u1' } }))).toEqual([
      { detection: 'state_rewound', target: subject, on: {} },
    ]);
  });

  test('a replayed access token is about its user, else its client, else nobody known', () => {
    expect(seen(event('token.replay_detected', { target: user }))).toMatchObject([{ target: user }]);
    expect(seen(event('token.replay_detected', { client_id: 'c1' }))).toMatchObject([
      { detection: 'token_replay', target: { kind: 'client', id: 'c1' }, on: {} },
    ]);
    expect(seen(event('token.replay_detected'))).toMatchObject([{ target: { kind: 'installation' } }]);
  });

  test('a locked account is about its user, or the hash of a name that has no account', () => {
    const locked = (changes: Partial<AuditEventView>) =>
      seen(event('user.login_locked', { outcome: 'refused', ...changes }));
    const detail = { of: 'account', failures: 5, identifier: '1.abc' };
    expect(locked({ target: user, detail })).toEqual([
      { detection: 'password_guessing', target: user, on: { userId: 'u1' } },
    ]);
    expect(locked({ detail })).toEqual([
      { detection: 'password_guessing', target: { kind: 'identifier', id: '1.abc' }, on: {} },
    ]);
    expect(locked({ detail: { of: 'network', identifier: 'network:x' } })).toEqual([
      {
        detection: 'credential_stuffing',
        target: { kind: 'network', id: 'network:x' },
        on: { networkKey: 'network:x' },
      },
    ]);
    // Its personal values were erased before it was read.
    expect(locked({ detail: { of: 'network' } })).toMatchObject([{ target: { kind: 'installation' } }]);
  });

  test('a right password from an unknown device where many names are tried is a takeover', () => {
    expect(seen(login({ known_device: false, suspect_network: true }), [place('203.0.113.1', 'curl')])).toEqual([
      { detection: 'account_takeover', target: user, on: { userId: 'u1', sessionId: 's1' } },
    ]);
    expect(seen(login({ known_device: true, suspect_network: true }))).toEqual([]);
    expect(seen(login({ known_device: false, suspect_network: true }, 'refused'))).toEqual([]);
  });

  test('impossible travel: another network and another agent at once; either alone is everyday', () => {
    const from = (...places: Elsewhere[]) => seen(login({ known_device: false }), places);
    const on = { userId: 'u1', sessionId: 's1' };
    expect(from(place('203.0.113.1', 'Safari'))).toEqual([{ detection: 'impossible_travel', target: user, on }]);
    expect(from(place('192.0.2.1', 'Safari'))).toEqual([]);
    expect(from(place('203.0.113.1', 'Firefox'))).toEqual([]);
    expect(from(place(null, 'Safari'))).toEqual([]);
    expect(from()).toEqual([]);
    expect(from(place('192.0.2.1', 'Safari'), place('203.0.113.1', null))).toHaveLength(1);
    expect(seen(login({ known_device: true }), [place('203.0.113.1', 'Safari')])).toEqual([]);
    const v6 = { ...place('2001:db8:0:1::9', 'Safari'), ownIp: '2001:db8:0:1::1' };
    expect(from(v6), 'one /64 is one network').toEqual([]);
    const odd = event('user.login', { target: user, detail: { known_device: false } });
    expect(seen(odd, [place('203.0.113.1', 'Safari')])).toMatchObject([{ on: { userId: 'u1' } }]);
  });

  test('anything else is nothing', () => {
    expect(seen(event('user.created', { target: user }))).toEqual([]);
    expect(isFromUnknownDevice(login({}))).toBe(false);
  });
});

test('every detection is a metric with its severity, and acts in ways the audit log knows', () => {
  expect(Object.fromEntries(detections.map(({ name, severity }) => [name, severity]))).toEqual(detectionSeverities);
  for (const { actions } of detections) for (const action of actions) expect(incidentActed.outcomes).toContain(action);
  expect(new Set(WATCHED_TYPES).size).toBe(WATCHED_TYPES.length);
});
