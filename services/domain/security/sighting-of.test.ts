import { describe, expect, test } from 'vitest';
import { detectionSeverities } from '#observability/metrics/security.ts';
import type { AuditEventView } from '../audit/read/event-view.ts';
import { incidentActed } from './audit-events.ts';
import { detections } from './detections.ts';
import { sightingsOf, WATCHED_TYPES } from './sighting-of.ts';

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
const seen = (one: AuditEventView) =>
  sightingsOf(one).map(({ detection, target, on }) => ({ detection: detection.name, target, on }));

const login = (detail: object, outcome = 'ok') =>
  event('user.login', { outcome, target: user, detail: { session_id: 's1', ...detail } });

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
    const [sighting] = sightingsOf(event('token.refresh_reused', { target, detail }));
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

  const on = { userId: 'u1', sessionId: 's1', since: '2026-01-01T00:00:00.000000Z' };
  const strange = { known_device: false, factor: 'password' };

  test('whoever gets in from an unknown device where many names are tried is a takeover', () => {
    const takeover = { detection: 'account_takeover', target: user, on };
    for (const factor of ['password', 'totp', 'recovery_code', 'social'])
      expect(seen(login({ ...strange, factor, suspect_network: true, elsewhere: 's2' })), factor).toEqual([takeover]);
    expect(seen(login({ ...strange, known_device: true, suspect_network: true }))).toEqual([]);
    expect(seen(login({ ...strange, suspect_network: true }, 'refused'))).toEqual([]);
  });

  test('impossible travel: an unknown device while the user is active elsewhere, whatever it signed in by', () => {
    for (const factor of ['password', 'totp', 'recovery_code', 'social'])
      expect(seen(login({ ...strange, factor, elsewhere: 's2' })), factor).toEqual([
        { detection: 'impossible_travel', target: user, on },
      ]);
    expect(seen(login(strange))).toEqual([]);
    expect(seen(login({ ...strange, known_device: true, elsewhere: 's2' }))).toEqual([]);
    const [sighting] = sightingsOf(login({ ...strange, elsewhere: 's2' }));
    expect(sighting?.detail).toEqual({ seq: 7, factor: 'password', session_id: 's1', other_session_id: 's2' });
    const odd = event('user.login', { target: user, detail: { known_device: false, elsewhere: 's2' } });
    expect(seen(odd)).toMatchObject([{ on: { userId: 'u1' } }]);
  });

  test('a passkey in an unusual place is told of, and nothing is done', () => {
    for (const detail of [{ suspect_network: true }, { elsewhere: 's2' }])
      expect(seen(login({ ...strange, factor: 'passkey', ...detail }))).toEqual([
        { detection: 'unusual_passkey', target: user, on },
      ]);
    expect(detections.find(({ name }) => name === 'unusual_passkey')?.actions).toEqual([]);
  });

  test('anything else is nothing', () => {
    expect(seen(event('user.created', { target: user }))).toEqual([]);
    expect(seen(login({ suspect_network: true, elsewhere: 's2' })), 'of before devices were told apart').toEqual([]);
  });
});

test('every detection is a metric with its severity, and acts in ways the audit log knows', () => {
  expect(Object.fromEntries(detections.map(({ name, severity }) => [name, severity]))).toEqual(detectionSeverities);
  for (const { actions } of detections) for (const action of actions) expect(incidentActed.outcomes).toContain(action);
  expect(new Set(WATCHED_TYPES).size).toBe(WATCHED_TYPES.length);
});
