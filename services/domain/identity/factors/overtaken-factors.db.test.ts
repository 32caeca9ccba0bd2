import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthenticator } from '#testing/fakes/authenticator.ts';
import { codeOf } from '#testing/fakes/totp.ts';
import { claimsIn } from '#testing/flows/flows.ts';
import { type HolderWorld, nobody, openHolderWorld } from '#testing/harness/holder-world.ts';
import { outcomeOf } from '#testing/outcome.ts';
import { cutOff, overtaken, userHeld, whileItWaits } from '#testing/overtaken.ts';
import { upgradeDigest } from '../passwords/upgrade-digest.ts';
import { factorsOf } from './ask-second-factor.ts';
import { confirmTotpEnrolment, enrolTotp } from './enrol-totp.ts';
import { preparePasskey, registerPasskey } from './register-passkey.ts';
import { removePasskey } from './remove-factor.ts';
import { signInWithPasskey } from './sign-in-with-passkey.ts';
import { verifyOwnPassword } from './verify-own-password.ts';

const END_SESSIONS = 'DELETE FROM sessions WHERE "userId" = $1';

let world: HolderWorld;
beforeAll(async () => {
  world = await openHolderWorld();
});
afterAll(() => world?.close());

const passkeysOf = async (id: string) => (await world.rows('SELECT 1 FROM passkeys WHERE "userId" = $1', [id])).length;

describe('a session that ends while it changes the factors of its account', () => {
  test('confirms no authenticator app, and one of another secret by now is not confirmed by the code of this', async () => {
    const { id, caller } = await world.person();
    const enrol = async () => codeOf((await enrolTotp(world.deps, { password: world.password }, caller)).totpUri);
    const confirm = (code: string) => () => outcomeOf(confirmTotpEnrolment(world.deps, { code }, caller));
    const askAgain = `UPDATE two_factors SET secret = 'another' WHERE "userId" = $1`;
    expect(await overtaken(world.pool, id, askAgain, confirm(await enrol()))).toBe('factor_conflict');
    expect(await overtaken(world.pool, id, END_SESSIONS, confirm(await enrol()))).toBe('unauthenticated');
    expect(await world.rows('SELECT verified FROM two_factors WHERE "userId" = $1', [id])).toEqual([
      { verified: false },
    ]);
  });

  test('gets no authenticator app and no recovery codes by a password proved before that, nor does one that is gone', async () => {
    const { id, caller } = await world.keyHolder();
    const enrol = () => outcomeOf(enrolTotp(world.deps, { password: world.password }, caller));
    const codes = () => world.rows('SELECT "backupCodes", secret FROM two_factors WHERE "userId" = $1', [id]);
    const before = await codes();
    expect(before).toHaveLength(1);
    expect(await overtaken(world.pool, id, END_SESSIONS, enrol)).toBe('unauthenticated');
    expect(await codes()).toEqual(before);
    const gone = await world.person();
    const enrolGone = () => outcomeOf(enrolTotp(world.deps, { password: world.password }, gone.caller));
    expect(await overtaken(world.pool, gone.id, 'DELETE FROM users WHERE id = $1', enrolGone)).toBe('unauthenticated');
  });

  test('registers no passkey', async () => {
    const { id, caller } = await world.person();
    const made = await world.newKey(createAuthenticator(), caller);
    const register = () => outcomeOf(registerPasskey(world.deps, made, caller));
    expect(await overtaken(world.pool, id, END_SESSIONS, register)).toBe('unauthenticated');
    expect(await passkeysOf(id)).toBe(0);
  });

  test('removes none, and cannot begin another ceremony', async () => {
    const { id, caller, registered } = await world.keyHolder();
    const remove = () => outcomeOf(removePasskey(world.deps, { id: registered.passkeyId }, caller));
    expect(await overtaken(world.pool, id, END_SESSIONS, remove)).toBe('unauthenticated');
    expect(await passkeysOf(id)).toBe(1);
    expect(await outcomeOf(preparePasskey(world.deps, {}, caller))).toBe('unauthenticated');
    expect(await outcomeOf(preparePasskey(world.deps, {}, { ...caller, sessionId: null }))).toBe('unauthenticated');
  });

  test('proves no password of an account that is disabled', async () => {
    const { id, caller } = await world.person();
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [id]);
    expect(await outcomeOf(verifyOwnPassword(world.deps, id, { password: world.password }, caller))).toBe(
      'unauthenticated',
    );
    await world.rows('DELETE FROM users WHERE id = $1', [id]);
    expect(await outcomeOf(verifyOwnPassword(world.deps, id, { password: world.password }, caller))).toBe(
      'unauthenticated',
    );
  });
});

test('an authenticator app is enrolled by a password that a sign-in elsewhere gives a stronger digest meanwhile', async () => {
  const { id, caller } = await world.person();
  const upgrade = ['SELECT account_password_upgrade($1, $2, $3)', [id, world.digest, 'a stronger digest']] as const;
  const enrol = () => enrolTotp(world.deps, { password: world.password }, caller);
  const { totpUri } = await whileItWaits(world.pool, [userHeld(id), upgrade], enrol);
  expect(await outcomeOf(confirmTotpEnrolment(world.deps, { code: await codeOf(totpUri) }, caller))).toBe('ok');
});

test('a stronger digest is put in place with the user held: who reads one under that lock finds it there to the end', async () => {
  const { id } = await world.person();
  const cheaper = `$2b$10$${'x'.repeat(53)}`;
  await world.rows('UPDATE accounts SET password = $2 WHERE "userId" = $1', [id, cheaper]);
  const upgrade = () => upgradeDigest(world.deps, { userId: id, digest: cheaper }, world.password, nobody);
  await whileItWaits(world.pool, [userHeld(id)], upgrade);
  const [row] = await world.rows('SELECT password FROM accounts WHERE "userId" = $1', [id]);
  expect(row).toEqual({ password: expect.not.stringContaining(cheaper) });
});

describe('passkeys', () => {
  test('RFC 8176 one that its owner’s devices share is told from one that never leaves its device', async () => {
    const { registered, key } = await world.keyHolder(createAuthenticator({ isShared: true }));
    const amrOf = ({ tokens }: { readonly tokens: { readonly access_token: string } }) =>
      claimsIn(tokens.access_token).amr;
    expect(amrOf(registered.login.body)).toEqual(['pwd', 'swk', 'user', 'mfa']);
    const opened = await signInWithPasskey(world.deps, await world.assertion(key), nobody);
    expect(amrOf(opened.body)).toEqual(['swk', 'user', 'mfa']);
  });

  test('who has twenty begins no ceremony for another', async () => {
    const { id, caller } = await world.keyHolder();
    await world.rows(
      `INSERT INTO passkeys SELECT (jsonb_populate_record(p, jsonb_build_object('id', p.id || n, 'credentialID', p.id || n))).*
       FROM passkeys p, generate_series(2, 20) n WHERE "userId" = $1`,
      [id],
    );
    expect(await outcomeOf(preparePasskey(world.deps, {}, caller))).toBe('factor_conflict');
  });

  test('a database that fails in the middle of a sign-in refuses nobody: 503, nothing recorded, and the proof stays', async () => {
    const { id, key } = await world.keyHolder();
    const proof = await world.assertion(key);
    const signIn = () => outcomeOf(signInWithPasskey(world.deps, proof, nobody));
    const refusals = async () =>
      (await world.rows(`SELECT 1 FROM audit_outbox WHERE type = 'user.login' AND outcome = 'refused'`)).length;
    const before = await refusals();
    expect(await cutOff(world.pool, id, signIn)).toBe('store_unavailable');
    // After a lost connection nothing is written before the next poll.
    await world.poll.wake();
    expect(await refusals()).toBe(before);
    expect(await signIn()).toBe('ok');
  });

  test('a challenge whose row is broken is a defect of ours, not a passkey refused', async () => {
    const { key, caller } = await world.keyHolder();
    const [asked, made] = [await world.assertion(key), await world.newKey(createAuthenticator(), caller)];
    await world.rows(`UPDATE verifications SET value = 'no JSON'`);
    await expect(signInWithPasskey(world.deps, asked, nobody)).rejects.toBeInstanceOf(SyntaxError);
    await expect(registerPasskey(world.deps, made, caller)).rejects.toBeInstanceOf(SyntaxError);
  });
});

test('who has used the last recovery code is not asked for one', async () => {
  const { id } = await world.person();
  await world.rows(
    `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft") VALUES ($1, $1, 'x', 'x', true, 0)`,
    [id],
  );
  expect(await factorsOf(world.deps.sql, id)).toEqual(['totp']);
});
