import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { OCSF_CLASSES, SIEM_EVENTS } from './siem-events.ts';
import { HOSTILE, SOURCE, sealedEvent } from './siem-harness.ts';
import { toEcs } from './to-ecs.ts';
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

const ecs = (changes: Parameters<typeof sealedEvent>[0] = {}) =>
  JSON.parse(JSON.stringify(toEcs(sealedEvent(changes), SOURCE)));

type Field = {
  readonly type: string;
  readonly normalize: readonly string[];
  readonly allowed_values?: readonly { readonly name: string; readonly expected_event_types?: readonly string[] }[];
};
/** The published fields by name, as Elastic generates them from the schema. */
const { EcsFlat: FIELDS, EcsVersion } = createRequire(import.meta.url)('@elastic/ecs') as {
  readonly EcsFlat: Readonly<Record<string, Field>>;
  readonly EcsVersion: string;
};

const IS_OF_TYPE: Readonly<Record<string, (value: unknown) => boolean>> = {
  keyword: (value) => typeof value === 'string',
  match_only_text: (value) => typeof value === 'string',
  long: Number.isSafeInteger,
  date: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
};

/** What the schema does not allow for a field: its name, its type, a list or a single value, a value. */
function problemOf(name: string, value: unknown): string | undefined {
  const field = FIELDS[name];
  if (field === undefined) return `${name} is no field`;
  const isList = field.normalize.includes('array');
  if (Array.isArray(value) !== isList) return `${name} is ${isList ? 'a list' : 'one value'}`;
  const values = (isList ? value : [value]) as readonly unknown[];
  if (!values.every((each) => IS_OF_TYPE[field.type]?.(each))) return `${name} is of type ${field.type}`;
  const allowed = field.allowed_values?.map((each) => each.name);
  return values.every((each) => allowed?.includes(each as string) ?? true) ? undefined : `${name} is one of ${allowed}`;
}

/** Every field of a document below the names of its parents; what is ours is below `sallyport`. */
const problemsOf = (document: object, above = ''): string[] =>
  Object.entries(document).flatMap(([name, value]) => {
    if (above === '' && name === 'sallyport') return [];
    const isParent = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isParent ? problemsOf(value, `${above}${name}.`) : (problemOf(above + name, value) ?? []);
  });

/** The types that the schema expects for a category. */
const expectedTypes = (category: string): readonly string[] =>
  FIELDS['event.category']?.allowed_values?.find(({ name }) => name === category)?.expected_event_types ?? [];

test('a sign-in is the start of an authentication, with user, trace and place in the log', () =>
  expect(ecs()).toEqual({
    '@timestamp': '2026-11-23T18:00:00.123456Z',
    ecs: { version: EcsVersion },
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
  }));

test('an administrator who acts on another user is the user, and the other the target', () => {
  const event = ecs({ type: 'user.disabled', target: { kind: 'user', id: 'u-2' } });
  expect([event.user, event.related]).toEqual([{ id: 'u-1', target: { id: 'u-2' } }, { user: ['u-1', 'u-2'] }]);
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

const user = { kind: 'user', id: 'u-1' };
const variants: readonly Parameters<typeof sealedEvent>[0][] = [
  {},
  { actor: { kind: 'anonymous', id: null }, target: null, client_id: null, trace_id: null, detail: {} },
  { actor: { kind: 'system', id: 'clean-up' }, target: { kind: 'session', id: 's-1' }, detail: { user_id: 'u-2' } },
  { actor: user, target: { kind: 'user', id: 'u-2' }, outcome: 'refused', detail: { role: 'admin' } },
  { actor: { kind: 'client', id: HOSTILE }, target: { kind: 'role', id: null }, detail: { [HOSTILE]: HOSTILE } },
  { altered: true },
];

test.each(Object.keys(SIEM_EVENTS))('%s has fields, types and values of the published schema alone', (type) => {
  for (const variant of variants) {
    const document = ecs({ ...variant, type });
    expect(problemsOf(document)).toEqual([]);
    const [category] = document.event.category;
    for (const each of document.event.type) expect(expectedTypes(category)).toContain(each);
  }
  const { ocsf } = SIEM_EVENTS[type]!;
  expect(Object.keys(OCSF_CLASSES[ocsf.class].activities)).toContain(ocsf.activity);
});

test('the schema does not have the name of our own fields, and refuses what is not valid', () => {
  expect(Object.keys(FIELDS).filter((name) => name.startsWith('sallyport'))).toEqual([]);
  expect(
    problemsOf({ event: { kind: 'none', sequence: '1', type: 'start', moment: 1 }, user: { id: ['u-1'] } }),
  ).toEqual([
    expect.stringContaining('event.kind is one of alert'),
    'event.sequence is of type long',
    'event.type is a list',
    'event.moment is no field',
    'user.id is one value',
  ]);
});
