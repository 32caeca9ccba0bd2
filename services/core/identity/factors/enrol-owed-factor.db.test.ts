import { expect, test } from 'vitest';
import type { AppError } from '#services/platform/define/error.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { signIn } from '../sign-in/sign-in.ts';
import { answerSecondFactor } from './answer-second-factor.ts';
import { offerOwedFactor } from './enrol-owed-factor.ts';
import { anonymous, type Holder, openFactorsHarness } from './factors-harness.ts';

const harness = opened(openFactorsHarness);

/** A user who owes a second factor since an import. */
async function debtor(): Promise<Holder> {
  const person = await harness.person();
  await harness.rows('UPDATE users SET "owesFactor" = true WHERE id = $1', [person.id]);
  return person;
}
async function challengeOf({ email }: Holder): Promise<string> {
  const refusal = (await signIn(harness.deps, { email, password: harness.password }, anonymous).catch(
    (err: unknown) => err,
  )) as AppError;
  const { challenge, factors } = refusal.options.members ?? {};
  expect([refusal.code, factors]).toEqual(['second_factor_required', ['enrolment']]);
  return challenge as string;
}
const offer = (challenge: string) => offerOwedFactor(harness.deps, { challenge });
const answer = (input: Parameters<typeof answerSecondFactor>[1]) => answerSecondFactor(harness.deps, input, anonymous);
const count = async (table: string, id: string): Promise<number> =>
  (await harness.rows(`SELECT 1 FROM ${table} WHERE "userId" = $1`, [id])).length;

test('who owes a second factor has no session before it is enrolled, and then one of two factors (CVE-2025-3910, Keycloak: a required second factor could be left for later)', async () => {
  const person = await debtor();
  expect(await count('sessions', person.id)).toBe(0);
  const challenge = await challengeOf(person);
  const { totpUri, recoveryCodes } = await offer(challenge);
  expect(await offer(challenge)).toEqual({ totpUri, recoveryCodes });
  expect(await count('two_factors', person.id)).toBe(0);
  expect(await outcomeOf(answer({ challenge, totp: '000000' }))).toBe('second_factor_refused');
  expect(await outcomeOf(answer({ challenge, recoveryCode: recoveryCodes[0] }))).toBe('second_factor_refused');
  expect(await count('sessions', person.id)).toBe(0);
  const opened = await answer({ challenge, totp: codeOf(totpUri) });
  expect(claimsIn(opened.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  expect(await harness.rows('SELECT "owesFactor" FROM users WHERE id = $1', [person.id])).toEqual([
    { owesFactor: false },
  ]);
  expect(await outcomeOf(offer(challenge))).toBe('challenge_over');
  const next = (await signIn(harness.deps, { email: person.email, password: harness.password }, anonymous).catch(
    (err: unknown) => err,
  )) as AppError;
  expect(next.options.members?.factors).toEqual(['totp', 'recovery_code']);
  const again = next.options.members?.challenge as string;
  expect(await outcomeOf(answer({ challenge: again, totp: codeOf(totpUri) }))).toBe('second_factor_refused');
  expect(await outcomeOf(answer({ challenge: again, recoveryCode: recoveryCodes[0] }))).toBe('ok');
});

test('an attacker who began a sign-in with the password learns no secret that the owner enrols', async () => {
  const person = await debtor();
  const [stolen, own] = [await challengeOf(person), await challengeOf(person)];
  const theirs = await offer(stolen);
  const ours = await offer(own);
  expect(theirs.totpUri).not.toBe(ours.totpUri);
  expect(theirs.recoveryCodes.filter((code) => ours.recoveryCodes.includes(code))).toEqual([]);
  expect(await outcomeOf(answer({ challenge: own, totp: codeOf(theirs.totpUri) }))).toBe('second_factor_refused');
  expect(await outcomeOf(answer({ challenge: own, totp: codeOf(ours.totpUri) }))).toBe('ok');
  // What began before the first factor has ended.
  expect(await outcomeOf(offer(stolen))).toBe('challenge_over');
  expect(await outcomeOf(answer({ challenge: stolen, totp: codeOf(theirs.totpUri, 1) }))).toBe('second_factor_refused');
});

test('of two answers to one challenge one enrols, and an account that owes none is offered none', async () => {
  const person = await debtor();
  const challenge = await challengeOf(person);
  const { totpUri } = await offer(challenge);
  const both = [0, 1].map((steps) => outcomeOf(answer({ challenge, totp: codeOf(totpUri, steps) })));
  const outcomes = (await Promise.all(both)).sort();
  expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1);
  expect(await count('two_factors', person.id)).toBe(1);
  expect(await outcomeOf(offer('a-challenge-that-was-never-given'))).toBe('challenge_over');
  const holder = await harness.appHolder();
  const { email } = holder;
  const asked = (await signIn(harness.deps, { email, password: harness.password }, anonymous).catch(
    (err: unknown) => err,
  )) as AppError;
  expect(await outcomeOf(offer(asked.options.members?.challenge as string))).toBe('challenge_over');
});
