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

describe('sightings of one event', () => {
  test('a reused refresh token and an overused one are about the user', () => {
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

  test('a rewound database is about the installation, whatever request found it', () => {
    const subject = { kind: 'installation', id: 'sallyport' };
    expect(seen(event('token.state_rewound', { outcome: 'ahead', detail: { user_id: 'u1' } }))).toEqual([
      { detection: 'state_rewound', target: subject, on: {} },
    ]);
  });

  test('emergency access to health data is about the user who opened it', () => {
    const detail = { user_id: 'u1', break_glass_id: 'b1' };
    const opened = event('phi.break_glass_opened', { target: { kind: 'subject', id: 'p1' }, detail });
    expect(seen(opened)).toEqual([{ detection: 'break_glass', target: user, on: {} }]);
    expect(sightingsOf(opened)[0]?.detail).toEqual({ seq: 7, break_glass_id: 'b1' });
  });

  test('an agent that uses other arguments than the approved ones is an anomaly, a retry is none', () => {
    const refused = (code: string) =>
      event('signoff.refused', { outcome: 'refused', client_id: 'a1', detail: { code, agent_id: 'a1' } });
    const changed = refused('signoff_arguments_changed');
    expect(seen(changed)).toEqual([{ detection: 'agent_anomaly', target: { kind: 'client', id: 'a1' }, on: {} }]);
    expect(sightingsOf(changed)[0]?.detail).toEqual({ seq: 7, code: 'signoff_arguments_changed' });
    expect(seen(refused('signoff_not_runnable'))).toEqual([]);
  });

  test('a user who uses other arguments than the approved ones is no anomaly of the client that the user uses', () => {
    const detail = { code: 'signoff_arguments_changed' };
    for (const client_id of ['sallyport', null])
      expect(seen(event('signoff.refused', { outcome: 'refused', client_id, detail }))).toEqual([]);
  });

  test('credentials of a killed agent are an anomaly of that agent, a wrong secret is none', () => {
    const checked = (code: string) =>
      event('agent.credentials_checked', {
        outcome: 'refused',
        target: { kind: 'client', id: 'a1' },
        client_id: 'gateway',
        detail: { code },
      });
    expect(seen(checked('disabled'))).toEqual([
      { detection: 'agent_anomaly', target: { kind: 'client', id: 'a1' }, on: {} },
    ]);
    for (const code of ['wrong', 'unknown']) expect(seen(checked(code))).toEqual([]);
  });

  test('a replayed access token is about its user, else its client, else the installation', () => {
    expect(seen(event('token.replay_detected', { target: user }))).toMatchObject([{ target: user }]);
    expect(seen(event('token.replay_detected', { client_id: 'c1' }))).toMatchObject([
      { detection: 'token_replay', target: { kind: 'client', id: 'c1' }, on: {} },
    ]);
    expect(seen(event('token.replay_detected'))).toMatchObject([{ target: { kind: 'installation' } }]);
  });

  test('a locked account is about its user, or about the hash of a name without an account', () => {
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
    // Its personal values were erased before the detection read it.
    expect(locked({ detail: { of: 'network' } })).toMatchObject([{ target: { kind: 'installation' } }]);
  });

  const on = { userId: 'u1', sessionId: 's1', since: '2026-01-01T00:00:00.000000Z' };
  const unknownDevice = { known_device: false, factor: 'password' };

  test('a sign-in from an unknown device in a network that tries many names is a takeover', () => {
    const takeover = { detection: 'account_takeover', target: user, on };
    for (const factor of ['password', 'totp', 'recovery_code', 'social'])
      expect(seen(login({ ...unknownDevice, factor, suspect_network: true, elsewhere: 's2' })), factor).toEqual([
        takeover,
      ]);
    expect(seen(login({ ...unknownDevice, known_device: true, suspect_network: true }))).toEqual([]);
    expect(seen(login({ ...unknownDevice, suspect_network: true }, 'refused'))).toEqual([]);
  });

  test('impossible travel: an unknown device while the user is active elsewhere, with any sign-in method', () => {
    for (const factor of ['password', 'totp', 'recovery_code', 'social'])
      expect(seen(login({ ...unknownDevice, factor, elsewhere: 's2' })), factor).toEqual([
        { detection: 'impossible_travel', target: user, on },
      ]);
    expect(seen(login(unknownDevice))).toEqual([]);
    expect(seen(login({ ...unknownDevice, known_device: true, elsewhere: 's2' }))).toEqual([]);
    const [sighting] = sightingsOf(login({ ...unknownDevice, elsewhere: 's2' }));
    expect(sighting?.detail).toEqual({ seq: 7, factor: 'password', session_id: 's1', other_session_id: 's2' });
    const odd = event('user.login', { target: user, detail: { known_device: false, elsewhere: 's2' } });
    expect(seen(odd)).toMatchObject([{ on: { userId: 'u1' } }]);
  });

  test('a passkey sign-in in an unusual place is reported without an action', () => {
    for (const detail of [{ suspect_network: true }, { elsewhere: 's2' }])
      expect(seen(login({ ...unknownDevice, factor: 'passkey', ...detail }))).toEqual([
        { detection: 'unusual_passkey', target: user, on },
      ]);
    expect(detections.find(({ name }) => name === 'unusual_passkey')?.actions).toEqual([]);
  });

  test('other events are no sightings', () => {
    expect(seen(event('user.created', { target: user }))).toEqual([]);
    expect(seen(login({ suspect_network: true, elsewhere: 's2' })), 'from before events had known_device').toEqual([]);
  });
});

test('every detection has a metric with its severity, and only actions that the audit event declares', () => {
  expect(Object.fromEntries(detections.map(({ name, severity }) => [name, severity]))).toEqual(detectionSeverities);
  for (const { actions } of detections) for (const action of actions) expect(incidentActed.outcomes).toContain(action);
  expect(new Set(WATCHED_TYPES).size).toBe(WATCHED_TYPES.length);
});
