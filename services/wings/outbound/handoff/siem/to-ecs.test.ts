import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { OCSF_CLASSES, SIEM_EVENTS } from './siem-events.ts';
import { HOSTILE, SOURCE, sealedEvent } from './siem-harness.ts';
import { toEcs } from './to-ecs.ts';

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
