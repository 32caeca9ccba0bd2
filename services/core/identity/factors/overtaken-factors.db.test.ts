import { describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { cutOff, overtaken, userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { upgradeDigest } from '../passwords/hash-password.ts';
import { factorsOf } from '../sessions/admit-session.ts';
import { confirmTotpEnrolment, enrolTotp } from './enrol-totp.ts';
import { anonymous, openFactorsHarness } from './factors-harness.ts';
import { preparePasskey, registerPasskey } from './register-passkey.ts';
import { removePasskey } from './remove-factor.ts';
import { signInWithPasskey } from './sign-in-with-passkey.ts';
import { verifyOwnPassword } from './verify-own-password.ts';

const END_SESSIONS = 'DELETE FROM sessions WHERE "userId" = $1';

const harness = opened(openFactorsHarness);

const passkeysOf = async (id: string) =>
  (await harness.rows('SELECT 1 FROM passkeys WHERE "userId" = $1', [id])).length;

describe('a session that ends while it changes the factors of its account', () => {
  test('confirms no authenticator app; a code of a replaced secret confirms no new one', async () => {
    const { id, caller } = await harness.person();
    const enrol = async () => codeOf((await enrolTotp(harness.deps, { password: harness.password }, caller)).totpUri);
    const confirm = (code: string) => () => outcomeOf(confirmTotpEnrolment(harness.deps, { code }, caller));
    const askAgain = `UPDATE two_factors SET secret = 'another' WHERE "userId" = $1`;
    expect(await overtaken(harness.pool, id, askAgain, confirm(await enrol()))).toBe('factor_conflict');
    expect(await overtaken(harness.pool, id, END_SESSIONS, confirm(await enrol()))).toBe('unauthenticated');
    expect(await harness.rows('SELECT verified FROM two_factors WHERE "userId" = $1', [id])).toEqual([
      { verified: false },
    ]);
  });

  test('gets no authenticator app or recovery codes for a password verified before it ended; nor does a deleted account', async () => {
    const { id, caller } = await harness.keyHolder();
    const enrol = () => outcomeOf(enrolTotp(harness.deps, { password: harness.password }, caller));
    const codes = () => harness.rows('SELECT "backupCodes", secret FROM two_factors WHERE "userId" = $1', [id]);
    const before = await codes();
    expect(before).toHaveLength(1);
    expect(await overtaken(harness.pool, id, END_SESSIONS, enrol)).toBe('unauthenticated');
    expect(await codes()).toEqual(before);
    const gone = await harness.person();
    const enrolGone = () => outcomeOf(enrolTotp(harness.deps, { password: harness.password }, gone.caller));
    expect(await overtaken(harness.pool, gone.id, 'DELETE FROM users WHERE id = $1', enrolGone)).toBe(
      'unauthenticated',
    );
  });

  test('registers no passkey', async () => {
    const { id, caller } = await harness.person();
    const made = await harness.newKey(createAuthenticator(), caller);
    const register = () => outcomeOf(registerPasskey(harness.deps, made, caller));
    expect(await overtaken(harness.pool, id, END_SESSIONS, register)).toBe('unauthenticated');
    expect(await passkeysOf(id)).toBe(0);
  });

  test('removes no factor, and cannot start another ceremony', async () => {
    const { id, caller, registered } = await harness.keyHolder();
    const remove = () => outcomeOf(removePasskey(harness.deps, { id: registered.passkeyId }, caller));
    expect(await overtaken(harness.pool, id, END_SESSIONS, remove)).toBe('unauthenticated');
    expect(await passkeysOf(id)).toBe(1);
    expect(await outcomeOf(preparePasskey(harness.deps, {}, caller))).toBe('unauthenticated');
    expect(await outcomeOf(preparePasskey(harness.deps, {}, { ...caller, sessionId: null }))).toBe('unauthenticated');
  });

  test('verifies no password of a disabled account', async () => {
    const { id, caller } = await harness.person();
    await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [id]);
    expect(await outcomeOf(verifyOwnPassword(harness.deps, id, { password: harness.password }, caller))).toBe(
      'unauthenticated',
    );
    await harness.rows('DELETE FROM users WHERE id = $1', [id]);
    expect(await outcomeOf(verifyOwnPassword(harness.deps, id, { password: harness.password }, caller))).toBe(
      'unauthenticated',
    );
  });
});

test('an authenticator app is enrolled by a password whose digest a concurrent sign-in upgrades', async () => {
  const { id, caller } = await harness.person();
  const upgrade = ['SELECT account_password_upgrade($1, $2, $3)', [id, harness.digest, 'a stronger digest']] as const;
  const enrol = () => enrolTotp(harness.deps, { password: harness.password }, caller);
  const { totpUri } = await whileItWaits(harness.pool, [userHeld(id), upgrade], enrol);
  expect(await outcomeOf(confirmTotpEnrolment(harness.deps, { code: await codeOf(totpUri) }, caller))).toBe('ok');
});

test('a digest is upgraded with the user locked, so one read under that lock stays current', async () => {
  const { id } = await harness.person();
  const cheaper = `$2b$10$${'x'.repeat(53)}`;
  await harness.rows('UPDATE accounts SET password = $2 WHERE "userId" = $1', [id, cheaper]);
  const upgrade = () => upgradeDigest(harness.deps, { userId: id, digest: cheaper }, harness.password, anonymous);
  await whileItWaits(harness.pool, [userHeld(id)], upgrade);
  const [row] = await harness.rows('SELECT password FROM accounts WHERE "userId" = $1', [id]);
  expect(row).toEqual({ password: expect.not.stringContaining(cheaper) });
});

describe('passkeys', () => {
  test('RFC 8176 distinguishes a passkey synchronised between devices from a device-bound one', async () => {
    const { registered, key } = await harness.keyHolder(createAuthenticator({ isShared: true }));
    const amrOf = ({ tokens }: { readonly tokens: { readonly access_token: string } }) =>
      claimsIn(tokens.access_token).amr;
    expect(amrOf(registered.signedIn.body)).toEqual(['pwd', 'swk', 'user', 'mfa']);
    const opened = await signInWithPasskey(harness.deps, await harness.assertion(key), anonymous);
    expect(amrOf(opened.body)).toEqual(['swk', 'user', 'mfa']);
  });

  test('a user with twenty passkeys cannot start a ceremony for another', async () => {
    const { id, caller } = await harness.keyHolder();
    await harness.rows(
      `INSERT INTO passkeys SELECT (jsonb_populate_record(p, jsonb_build_object('id', p.id || n, 'credentialID', p.id || n))).*
       FROM passkeys p, generate_series(2, 20) n WHERE "userId" = $1`,
      [id],
    );
    expect(await outcomeOf(preparePasskey(harness.deps, {}, caller))).toBe('factor_conflict');
  });

  test('a database failure during a registration is 503 and leaves nothing of it; its retry registers the passkey with its codes', async () => {
    const { id, caller } = await harness.person();
    const made = await harness.newKey(createAuthenticator(), caller);
    const register = () => outcomeOf(registerPasskey(harness.deps, made, caller));
    const factorsNow = () =>
      harness.rows('SELECT "backupCodes" IS NOT NULL AS codes FROM two_factors WHERE "userId" = $1', [id]);
    expect(await cutOff(harness.pool, id, register)).toBe('store_unavailable');
    await harness.poll.wake();
    expect([await passkeysOf(id), await factorsNow()]).toEqual([0, []]);
    expect(await register()).toBe('ok');
    expect([await passkeysOf(id), await factorsNow()]).toEqual([1, [{ codes: true }]]);
  });

  test('a database failure during a sign-in is 503 and not a refusal: nothing is recorded, and the passkey stays valid', async () => {
    const { id, key } = await harness.keyHolder();
    const proof = await harness.assertion(key);
    const signIn = () => outcomeOf(signInWithPasskey(harness.deps, proof, anonymous));
    const refusals = async () =>
      (await harness.rows(`SELECT 1 FROM audit_outbox WHERE type = 'user.login' AND outcome = 'refused'`)).length;
    const before = await refusals();
    expect(await cutOff(harness.pool, id, signIn)).toBe('store_unavailable');
    // After a lost connection, nothing is written before the next poll.
    await harness.poll.wake();
    expect(await refusals()).toBe(before);
    expect(await signIn()).toBe('ok');
  });

  test('a challenge with a corrupt row is an internal error, not a refused passkey', async () => {
    const { key, caller } = await harness.keyHolder();
    const [asked, made] = [await harness.assertion(key), await harness.newKey(createAuthenticator(), caller)];
    await harness.rows(`UPDATE verifications SET value = 'no JSON'`);
    await expect(signInWithPasskey(harness.deps, asked, anonymous)).rejects.toBeInstanceOf(SyntaxError);
    await expect(registerPasskey(harness.deps, made, caller)).rejects.toBeInstanceOf(SyntaxError);
  });
});

test('a user without remaining recovery codes is not offered them', async () => {
  const { id } = await harness.person();
  await harness.rows(
    `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft") VALUES ($1, $1, 'x', 'x', true, 0)`,
    [id],
  );
  expect(await factorsOf(harness.deps.sql, id)).toEqual(['totp']);
});
