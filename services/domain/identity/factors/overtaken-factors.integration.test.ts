import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_URL, type ApiCopy } from '../../../platform/testing/api-copy.ts';
import { createAuthenticator } from '../../../platform/testing/counterparts/authenticator.ts';
import { codeOf } from '../../../platform/testing/counterparts/totp.ts';
import { claimsIn, newEmail, newPassword, type TestUser } from '../../../platform/testing/flows/flows.ts';
import { insertPerson, logIn } from '../../../platform/testing/flows/signed-in.ts';
import { cutOff, overtaken, userHeld, whileItWaits } from '../../../platform/testing/overtaken.ts';
import { testCaller } from '../../../platform/testing/ports.ts';
import { type ApiWorld, openApiWorld } from '../../../platform/testing/worlds/api-world.ts';
import type { Caller } from '../../ports.ts';
import { upgradeDigest } from '../passwords/upgrade-digest.ts';
import { sessionCaller } from '../sessions/read-session.ts';
import { factorsOf } from './ask-second-factor.ts';
import type { PasskeyOptions, PasskeyResponse } from './auth-factors.ts';
import { confirmTotpEnrolment, enrolTotp } from './enrol-totp.ts';
import { proveOwnPassword } from './prove-own-password.ts';
import { preparePasskey, registerPasskey } from './register-passkey.ts';
import { removePasskey } from './remove-factor.ts';
import { askForPasskey, signInWithPasskey } from './sign-in-with-passkey.ts';

const { request } = testCaller;
const anonymous: Caller = { kind: 'anonymous', request };
const END_SESSIONS = 'DELETE FROM sessions WHERE "userId" = $1';

let world: ApiWorld;
let copy: ApiCopy;
const password = newPassword();
let digest: string;
beforeAll(async () => {
  world = await openApiWorld();
  copy = await world.startCopy({ env: { HASH_QUEUE: '64' } });
  digest = await copy.ports.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });
});
afterAll(() => world.close());

const pool = () => copy.stores.pools.main;

async function callerBy(cookie: string): Promise<Caller & { readonly kind: 'user' }> {
  const caller = await sessionCaller(copy.ports, cookie, request);
  if (caller?.kind !== 'user') throw new Error('no session');
  return caller;
}

async function person(): Promise<TestUser & { readonly caller: Caller & { readonly kind: 'user' } }> {
  const email = newEmail();
  const id = await insertPerson(copy, email, digest);
  const login = await logIn(copy, id);
  return { id, email, password, ...login, caller: await callerBy(login.cookie) };
}

const codeOfError = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (err: unknown) => (err as { code?: unknown }).code,
  );

type Authenticator = ReturnType<typeof createAuthenticator>;
const ceremony = { origin: API_URL };
const signed = (
  key: Authenticator,
  how: 'create' | 'get',
  { options, challenge }: PasskeyOptions,
): PasskeyResponse => ({
  challenge,
  response: key[how](options as never, ceremony) as PasskeyResponse['response'],
});
const newKey = async (key: Authenticator, caller: Caller) => ({
  ...signed(key, 'create', await preparePasskey(copy.ports, {}, caller)),
  name: 'a key',
});
const assertion = async (key: Authenticator) => signed(key, 'get', await askForPasskey(copy.ports, {}, anonymous));

async function holder(key = createAuthenticator()) {
  const user = await person();
  const registered = await registerPasskey(copy.ports, await newKey(key, user.caller), user.caller);
  const cookie = registered.login.setCookie.map((line) => line.split(';', 1)[0]).join('; ');
  return { ...user, key, registered, caller: await callerBy(cookie) };
}
const passkeysOf = async (id: string) => (await world.rows('SELECT 1 FROM passkeys WHERE "userId" = $1', [id])).length;

describe('U7 a session that ends while it changes the factors of its account', () => {
  test('confirms no authenticator app, and one of another secret by now is not confirmed by the code of this', async () => {
    const { id, caller } = await person();
    const enrol = async () => codeOf((await enrolTotp(copy.ports, { password }, caller)).totpUri);
    const confirm = (code: string) => () => codeOfError(confirmTotpEnrolment(copy.ports, { code }, caller));
    const askAgain = `UPDATE two_factors SET secret = 'another' WHERE "userId" = $1`;
    expect(await overtaken(pool(), id, askAgain, confirm(await enrol()))).toBe('factor_conflict');
    expect(await overtaken(pool(), id, END_SESSIONS, confirm(await enrol()))).toBe('unauthenticated');
    expect(await world.rows('SELECT verified FROM two_factors WHERE "userId" = $1', [id])).toEqual([
      { verified: false },
    ]);
  });

  test('gets no authenticator app and no recovery codes by a password proved before that, nor does one that is gone', async () => {
    const { id, caller } = await holder();
    const enrol = () => codeOfError(enrolTotp(copy.ports, { password }, caller));
    const codes = () => world.rows('SELECT "backupCodes", secret FROM two_factors WHERE "userId" = $1', [id]);
    const before = await codes();
    expect(before).toHaveLength(1);
    expect(await overtaken(pool(), id, END_SESSIONS, enrol)).toBe('unauthenticated');
    expect(await codes()).toEqual(before);
    const gone = await person();
    const enrolGone = () => codeOfError(enrolTotp(copy.ports, { password }, gone.caller));
    expect(await overtaken(pool(), gone.id, 'DELETE FROM users WHERE id = $1', enrolGone)).toBe('unauthenticated');
  });

  test('registers no passkey', async () => {
    const { id, caller } = await person();
    const made = await newKey(createAuthenticator(), caller);
    const register = () => codeOfError(registerPasskey(copy.ports, made, caller));
    expect(await overtaken(pool(), id, END_SESSIONS, register)).toBe('unauthenticated');
    expect(await passkeysOf(id)).toBe(0);
  });

  test('removes none, and cannot begin another ceremony', async () => {
    const { id, caller, registered } = await holder();
    const remove = () => codeOfError(removePasskey(copy.ports, { id: registered.passkeyId }, caller));
    expect(await overtaken(pool(), id, END_SESSIONS, remove)).toBe('unauthenticated');
    expect(await passkeysOf(id)).toBe(1);
    expect(await codeOfError(preparePasskey(copy.ports, {}, caller))).toBe('unauthenticated');
    expect(await codeOfError(preparePasskey(copy.ports, {}, { ...caller, sessionId: null }))).toBe('unauthenticated');
  });

  test('proves no password of an account that is disabled', async () => {
    const { id, caller } = await person();
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [id]);
    expect(await codeOfError(proveOwnPassword(copy.ports, id, { password }, caller))).toBe('unauthenticated');
    await world.rows('DELETE FROM users WHERE id = $1', [id]);
    expect(await codeOfError(proveOwnPassword(copy.ports, id, { password }, caller))).toBe('unauthenticated');
  });
});

test('an authenticator app is enrolled by a password that a sign-in elsewhere gives a stronger digest meanwhile', async () => {
  const { id, caller } = await person();
  const upgrade = ['SELECT account_password_upgrade($1, $2, $3)', [id, digest, 'a stronger digest']] as const;
  const enrol = () => enrolTotp(copy.ports, { password }, caller);
  const { totpUri } = await whileItWaits(pool(), [userHeld(id), upgrade], enrol);
  expect(await codeOfError(confirmTotpEnrolment(copy.ports, { code: await codeOf(totpUri) }, caller))).toBe('none');
});

test('a stronger digest is put in place with the user held: who reads one under that lock finds it there to the end', async () => {
  const { id } = await person();
  const cheaper = `$2b$10$${'x'.repeat(53)}`;
  await world.rows('UPDATE accounts SET password = $2 WHERE "userId" = $1', [id, cheaper]);
  const upgrade = () => upgradeDigest(copy.ports, { userId: id, digest: cheaper }, password, anonymous);
  await whileItWaits(pool(), [userHeld(id)], upgrade);
  const [row] = await world.rows('SELECT password FROM accounts WHERE "userId" = $1', [id]);
  expect(row).toEqual({ password: expect.not.stringContaining(cheaper) });
});

describe('passkeys', () => {
  test('RFC 8176 one that its owner’s devices share is told from one that never leaves its device', async () => {
    const { registered, key } = await holder(createAuthenticator({ isShared: true }));
    const amrOf = ({ tokens }: { readonly tokens: { readonly access_token: string } }) =>
      claimsIn(tokens.access_token).amr;
    expect(amrOf(registered.login.body)).toEqual(['pwd', 'swk', 'user', 'mfa']);
    const opened = await signInWithPasskey(copy.ports, await assertion(key), anonymous);
    expect(amrOf(opened.body)).toEqual(['swk', 'user', 'mfa']);
  });

  test('who has twenty begins no ceremony for another', async () => {
    const { id, caller } = await holder();
    await world.rows(
      `INSERT INTO passkeys SELECT (jsonb_populate_record(p, jsonb_build_object('id', p.id || n, 'credentialID', p.id || n))).*
       FROM passkeys p, generate_series(2, 20) n WHERE "userId" = $1`,
      [id],
    );
    expect(await codeOfError(preparePasskey(copy.ports, {}, caller))).toBe('factor_conflict');
  });

  test('a database that fails in the middle of a sign-in refuses nobody: 503, nothing recorded, and the proof stays', async () => {
    const { id, key } = await holder();
    const proof = await assertion(key);
    const signIn = () => codeOfError(signInWithPasskey(copy.ports, proof, anonymous));
    const refusals = async () =>
      (await world.rows(`SELECT 1 FROM audit_outbox WHERE type = 'user.login' AND outcome = 'refused'`)).length;
    const before = await refusals();
    expect(await cutOff(pool(), id, signIn)).toBe('store_unavailable');
    expect(await refusals()).toBe(before);
    expect(await signIn()).toBe('none');
  });

  test('a challenge whose row is broken is a defect of ours, not a passkey refused', async () => {
    const { key, caller } = await holder();
    const [asked, made] = [await assertion(key), await newKey(createAuthenticator(), caller)];
    await world.rows(`UPDATE verifications SET value = 'no JSON'`);
    await expect(signInWithPasskey(copy.ports, asked, anonymous)).rejects.toBeInstanceOf(SyntaxError);
    await expect(registerPasskey(copy.ports, made, caller)).rejects.toBeInstanceOf(SyntaxError);
  });
});

test('who has used the last recovery code is not asked for one', async () => {
  const { id } = await person();
  await world.rows(
    `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft") VALUES ($1, $1, 'x', 'x', true, 0)`,
    [id],
  );
  expect(await factorsOf(copy.ports.sql, id)).toEqual(['totp']);
});
