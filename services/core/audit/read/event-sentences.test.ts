import { describe, expect, test } from 'vitest';
import { modules } from '#services/modules.ts';
import { eventSentences, plainSentence, sentenceOf } from './event-sentences.ts';

const events = modules.flatMap((module) => module.events);
const placeholdersOf = (sentence: string): string[] =>
  [...sentence.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).sort();

describe('sentences', () => {
  test.each(events.map((event) => [event.type, event] as const))(
    '%s says what happened in both languages',
    (type, { outcomes, detail }) => {
      const known = ['actor', 'target', 'client', ...Object.keys(detail)];
      for (const outcome of outcomes) {
        const [en = '', de = ''] = eventSentences.get(`${type} ${outcome}`) ?? eventSentences.get(type) ?? [];
        expect([en, de], outcome).not.toContain('');
        expect(placeholdersOf(de), outcome).toEqual(placeholdersOf(en));
        expect(known, outcome).toEqual(expect.arrayContaining(placeholdersOf(en)));
        expect(de, outcome).not.toBe(en);
      }
    },
  );

  test('are about events and outcomes that a module declares, and each is used', () => {
    const used = new Set(
      events.flatMap(({ type, outcomes }) =>
        outcomes.map((o) => (eventSentences.has(`${type} ${o}`) ? `${type} ${o}` : type)),
      ),
    );
    expect([...eventSentences.keys()].filter((key) => !used.has(key))).toEqual([]);
  });

  test('show no text that a caller chose and nothing personal', () => {
    const hidden = ['text', 'personal', 'patient'];
    const shown = events.flatMap(({ type, detail }) =>
      [...eventSentences]
        .filter(([key]) => key === type || key.startsWith(`${type} `))
        .flatMap(([, [en = '']]) => placeholdersOf(en).filter((name) => hidden.includes(detail[name]?.kind ?? ''))),
    );
    expect(shown).toEqual([]);
  });
});

const event = {
  type: 'user.role_granted',
  outcome: 'ok',
  actor: { kind: 'user', id: 'ada' },
  target: { kind: 'user', id: 'olga' },
  client_id: null,
  detail: { role: 'auditor' },
};

test('an event is said in parts, and as text with ids', () => {
  expect(sentenceOf(event, 'de')).toEqual([event.actor, ' gab ', event.target, ' die Rolle ', 'auditor']);
  expect(plainSentence(event)).toBe('user ada granted user olga the role auditor');
});

test('an event of a later release, and one with erased members, are said as far as they are known', () => {
  expect(plainSentence({ ...event, type: 'a.later', actor: { kind: 'anonymous', id: null }, target: null })).toBe(
    'anonymous: a.later, …',
  );
  expect(plainSentence({ ...event, detail: { role: { sha256: 'x' } } })).toBe('user ada granted user olga the role …');
  expect(plainSentence({ ...event, type: 'session.created', detail: { user_id: 'bo' } })).toBe(
    'user bo began a browser session',
  );
});
