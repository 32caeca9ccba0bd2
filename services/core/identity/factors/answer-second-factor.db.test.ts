import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { type TestAssurance, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { cutOff, overtaken } from '#tools/testing/overtaken.ts';
import { admitAgain, admitSession } from '../sessions/admit-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { assuranceOfSession } from '../sessions/session-assurance.ts';
import { signIn } from '../sign-in/sign-in.ts';
import { PASSWORD_ALONE } from '../users/assurance.ts';
import { answerSecondFactor } from './answer-second-factor.ts';
import { offerOwedFactor } from './enrol-owed-factor.ts';
import { type AppHolder, anonymous, cookieOf, type Holder, openFactorsHarness } from './factors-harness.ts';
import { registerPasskey } from './register-passkey.ts';

const harness = opened(openFactorsHarness);

type Asked = { readonly challenge: string; readonly factors: readonly string[] };

/** The result of a first factor with these methods; null: continue. */
async function ask(
  userId: string,
  amr: readonly string[] = ['pwd'],
  continues: { readonly legacySession?: Buffer } = {},
): Promise<Asked | null> {
  const arrival = { userId, assurance: { amr, acr: 'aal1' }, detail: { factor: 'password' }, ...continues } as const;
  const admission = await harness.deps.transact((tx) => admitSession(tx, harness.deps, arrival, anonymous));
  return isAppError(admission) ? (admission.options.members as Asked) : null;
}
const challengeFor = async (userId: string): Promise<string> => (await ask(userId))?.challenge ?? 'none';
const answer = (input: Parameters<typeof answerSecondFactor>[1]) => answerSecondFactor(harness.deps, input, anonymous);
const refused = (input: Parameters<typeof answerSecondFactor>[1]) => outcomeOf(answer(input));
const row = async (userId: string) =>
  (
    await harness.rows`
      SELECT "codesLeft", "failedVerificationCount" AS failures, "lockedUntil" > now() AS "isLocked" FROM two_factors
      WHERE "userId" = ${userId}`
  )[0];
const sessionsOf = (userId: string) =>
  harness.rows`SELECT id, amr, acr FROM sessions WHERE "userId" = ${userId} ORDER BY "createdAt", id`;
const events = (userId: string) =>
  harness.rows`SELECT outcome, detail->>'factor' AS factor FROM audit_outbox
    WHERE target_id = ${userId} AND type = 'user.login' ORDER BY id`;
const failed = ({ id }: AppHolder, count: number) =>
  harness.rows`UPDATE two_factors SET "failedVerificationCount" = ${count}, "lockedUntil" = NULL
    WHERE "userId" = ${id}`;

describe('after the first factor', () => {
  test('a user without a second factor needs no challenge', async () => {
    const { id } = await harness.person();
    expect(await ask(id)).toBeNull();
    expect(await harness.rows`SELECT 1 FROM login_challenges WHERE user_id = ${id}`).toEqual([]);
  });

  test('the challenge names every factor of the account, including a passkey beside the app, and is recorded', async () => {
    const { id, caller } = await harness.appHolder();
    expect((await ask(id))?.factors).toEqual(['totp', 'recovery_code']);
    await registerPasskey(harness.deps, await harness.newKey(createAuthenticator(), caller), caller);
    expect((await ask(id))?.factors).toEqual(['totp', 'passkey', 'recovery_code']);
    const asked = { outcome: 'second_factor_asked', factor: 'password' };
    expect(await events(id)).toEqual([asked, asked]);
  });

  test('the sixth challenge of a user replaces the oldest, and no challenge is stored in clear', async () => {
    const { id, uri } = await harness.appHolder();
    const first = await challengeFor(id);
    await harness.rows`UPDATE login_challenges SET expires_at = expires_at - interval '1 minute' WHERE user_id = ${id}`;
    const others: string[] = [];
    for (let n = 0; n < 5; n++) others.push(await challengeFor(id));
    const kept = await harness.rows`SELECT hash FROM login_challenges WHERE user_id = ${id}`;
    expect(kept).toHaveLength(5);
    for (const challenge of others) expect(JSON.stringify(kept)).not.toContain(challenge);
    expect(await refused({ challenge: first, totp: codeOf(uri) })).toBe('challenge_over');
  });
});

describe('answering a challenge', () => {
  test('the code opens a session with both methods, and neither code nor challenge works again', async () => {
    const holder = await harness.appHolder();
    const asked = await ask(holder.id, ['fed']);
    const challenge = asked?.challenge ?? '';
    const totp = codeOf(holder.uri);
    const { body } = await answer({ challenge, totp });
    expect(body.user.id).toBe(holder.id);
    expect(claimsIn(body.tokens.access_token)).toMatchObject({
      acr: 'aal2',
      amr: ['fed', 'otp', 'mfa'],
      sid: body.session.id,
    });
    expect((await sessionsOf(holder.id)).find(({ id }) => id === body.session.id)).toMatchObject({
      amr: ['fed', 'otp', 'mfa'],
      acr: 'aal2',
    });
    expect(await refused({ challenge, totp })).toBe('challenge_over');
    expect(await refused({ challenge: await challengeFor(holder.id), totp })).toBe('second_factor_refused');
    expect((await events(holder.id)).map(({ outcome }) => outcome)).toEqual([
      'second_factor_asked',
      'ok',
      'second_factor_asked',
      'refused',
    ]);
  });

  test('a wrong code opens no session and is recorded; a wrong app code is counted', async () => {
    const holder = await harness.appHolder();
    const before = await sessionsOf(holder.id);
    const challenge = await challengeFor(holder.id);
    expect(await refused({ challenge, totp: 'wrong' })).toBe('second_factor_refused');
    expect(await refused({ challenge, recoveryCode: 'aaaaa-bbbbb' })).toBe('second_factor_refused');
    expect(await refused({ challenge })).toBe('second_factor_refused');
    expect(await row(holder.id)).toMatchObject({ failures: 1, codesLeft: 10 });
    expect(await sessionsOf(holder.id)).toEqual(before);
    expect((await events(holder.id)).slice(1)).toEqual([
      { outcome: 'refused', factor: 'totp' },
      { outcome: 'refused', factor: 'recovery_code' },
      { outcome: 'refused', factor: 'recovery_code' },
    ]);
  });

  test('a challenge allows five attempts and then rejects the right code', async () => {
    const { id, uri } = await harness.appHolder();
    const challenge = await challengeFor(id);
    for (let tries = 0; tries < 5; tries++)
      expect(await refused({ challenge, totp: 'wrong' })).toBe('second_factor_refused');
    expect(await refused({ challenge, totp: codeOf(uri) })).toBe('challenge_over');
    expect(await refused({ challenge: 'x'.repeat(43), totp: codeOf(uri) })).toBe('challenge_over');
  });

  test('a challenge issued before its user changed or was disabled is invalid, and the code stays unused', async () => {
    const { id, uri } = await harness.appHolder();
    const challenge = await challengeFor(id);
    await harness.rows`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ${id}`;
    expect(await refused({ challenge, totp: codeOf(uri) })).toBe('challenge_over');
    const other = await challengeFor(id);
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    expect(await refused({ challenge: other, totp: codeOf(uri) })).toBe('challenge_over');
    expect(await harness.rows`SELECT "lastUsedStep" FROM two_factors WHERE "userId" = ${id}`).toEqual([
      { lastUsedStep: 0 },
    ]);
  });

  test('a factor that was removed since the challenge, or never confirmed, is not accepted', async () => {
    const { id, uri, codes } = await harness.appHolder();
    const challenge = await challengeFor(id);
    await harness.rows`UPDATE two_factors SET verified = false WHERE "userId" = ${id}`;
    expect(await refused({ challenge, totp: codeOf(uri) })).toBe('second_factor_refused');
    expect(await refused({ challenge, recoveryCode: codes[0] })).toBe('second_factor_refused');
    await harness.rows`DELETE FROM two_factors WHERE "userId" = ${id}`;
    expect(await refused({ challenge, totp: codeOf(uri) })).toBe('second_factor_refused');
  });

  test('the session of the browser is renewed by the code, not by the challenge', async () => {
    const { id, uri, cookie, sessionId } = await harness.appHolder();
    const challenge = await challengeFor(id);
    expect(await findByCookie(harness.deps, cookie)).not.toBeNull();
    const opened = await answer({ challenge, totp: codeOf(uri), cookie });
    expect(await findByCookie(harness.deps, cookie)).toBeNull();
    expect((await findByCookie(harness.deps, cookieOf(opened)))?.session.id).toBe(sessionId);
    expect(await sessionsOf(id)).toHaveLength(1);
  });

  test('a database failure halfway is 503 and uses neither code nor challenge', async () => {
    const { id, uri } = await harness.appHolder();
    const challenge = await challengeFor(id);
    const send = () => refused({ challenge, totp: codeOf(uri) });
    expect(await cutOff(harness.pool, id, send)).toBe('store_unavailable');
    // After a lost connection, nothing is written before the next poll.
    await harness.poll.wake();
    expect(await send()).toBe('ok');
  });
});

describe('a challenge of an old provider’s session', () => {
  async function carried() {
    const holder = await harness.appHolder();
    const legacySession = randomBytes(32);
    await harness.rows`INSERT INTO legacy_sessions (id, user_id, session_id)
      VALUES (${legacySession}, ${holder.id}, ${holder.sessionId})`;
    const challenge = (await ask(holder.id, ['pwd'], { legacySession }))?.challenge ?? 'none';
    return { ...holder, legacySession, sent: { challenge, totp: codeOf(holder.uri) } };
  }
  const sessionIn = async (answered: Awaited<ReturnType<typeof answer>>) =>
    (await findByCookie(harness.deps, cookieOf(answered)))?.session.id;

  test('goes on as the session that it became here, in its browser and in another, whose own session ends', async () => {
    const elsewhere = await carried();
    expect(await sessionIn(await answer(elsewhere.sent))).toBe(elsewhere.sessionId);
    const here = await carried();
    expect(await sessionIn(await answer({ ...here.sent, cookie: here.cookie }))).toBe(here.sessionId);
    const [shared, other] = [await carried(), await harness.appHolder()];
    expect(await sessionIn(await answer({ ...shared.sent, cookie: other.cookie }))).toBe(shared.sessionId);
    expect(await sessionsOf(other.id)).toEqual([]);
  });

  test('opens another session if that has expired, and none once the old provider’s has ended', async () => {
    const { sessionId, sent } = await carried();
    await harness.rows`UPDATE sessions SET "expiresAt" = now() - interval '1 minute' WHERE id = ${sessionId}`;
    expect(await sessionIn(await answer(sent))).toEqual(expect.not.stringContaining(sessionId));
    const ended = await carried();
    await harness.rows`UPDATE legacy_sessions SET ended_at = now() WHERE id = ${ended.legacySession}`;
    expect(await refused(ended.sent)).toBe('challenge_over');
  });
});

describe('a session that goes on', () => {
  test('is refused to a user who has a second factor since and proved none', async () => {
    const { id } = await harness.appHolder();
    const goOn = (by: TestAssurance) =>
      outcomeOf(harness.deps.transact((tx) => admitAgain(tx, { userId: id, assurance: assuranceOfSession(by) })));
    expect([await goOn(PASSWORD_ALONE), await goOn(TWO_FACTORS)]).toEqual(['second_factor_required', 'ok']);
  });
});

describe('recovery codes', () => {
  test('each code opens one session, typed with or without spaces; the other codes stay valid', async () => {
    const { id, codes } = await harness.appHolder();
    const opened = await answer({ challenge: await challengeFor(id), recoveryCode: ` ${codes[3]} ` });
    expect(claimsIn(opened.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
    expect(await row(id)).toMatchObject({ codesLeft: 9 });
    expect(await refused({ challenge: await challengeFor(id), recoveryCode: codes[3] })).toBe('second_factor_refused');
    expect(await refused({ challenge: await challengeFor(id), recoveryCode: codes[4] })).toBe('ok');
    expect(await row(id)).toMatchObject({ codesLeft: 8, failures: 0 });
    expect((await events(id)).at(-1)).toMatchObject({ outcome: 'ok', factor: 'recovery_code' });
  });

  test('of eight concurrent requests with one recovery code, one succeeds (CVE-2026-34224, Parse Server: one recovery code opened several sessions at once)', async () => {
    const { id, codes } = await harness.appHolder();
    const challenges: string[] = [];
    for (let n = 0; n < 4; n++) challenges.push(await challengeFor(id));
    const all = [...challenges, ...challenges].map((challenge) => refused({ challenge, recoveryCode: codes[0] }));
    const letIn = (await Promise.all(all)).filter((each) => each === 'ok');
    expect(letIn).toHaveLength(1);
    expect(await row(id)).toMatchObject({ codesLeft: 9 });
  });

  test('reads again and succeeds if another code of the row was used in the meantime', async () => {
    const { id, codes } = await harness.appHolder();
    const challenge = await challengeFor(id);
    const rest = await harness.deps.auth.factors.seal(JSON.stringify(codes.slice(1)));
    const use = `UPDATE two_factors SET "backupCodes" = '${rest}', "codesLeft" = 9 WHERE "userId" = $1`;
    expect(await overtaken(harness.pool, id, use, () => refused({ challenge, recoveryCode: codes[1] }))).toBe('ok');
    expect(await row(id)).toMatchObject({ codesLeft: 8 });
  });
});

describe('consecutive wrong codes', () => {
  test('an app code used by another request in the meantime is refused at once', async () => {
    const { id, uri } = await harness.appHolder();
    const challenge = await challengeFor(id);
    const use = 'UPDATE two_factors SET "lastUsedStep" = 99999999 WHERE "userId" = $1';
    const send = () => refused({ challenge, totp: codeOf(uri) });
    expect(await overtaken(harness.pool, id, use, send)).toBe('second_factor_refused');
  });

  test('the tenth locks the app for a quarter of an hour; a recovery code still works and ends the lock', async () => {
    const holder = await harness.appHolder();
    await failed(holder, 9);
    const challenge = await challengeFor(holder.id);
    expect(await refused({ challenge, totp: 'wrong' })).toBe('second_factor_refused');
    expect(await row(holder.id)).toMatchObject({ failures: 10, isLocked: true });
    const locked = await answer({ challenge, totp: codeOf(holder.uri) }).catch((err: unknown) => err);
    expect(locked).toMatchObject({ code: 'second_factor_locked' });
    expect((locked as AppError).options.retryAfterSeconds).toSatisfy((wait) => wait > 0 && wait <= 900);
    expect(await refused({ challenge, recoveryCode: holder.codes[0] })).toBe('ok');
    expect(await row(holder.id)).toMatchObject({ failures: 0, isLocked: null });
  });

  test('wrong recovery codes never lock the app, however close it is to its limit', async () => {
    const holder = await harness.appHolder();
    await failed(holder, 99);
    const challenge = await challengeFor(holder.id);
    for (let turn = 0; turn < 3; turn += 1)
      expect(await refused({ challenge, recoveryCode: 'aaaaaa-bbbbbb' })).toBe('second_factor_refused');
    expect(await row(holder.id)).toMatchObject({ failures: 99, isLocked: null });
    expect(await refused({ challenge, totp: codeOf(holder.uri) })).toBe('ok');
  });

  test('after a hundred wrong codes, app codes are no longer verified, and Retry-After is a day', async () => {
    const holder = await harness.appHolder();
    await failed(holder, 100);
    const challenge = await challengeFor(holder.id);
    await expect(answer({ challenge, totp: codeOf(holder.uri) })).rejects.toMatchObject({
      code: 'second_factor_locked',
      options: { retryAfterSeconds: 86_400 },
    });
  });
});

/** A user who owes a second factor since an import. */
async function debtor(): Promise<Holder> {
  const person = await harness.person();
  await harness.rows`UPDATE users SET "owesFactor" = true WHERE id = ${person.id}`;
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
  const totp = codeOf(totpUri);
  const opened = await answer({ challenge, totp });
  expect(claimsIn(opened.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  expect(await harness.rows`SELECT "owesFactor" FROM users WHERE id = ${person.id}`).toEqual([{ owesFactor: false }]);
  expect(await outcomeOf(offer(challenge))).toBe('challenge_over');
  const next = (await signIn(harness.deps, { email: person.email, password: harness.password }, anonymous).catch(
    (err: unknown) => err,
  )) as AppError;
  expect(next.options.members?.factors).toEqual(['totp', 'recovery_code']);
  const again = next.options.members?.challenge as string;
  expect(await outcomeOf(answer({ challenge: again, totp }))).toBe('second_factor_refused');
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
