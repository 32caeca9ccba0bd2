import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { modules } from '#services/modules.ts';
import { SIEM_EVENTS, siemOutcomeOf } from '#services/wings/outbound/handoff/siem/siem-events.ts';
import { type TestTitle, testTitles } from '../checks/test-titles.ts';
import { securityTestsPage, type TestedAdvisory, testedAdvisories } from './security-tests-page.ts';
import { siemEventsPage } from './siem-events-page.ts';
import untestedAdvisories from './untested-advisories.json' with { type: 'json' };

const events = modules.flatMap((module) => module.events ?? []);

test('every type of audit event has its class and category for a SIEM, and no line is without a type', () =>
  expect(Object.keys(SIEM_EVENTS).sort()).toEqual(events.map(({ type }) => type).sort()));

test('the page is not made while a type has no line, or a line no type', () => {
  const [first, ...others] = events;
  expect(() => siemEventsPage([...events, { ...first!, type: 'user.teleported' }])).toThrow('user.teleported');
  expect(() => siemEventsPage(others)).toThrow(first!.type);
});

test('a sign-in that is refused is a failure, one that waits for a second factor neither, and one that works a success', () =>
  expect(['refused', 'locked', 'second_factor_asked', 'ok'].map(siemOutcomeOf)).toEqual([
    'failure',
    'failure',
    'unknown',
    'success',
  ]));

test('every outcome that counts as a failure or as undecided is one of an event', () => {
  const outcomes = new Set<string>(events.flatMap((event) => event.outcomes));
  const judged = [...outcomes].filter((outcome) => siemOutcomeOf(outcome) !== 'success');
  expect(judged.sort()).toMatchInlineSnapshot(`
    [
      "ahead",
      "cancelled",
      "continued_elsewhere",
      "database_behind",
      "denied",
      "deny",
      "dropped",
      "error",
      "expired",
      "fail",
      "failed",
      "forked",
      "given_up",
      "grace_spent",
      "key_unknown",
      "locked",
      "log_forged_continuation",
      "mismatch",
      "not_applicable",
      "refused",
      "replay",
      "revoked",
      "second_factor_asked",
      "set_aside",
      "skipped",
      "tiles_damaged",
      "uncompared",
      "unjustified",
      "unknown",
    ]
  `);
});

/** How many advisories of peers are answered, and how many of them by a test. They only grow. */
const ANSWERED_MIN = 60;
const TESTED_MIN = 50;

const tested = testedAdvisories(testTitles(resolve(import.meta.dirname, '../..')));
const titled = (title: string, ...within: string[]): TestTitle => ({
  file: 'services/api/some.test.ts',
  title,
  within,
});
const named = (id: string): string => `refuses a code of another client (${id}, Some Server: codes were not bound)`;

test('the advisories of peers nearest to us are answered, most of them by a test', () => {
  expect(tested.length).toBeGreaterThanOrEqual(TESTED_MIN);
  expect(tested.length + untestedAdvisories.length).toBeGreaterThanOrEqual(ANSWERED_MIN);
  expect(untestedAdvisories.map(({ id }) => id)).toEqual(untestedAdvisories.map(({ id }) => id).toSorted());
});

test('a title that ends with an advisory is a line of the page', () => {
  const line = testedAdvisories([titled('refuses what names nothing'), titled(named('CVE-2024-1234'))]);
  expect(line).toEqual([
    {
      id: 'CVE-2024-1234',
      peer: 'Some Server',
      fault: 'codes were not bound',
      guarantee: 'refuses a code of another client',
      file: 'services/api/some.test.ts',
    },
  ]);
  expect(securityTestsPage(line, [])).toContain('| refuses a code of another client | [some.test.ts](../../services');
});

test('a guarantee begins with the groups around its test, and has no places of its cases', () => {
  const [line] = testedAdvisories([
    titled(named('CVE-2024-1234').replace('another', 'a %s'), 'a code', 'redeemed twice'),
  ]);
  expect(line?.guarantee).toBe('a code › redeemed twice › refuses a code of a %s client');
  expect(securityTestsPage([line as TestedAdvisory], [])).toContain(
    '| a code › redeemed twice › refuses a code of a … client |',
  );
  const inFile = testTitles(resolve(import.meta.dirname, '../..')).find(({ title }) =>
    title.startsWith('is redeemed once (CVE'),
  );
  expect(inFile?.within).toEqual(['a mailed code']);
});

test('an advisory that has two answers is refused', () => {
  const line = testedAdvisories([titled(named('CVE-2024-1234'))]);
  const other = { id: 'CVE-2024-1234', peer: 'Some Server', fault: 'codes were not bound', why: 'there are no codes' };
  expect(() => securityTestsPage(line, [other])).toThrow('CVE-2024-1234');
  expect(() => securityTestsPage([...line, ...line], [])).toThrow('CVE-2024-1234');
});
