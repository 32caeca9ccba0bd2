import { expect, test } from 'vitest';
import type { Answer } from '../../http.ts';
import { createLedger } from '../../ledger.ts';
import { type Account, helpedWhole, shownWrongly } from './help-desk.ts';

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
])('an account that is %j is found', (account, text) => {
  expect(said(account).join()).toContain(text);
});

test('a person whom a search shows to who may not see people is found', () => {
  const answer = { copy: 'A', traceId: 't' } as Answer;
  const [finding, ...others] = shownWrongly([
    { answer, shown: { kind: 'user' } },
    { answer, shown: undefined },
  ]).findings;
  expect([finding?.text, others]).toEqual(['{"kind":"user"} shown by A (trace t)', []]);
});
