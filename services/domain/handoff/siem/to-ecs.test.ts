import { expect, test } from 'vitest';
import { OCSF_CLASSES, SIEM_EVENTS } from './siem-events.ts';
import { SOURCE, sealedEvent } from './siem-harness.ts';
import { toEcs } from './to-ecs.ts';

const ecs = (changes: Parameters<typeof sealedEvent>[0] = {}) =>
  JSON.parse(JSON.stringify(toEcs(sealedEvent(changes), SOURCE)));

/** Allowed values of ECS 8.17, and the types that it expects for a category. */
const KINDS = ['alert', 'event', 'metric'];
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  api: ['access', 'admin', 'allowed', 'change', 'creation', 'deletion', 'denied', 'end', 'info', 'start', 'user'],
  authentication: ['start', 'end', 'info'],
  configuration: ['access', 'change', 'creation', 'deletion', 'info'],
  iam: ['admin', 'change', 'creation', 'deletion', 'group', 'info', 'user'],
  intrusion_detection: ['allowed', 'denied', 'info'],
  package: ['access', 'change', 'deletion', 'info', 'installation', 'start'],
  session: ['start', 'end', 'info'],
};

test('a sign-in is the start of an authentication, with user, trace and place in the log', () => {
  expect(ecs()).toEqual({
    '@timestamp': '2026-11-23T18:00:00.123456Z',
    ecs: { version: '8.17.0' },
    message: 'user.login: ok',
    event: {
      id: '0199f0a2-7c1e-7d2b-9c55-0c6d5a0a4b11',
      sequence: 4_711,
      kind: 'event',
      category: ['authentication'],
      type: ['start'],
      action: 'user.login',
      outcome: 'success',
      severity: 1,
      created: '2026-11-23T18:00:01.000000Z',
      module: 'sallyport',
      dataset: 'sallyport.audit',
      provider: 'sallyport',
    },
    service: { name: 'sallyport', type: 'sallyport', id: 'https://auth.example.test', version: '0.2.0' },
    user: { id: 'u-1' },
    related: { user: ['u-1'] },
    trace: { id: '4bf92f3577b34da6a3ce929d0e0e4736' },
    sallyport: {
      outcome: 'ok',
      actor: { kind: 'user', id: 'u-1' },
      target: { kind: 'user', id: 'u-1' },
      client_id: 'web',
      detail: { factor: 'password' },
    },
  });
});

test('an administrator who acts on another user is the user, and the other the target', () => {
  const event = ecs({ type: 'user.disabled', target: { kind: 'user', id: 'u-2' } });
  expect(event.user).toEqual({ id: 'u-1', target: { id: 'u-2' } });
  expect(event.related).toEqual({ user: ['u-1', 'u-2'] });
  expect(event.event.type).toEqual(['user', 'change']);
});

test('a job that acts on a user has that user, and an event without one none', () => {
  const actor = { kind: 'system', id: 'clean-up' };
  expect(ecs({ actor, target: { kind: 'session', id: 's-1' }, detail: { user_id: 'u-2' } }).user).toEqual({
    id: 'u-2',
  });
  const without = ecs({ actor, target: null, trace_id: null, altered: true });
  expect(without).not.toHaveProperty('user');
  expect(without).not.toHaveProperty('trace');
  expect(without.sallyport.altered).toBe(true);
});

test('detections are alerts, summaries metrics', () => {
  expect(ecs({ type: 'token.refresh_reused', outcome: 'replay' }).event).toMatchObject({
    kind: 'alert',
    outcome: 'failure',
  });
  expect(ecs({ type: 'token.validations', outcome: 'counted' }).event.kind).toBe('metric');
});

test.each(Object.keys(SIEM_EVENTS))('%s has values that ECS allows', (type) => {
  const { event } = ecs({ type });
  expect(KINDS).toContain(event.kind);
  for (const each of event.type) expect(EXPECTED[event.category[0]]).toContain(each);
  expect(Object.keys(OCSF_CLASSES[SIEM_EVENTS[type]!.ocsf.class].activities)).toContain(
    SIEM_EVENTS[type]!.ocsf.activity,
  );
});
