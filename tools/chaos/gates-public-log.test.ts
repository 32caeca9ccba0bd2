import { expect, test } from 'vitest';
import { code, count, id, listOf, name, objectOf, oneOf, text, user } from '#services/platform/define/audit-member.ts';
import { isFailed } from './gates.ts';
import { showsOnlyDeclared } from './gates-public-log.ts';

const UUID = '0199f0aa-0000-7000-8000-000000000001';
const event = {
  type: 'thing.changed',
  durability: 'durable',
  outcomes: ['ok'],
  meaning: 'A thing changed.',
  detail: {
    ...{ of: count, by: user, why: code, kind: oneOf('a', 'b'), note: text, called: name },
    parts: listOf(objectOf({ thing: id })),
  },
} as const;
const shows = (detail: object, more: object = {}) =>
  showsOnlyDeclared([{ seq: 7, text: JSON.stringify({ type: 'thing.changed', detail, ...more }) }], [event]);

test('a leaf with declared members, each of its type, is no finding', () => {
  const detail = { of: 1, by: UUID, why: 'asked_for', kind: 'b', parts: [{ thing: UUID }], note: null };
  expect(shows(detail)).toMatchObject({ checked: 1, findings: [] });
  expect(shows({})).toMatchObject({ checked: 1, findings: [] });
});

test.each<[string, object]>([
  ['a member that no event declares', { other: 1 }],
  ['a member of every object', { constructor: 1 }],
  ['a text that only its commitment may show', { note: 'lost' }],
  ['the name of a thing', { called: 'billing' }],
  ['a number that is a text', { of: '1' }],
  ['an id that is not ours', { by: '123-45-6789' }],
  ['a value outside its list', { kind: 'c' }],
  ['a sentence in place of a code', { why: 'he asked; twice' }],
  ['an undeclared member of an object', { parts: [{ thing: UUID, other: 1 }] }],
])('a leaf that shows %s is a finding', (_, detail) => expect(shows(detail).findings).toHaveLength(1));

test('what a client wrote is a finding wherever a leaf shows it', () => {
  for (const actor of ['ada@people.test', 'chaos-12', '127.0.0.1'])
    expect(shows({}, { actor }).findings[0]?.text).toContain('leaf 7 (thing.changed) shows');
});

test('an event that no module declares shows no member', () => {
  expect(shows({ of: 1 }, { type: 'other' }).findings).toHaveLength(1);
  expect(shows({}, { type: 'undeclared' }).findings).toEqual([]);
});

test('a log without leaves fails', () => expect(isFailed(showsOnlyDeclared([], [event]))).toBe(true));
