import { expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { cookieOf, openFactorsHarness } from './factors-harness.ts';
import { type StepUpInput, stepUp } from './step-up.ts';

const harness = opened(openFactorsHarness);

const refused = (input: StepUpInput, caller: Caller) => outcomeOf(stepUp(harness.deps, input, caller));
const events = (id: string) =>
  harness.rows`SELECT outcome, detail->>'factor' AS factor FROM audit_outbox
    WHERE target_id = ${id} AND type = 'user.stepped_up' ORDER BY id`;

test('the password of a user without a second factor renews the session until its old expiry, with a new cookie', async () => {
  const { id, sessionId, cookie, caller } = await harness.person();
  const [before] =
    await harness.rows`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE id = ${sessionId}
      RETURNING "expiresAt"`;
  const { body } = await stepUp(harness.deps, { password: harness.password, cookie }, caller);
  expect(claimsIn(body.tokens.access_token)).toMatchObject({ sid: sessionId, acr: 'aal1', amr: ['pwd'] });
  expect(await findByCookie(harness.deps, cookie)).toBeNull();
  const rows = await harness.rows`SELECT id, "expiresAt", "authenticatedAt" > now() - interval '30 minutes' AS "isFresh"
    FROM sessions WHERE "userId" = ${id}`;
  expect(rows).toEqual([{ id: sessionId, expiresAt: before.expiresAt, isFresh: true }]);
  expect(await events(id)).toEqual([{ outcome: 'ok', factor: 'password' }]);
});

test('a wrong password, a code of an unknown factor and an empty request leave the session unchanged', async () => {
  const { id, cookie, caller } = await harness.person();
  expect(await refused({ password: 'not the right one' }, caller)).toBe('current_password_wrong');
  expect(await refused({ totp: '123456' }, caller)).toBe('second_factor_refused');
  expect(await refused({}, caller)).toBe('second_factor_refused');
  expect(await findByCookie(harness.deps, cookie)).not.toBeNull();
  expect(await events(id)).toEqual([
    { outcome: 'refused', factor: 'totp' },
    { outcome: 'refused', factor: 'recovery_code' },
  ]);
});

test('with a second factor, the response to the right password names the required factors and opens no session', async () => {
  const { cookie, caller } = await harness.appHolder();
  await expect(stepUp(harness.deps, { password: harness.password }, caller)).rejects.toMatchObject({
    code: 'second_factor_required',
    options: { members: { factors: ['totp', 'recovery_code'] } },
  });
  expect(await findByCookie(harness.deps, cookie)).not.toBeNull();
});

test('an app code or a recovery code steps up once; a wrong recovery code is not counted against the app', async () => {
  const { id, uri, codes, caller } = await harness.appHolder();
  const totp = codeOf(uri);
  const first = await stepUp(harness.deps, { totp }, caller);
  expect(claimsIn(first.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
  const second = await harness.callerBy(cookieOf(first));
  expect(await refused({ totp }, second)).toBe('second_factor_refused');
  const third = await harness.callerBy(cookieOf(await stepUp(harness.deps, { recoveryCode: codes[0] }, second)));
  expect(await refused({ recoveryCode: codes[0] }, third)).toBe('second_factor_refused');
  const counted = 'SELECT "failedVerificationCount" AS failures, "codesLeft" FROM two_factors WHERE "userId" = $1';
  expect(await harness.rows(counted, [id])).toEqual([{ failures: 0, codesLeft: 9 }]);
  expect((await events(id)).map(({ outcome }) => outcome)).toEqual(['ok', 'refused', 'ok', 'refused']);
});

test('a step-up opens no session if its code was used, or its session ended, while it waited', async () => {
  const { id, uri, cookie, caller } = await harness.appHolder();
  const asks = () => refused({ totp: codeOf(uri) }, caller);
  const use = 'UPDATE two_factors SET "lastUsedStep" = 99999999 WHERE "userId" = $1';
  expect(await overtaken(harness.pool, id, use, asks)).toBe('second_factor_refused');
  expect(await findByCookie(harness.deps, cookie)).not.toBeNull();
  await harness.rows`UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = ${id}`;
  expect(await overtaken(harness.pool, id, 'DELETE FROM sessions WHERE "userId" = $1', asks)).toBe('unauthenticated');
  expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${id}`).toEqual([]);
});

test('the user’s own passkey steps up; another user’s does not, and opens no session of its owner', async () => {
  const [one, other] = [await harness.keyHolder(), await harness.keyHolder()];
  expect(await refused({ passkey: await harness.assertion(other.key) }, one.caller)).toBe('passkey_refused');
  expect(await harness.rows`SELECT id FROM sessions WHERE "userId" = ${other.id}`).toEqual([{ id: other.sessionId }]);
  const { body } = await stepUp(harness.deps, { passkey: await harness.assertion(one.key) }, one.caller);
  expect(claimsIn(body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['hwk', 'user', 'mfa'] });
  expect(await findByCookie(harness.deps, one.cookie)).toBeNull();
  expect(await events(one.id)).toEqual([
    { outcome: 'refused', factor: 'passkey' },
    { outcome: 'ok', factor: 'passkey' },
  ]);
});

test('a passkey challenge with a corrupt row is an internal error, and no refusal is recorded', async () => {
  const { id, key, caller } = await harness.keyHolder();
  const passkey = await harness.assertion(key);
  await harness.rows`UPDATE verifications SET value = 'no JSON'`;
  await expect(stepUp(harness.deps, { passkey }, caller)).rejects.toBeInstanceOf(SyntaxError);
  expect(await events(id)).toEqual([]);
});
