import { expect, test } from 'vitest';
import type { Answer } from '../../http.ts';
import { createLedger } from '../../ledger.ts';
import { wrongRefusals } from './agents.ts';
import { type Account, helpedWhole, wrongPlan, wrongSteps } from './help-desk.ts';
import { toldWrongly } from './surface.ts';

const [email, to] = ['a@old.test', 'a@new.test'];
/** What the gate says of a person whose change of address was acknowledged, and of that person's account. */
const said = (account: Partial<Account>, ackedAtMs = 2, ledger = createLedger()): string[] => {
  const whole = { id: 'p', email, is_verified: false, email_changed: 0, email_verified: 0, password_mail: 0 };
  const asked = new Map([['email_changed', { sentAtMs: 1, ackedAtMs }] as const]);
  const gate = helpedWhole(ledger, [{ id: 'p', madeAtMs: 0, email, to, asked }], [{ ...whole, ...account }]);
  return gate.findings.map(({ text }) => text);
};

test('a change of a person with its event holds the gate, and one that a loss of the database took', () => {
  expect(said({ email: to, email_changed: 1, is_verified: true, email_verified: 1, password_mail: 3 })).toEqual([]);
  const ledger = { ...createLedger(), rewinds: [{ backupAtMs: 0, startedAtMs: 3, acceptedAtMs: 4 }] };
  expect(said({}, 2, ledger)).toEqual([]);
});

test.each<[Partial<Account>, string]>([
  [{ email: to }, 'email_changed is true with 0 events'],
  [{ email_changed: 1 }, 'email_changed is false with 1 events'],
  [{ email: to, email_changed: 2 }, 'email_changed is true with 2 events'],
  [{ email: to, email_changed: 1, is_verified: true }, 'email_verified is true with 0 events'],
  [{}, 'email_changed was acknowledged and is missing'],
  [{ email: 'a@old.tes' }, 'the address is neither the old nor the new'],
  [{ id: 'other' }, 'person p: gone'],
])('an account that is %j is found', (account, text) => expect(said(account).join()).toContain(text));

test('what a copy tells wrongly is found, with its copy and trace', () => {
  const answer = { copy: 'A', traceId: 't' } as Answer;
  const looks = [{ kind: 'user' }, undefined].map((wrong) => ({ answer, wrong }));
  expect(toldWrongly('gate', looks).findings).toEqual([{ text: '{"kind":"user"} told by A (trace t)' }]);
});

const stepsOf = (first: boolean, second: boolean) => {
  const steps = [
    { name: 'first-client', done: first },
    { name: 'second-administrator', done: second },
  ];
  return { status: 200, body: { steps } };
};
const plan = { counts: { new: 1 } };
test.each([
  ['steps as they are', wrongSteps(stepsOf(true, false)), false],
  ['a step undone that is done', wrongSteps(stepsOf(false, false)), true],
  ['a step done that is not', wrongSteps(stepsOf(true, true)), true],
  ['no steps', wrongSteps({ status: 200, body: { steps: [] } }), true],
  ['neither steps nor a 503', wrongSteps({ status: 404, body: {} }), true],
  ['the same plan', wrongPlan(plan, { status: 200, body: structuredClone(plan) }), false],
  ['another rehearsal first', wrongPlan(plan, { status: 409, body: {} }), false],
  ['another plan', wrongPlan(plan, { status: 200, body: { counts: { new: 2 } } }), true],
  ['a refusal', wrongPlan(plan, { status: 403, body: {} }), true],
  ['refusals as often as sent', wrongRefusals('a', 2, [{ client_id: 'a', requests: 2 }]), false],
  ['a refusal counted twice', wrongRefusals('a', 1, [{ client_id: 'a', requests: 2 }]), true],
  ['refusals of another agent', wrongRefusals('a', 2, [{ client_id: 'b', requests: 1 }]), true],
])('%s', (_, wrong, isFound) => expect(wrong !== undefined).toBe(isFound));
