import { describe, expect, test } from 'vitest';
import { HOSTILE, SOURCE, sealedEvent } from './siem-harness.ts';
import { toOcsf } from './to-ocsf.ts';

const ocsf = (changes: Parameters<typeof sealedEvent>[0] = {}) =>
  JSON.parse(JSON.stringify(toOcsf(sealedEvent(changes), SOURCE)));

describe('a sealed event as OCSF', () => {
  test('a sign-in is a successful Logon of the class Authentication', () =>
    expect(ocsf()).toEqual({
      metadata: {
        version: '1.5.0',
        product: { name: 'Sallyport', vendor_name: 'Sallyport', version: '0.2.0' },
        uid: '0199f0a2-7c1e-7d2b-9c55-0c6d5a0a4b11',
        sequence: 4_711,
        event_code: 'user.login',
        log_name: 'audit',
        log_provider: 'https://auth.example.test',
        logged_time: Date.parse('2026-11-23T18:00:01Z'),
        original_time: '2026-11-23T18:00:00.123456Z',
        correlation_uid: '4bf92f3577b34da6a3ce929d0e0e4736',
      },
      time: Date.parse('2026-11-23T18:00:00.123Z'),
      category_uid: 3,
      class_uid: 3_002,
      activity_id: 1,
      activity_name: 'Logon',
      type_uid: 300_201,
      severity_id: 1,
      status_id: 1,
      status: 'ok',
      message: 'user.login: ok',
      user: { uid: 'u-1', type_id: 1, type: 'User' },
      actor: { user: { uid: 'u-1', type_id: 1, type: 'User' }, app_name: 'user', app_uid: 'web' },
      service: { name: 'Sallyport', uid: 'https://auth.example.test' },
      unmapped: {
        actor: { kind: 'user', id: 'u-1' },
        target: { kind: 'user', id: 'u-1' },
        detail: { factor: 'password' },
      },
    }));

  test('a refused one, whose target the log hides, names no user', () => {
    const event = ocsf({ outcome: 'refused', actor: { kind: 'anonymous', id: null }, target: null, client_id: null });
    expect(event).toMatchObject({ status_id: 2, status: 'refused', user: { name: 'undisclosed', type_id: 0 } });
    expect(event.actor).toEqual({ app_name: 'anonymous' });
  });

  test('the user is that of the target, else of the detail, else the actor, else the client', () => {
    const actor = { kind: 'system', id: 'seal-audit-events' };
    expect(ocsf({ actor, target: { kind: 'session', id: 's-1' }, detail: { user_id: 'u-2' } }).user.uid).toBe('u-2');
    expect(ocsf({ target: { kind: 'session', id: 's-1' } }).user.uid).toBe('u-1');
    expect(ocsf({ actor, target: null }).user).toEqual({ uid: 'web', type_id: 99, type: 'Client' });
    expect(ocsf({ actor, target: { kind: 'client', id: 'c-1' }, client_id: null }).user.uid).toBe('c-1');
  });

  test('the actor is a user with its session, or what acts in its place', () => {
    expect(ocsf({ detail: { session_id: 's-1' } }).actor.session).toEqual({ uid: 's-1' });
    expect(ocsf({ actor: { kind: 'system', id: 'clean-up' }, client_id: null }).actor).toEqual({
      app_name: 'system',
      invoked_by: 'clean-up',
    });
  });

  test('a role that is granted is its privilege, and a consent its scopes', () => {
    const granted = ocsf({ type: 'user.role_granted', detail: { role: 'admin' } });
    expect(granted).toMatchObject({ class_uid: 3_005, activity_name: 'Assign Privileges', privileges: ['admin'] });
    expect(ocsf({ type: 'oauth.consent_granted', detail: { scope: 'openid mail' } }).privileges).toEqual([
      'openid',
      'mail',
    ]);
    expect(ocsf({ type: 'oauth.consent_withdrawn', detail: {} }).privileges).toEqual(['undisclosed']);
  });

  test('what is managed is the target, or the installation', () => {
    expect(ocsf({ type: 'client.created', target: { kind: 'client', id: 'web' } }).entity).toEqual({
      uid: 'web',
      type: 'client',
      type_id: 99,
    });
    expect(ocsf({ type: 'agent.killed', target: { kind: 'user', id: null } }).entity).toEqual({
      uid: 'undisclosed',
      type: 'user',
      type_id: 2,
    });
    expect(ocsf({ type: 'key_encryption.changed', target: null }).entity.type).toBe('installation');
  });

  test('a denied request is API activity of a client at no address', () => {
    expect(ocsf({ type: 'access.denied', outcome: 'refused' })).toMatchObject({
      class_uid: 6_003,
      api: { operation: 'access.denied' },
      src_endpoint: { name: 'undisclosed', svc_name: 'web' },
    });
    expect(ocsf({ type: 'access.denied', client_id: null }).src_endpoint).toEqual({ name: 'undisclosed' });
  });

  test('an incident is a finding with its id, and its end resolves it', () => {
    const target = { kind: 'incident', id: 'i-1' };
    const raised = ocsf({ type: 'incident.raised', outcome: 'open', target, detail: { detection: 'replay' } });
    expect(raised).toMatchObject({
      class_uid: 2_004,
      activity_id: 1,
      is_alert: true,
      status_id: 1,
      finding_info: { uid: 'i-1', title: 'replay', types: ['incident.raised'] },
    });
    expect(ocsf({ type: 'incident.changed', outcome: 'closed', target })).toMatchObject({
      status_id: 4,
      is_alert: false,
    });
    expect(ocsf({ type: 'token.refresh_reused', outcome: 'replay' }).finding_info.uid).toBe(sealedEvent().event_id);
  });

  test('a control is a compliance finding with its state', () => {
    const control = { type: 'compliance.control_changed', target: { kind: 'control', id: 'audit-log' } };
    expect(ocsf({ ...control, outcome: 'fail' }).compliance).toEqual({ control: 'audit-log', status_id: 3 });
    expect(ocsf({ ...control, outcome: 'not_applicable', target: null }).compliance).toEqual({
      control: 'compliance.control_changed',
      status_id: 99,
    });
  });

  test('a release is a change of the application', () =>
    expect(ocsf({ type: 'operations.release_deployed' })).toMatchObject({
      class_uid: 6_002,
      app: { name: 'Sallyport', uid: 'https://auth.example.test' },
    }));

  test('a row that was altered is an unknown, critical event that says so', () =>
    expect(ocsf({ type: 'unknown', outcome: 'unknown', trace_id: null, altered: true })).toMatchObject({
      class_uid: 0,
      severity_id: 5,
      status_id: 0,
      unmapped: { altered: true },
    }));

  test('the same event gives the same text, and hostile text stays one JSON string', () => {
    const event = sealedEvent({ detail: { name: HOSTILE } });
    const text = JSON.stringify(toOcsf(event, SOURCE));
    expect(JSON.stringify(toOcsf(event, SOURCE))).toBe(text);
    expect(text).not.toMatch(/\p{Cc}/u);
    expect(JSON.parse(text).unmapped.detail.name).toBe(HOSTILE);
  });
});
