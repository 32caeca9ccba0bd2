import { expect, test } from 'vitest';
import { modules } from '#services/modules.ts';
import { SIEM_EVENTS, siemOutcomeOf } from '#services/wings/outbound/handoff/siem/siem-events.ts';
import { siemEventsPage } from './siem-events-page.ts';

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
