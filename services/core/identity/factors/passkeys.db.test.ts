import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Cbor, cbor, createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { cutOff, overtaken, userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { upgradeDigest } from '../passwords/hash-password.ts';
import { factorsOf } from '../sessions/admit-session.ts';
import type { PasskeyResponse } from '../sessions/passkey-ceremonies.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { confirmTotpEnrolment, enrolTotp } from './enrol-totp.ts';
import { anonymous, cookieOf, openFactorsHarness } from './factors-harness.ts';
import { listFactors, listPasskeys, renamePasskey } from './own-factors.ts';
import { preparePasskey, registerPasskey } from './register-passkey.ts';
import { removePasskey } from './remove-factor.ts';
import { askForPasskey, signInWithPasskey } from './sign-in-with-passkey.ts';
import { verifyOwnPassword } from './verify-own-password.ts';

const harness = opened(openFactorsHarness);

const isLive = async (cookie: string) => (await findByCookie(harness.deps, cookie)) !== null;
const passkeysOf = async (id: string) => (await harness.rows`SELECT 1 FROM passkeys WHERE "userId" = ${id}`).length;
const sessionsOf = async (id: string) => (await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${id}`).length;
const signIn = (response: PasskeyResponse, cookie?: string) =>
  signInWithPasskey(harness.deps, { ...response, cookie }, anonymous);
const refused = (response: PasskeyResponse, cookie?: string) => outcomeOf(signIn(response, cookie));
/** Ceremonies that we reject. */
const UNFIT = [
  { verifiesUser: false },
  { origin: 'https://evil.example' },
  { rpId: 'evil.example' },
  { crossOrigin: true },
  { crossOrigin: true, topOrigin: 'https://evil.example' },
];

describe('registering a passkey', () => {
  test('the first passkey returns ten recovery codes and a two-factor session and ends every earlier session; the second does not', async () => {
    const { id, cookie, caller } = await harness.person();
    const other = await openSessionFor({ ports: harness.deps }, id);
    const asked = await preparePasskey(harness.deps, {}, caller);
    expect(asked.options).toMatchObject({
      rp: { name: 'Sallyport' },
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
    const first = await registerPasskey(harness.deps, await harness.newKey(createAuthenticator(), caller), caller);
    expect(new Set(first.recoveryCodes).size).toBe(10);
    expect(claimsIn(first.signedIn.body.tokens.access_token)).toMatchObject({
      acr: 'aal2',
      amr: ['pwd', 'hwk', 'user', 'mfa'],
    });
    expect([await isLive(cookie), await isLive(other.cookie)]).toEqual([false, false]);
    const strong = await harness.callerBy(cookieOf(first.signedIn));
    const second = await registerPasskey(harness.deps, await harness.newKey(createAuthenticator(), strong), strong);
    expect(second.recoveryCodes).toBeNull();
    const own = await harness.callerBy(cookieOf(second.signedIn));
    expect(await listFactors(harness.deps, {}, own)).toEqual({
      totp: false,
      passkeys: 2,
      recovery_codes_left: 10,
      required: false,
    });
    const { passkeys } = await listPasskeys(harness.deps, {}, own);
    expect(passkeys.map((each) => each.id)).toEqual([first.passkeyId, second.passkeyId]);
    expect(passkeys[0]).toMatchObject({ name: 'a key', device_bound: true, backed_up: false });
  });

  test('rejects an unverified user, another origin or relying party, a framed page, and a challenge of another user or of a sign-in (CVE-2026-8830, Keycloak: the server did not check what a new passkey said of its ceremony)', async () => {
    const { id, cookie, caller } = await harness.person();
    const register = async (made: Promise<PasskeyResponse & { readonly name: string }>) =>
      outcomeOf(registerPasskey(harness.deps, await made, caller));
    for (const ceremony of UNFIT)
      expect(await register(harness.newKey(createAuthenticator(), caller, ceremony))).toBe('passkey_refused');
    const stranger = await harness.person();
    const key = createAuthenticator();
    const stolen = await harness.newKey(key, stranger.caller);
    expect(await register(Promise.resolve(stolen))).toBe('passkey_refused');
    expect(await register(Promise.resolve({ ...stolen, challenge: 'A'.repeat(80) }))).toBe('passkey_refused');
    const { options, challenge } = await askForPasskey(harness.deps);
    const ofSignIn = { ...options, rp: { id: options.rpId } } as unknown as Parameters<typeof key.create>[0];
    const response = { ...key.create(ofSignIn, { origin: harness.deps.mailer.publicUrl }) };
    expect(await register(Promise.resolve({ challenge, response, name: 'of a sign-in' }))).toBe('passkey_refused');
    expect(await passkeysOf(id)).toBe(0);
    expect(await harness.rows`SELECT 1 FROM two_factors WHERE "userId" = ${id}`).toEqual([]);
    expect(await isLive(cookie)).toBe(true);
  });

  test('rejects a key of an algorithm not offered, and one that cannot verify', async () => {
    const { id, cookie, caller } = await harness.person();
    const { options } = await preparePasskey(harness.deps, {}, caller);
    expect(options.pubKeyCredParams).toEqual([-8, -7, -257].map((alg) => ({ type: 'public-key', alg })));
    const { n = '', e = '' } = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' });
    const rsa = (alg: number, modulus: Buffer): [number, Cbor][] => [
      [1, 3],
      [3, alg],
      [-1, modulus],
      [-2, Buffer.from(e, 'base64url')],
    ];
    const modulus = Buffer.from(n, 'base64url');
    const register = async (coseKey: [number, Cbor][]) => {
      const made = await harness.newKey(createAuthenticator({ coseKey: cbor(new Map(coseKey)) }), caller);
      return outcomeOf(registerPasskey(harness.deps, made, caller));
    };
    expect(await register(rsa(-65_535, modulus))).toBe('passkey_refused');
    expect(await register(rsa(-257, modulus.subarray(0, 64)))).toBe('passkey_refused');
    const point: [number, Cbor][] = [
      [-2, Buffer.alloc(32, 1)],
      [-3, Buffer.alloc(32, 1)],
    ];
    expect(await register([[1, 2], [3, -7], [-1, 1], ...point])).toBe('passkey_refused');
    expect(await register([[3, -7], [-1, 1], ...point])).toBe('passkey_refused');
    expect([await passkeysOf(id), await isLive(cookie)]).toEqual([0, true]);
    expect(await register(rsa(-257, modulus))).toBe('ok');
  });

  test('a passkey registered to another user conflicts, and changes neither account', async () => {
    const holder = await harness.keyHolder();
    const { id, cookie, caller } = await harness.person();
    const made = await harness.newKey(holder.key, caller);
    expect(await outcomeOf(registerPasskey(harness.deps, made, caller))).toBe('factor_conflict');
    expect([await passkeysOf(id), await passkeysOf(holder.id)]).toEqual([0, 1]);
    expect(await isLive(cookie)).toBe(true);
  });

  test('allows at most twenty passkeys, even for a ceremony started before the last registration', async () => {
    const { id, caller } = await harness.keyHolder();
    const made = await harness.newKey(createAuthenticator(), caller);
    await harness.rows`INSERT INTO passkeys
      SELECT (jsonb_populate_record(p, jsonb_build_object('id', p.id || n, 'credentialID', p.id || n))).*
      FROM passkeys p, generate_series(2, 20) n WHERE "userId" = ${id}`;
    expect(await outcomeOf(registerPasskey(harness.deps, made, caller))).toBe('factor_conflict');
    expect(await passkeysOf(id)).toBe(20);
  });
});

describe('signing in with a passkey', () => {
  test('opens a two-factor session for the owner, or renews the browser’s, and is recorded', async () => {
    const { id, cookie, key, sessionId } = await harness.keyHolder();
    const opened = await signIn(await harness.assertion(key), cookie);
    expect([opened.body.user.id, opened.body.session.id]).toEqual([id, sessionId]);
    expect(claimsIn(opened.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['hwk', 'user', 'mfa'] });
    expect([await isLive(cookie), await isLive(cookieOf(opened))]).toEqual([false, true]);
    const events =
      await harness.rows`SELECT outcome, detail->>'factor' AS factor, detail->>'session_id' AS session FROM audit_outbox
        WHERE type = 'user.login' AND target_id = ${id}`;
    expect(events).toEqual([{ outcome: 'ok', factor: 'passkey', session: opened.body.session.id }]);
  });

  test('of four concurrent requests with one assertion, one gets a session', async () => {
    const { id, key } = await harness.keyHolder();
    const proof = await harness.assertion(key);
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => refused(proof)));
    expect(outcomes.sort()).toEqual(['ok', 'passkey_refused', 'passkey_refused', 'passkey_refused']);
    expect(await sessionsOf(id)).toBe(2);
  });

  test('rejects an unverified user, another origin or relying party, a framed page, an unknown key and a clone behind its original, and records each', async () => {
    const { id, key } = await harness.keyHolder();
    const count = async () =>
      (
        await harness.rows`SELECT 1 FROM audit_outbox
          WHERE type = 'user.login' AND outcome = 'refused' AND detail->>'factor' = 'passkey'`
      ).length;
    const before = await count();
    for (const ceremony of UNFIT) expect(await refused(await harness.assertion(key, ceremony))).toBe('passkey_refused');
    expect(await refused(await harness.assertion(createAuthenticator()))).toBe('passkey_refused');
    expect(await refused(await harness.assertion(key))).toBe('ok');
    key.rewind();
    expect(await refused(await harness.assertion(key))).toBe('passkey_refused');
    expect(await count()).toBe(before + UNFIT.length + 2);
    expect(await sessionsOf(id)).toBe(2);
  });

  test('rejects a passkey that names another owner or no owner', async () => {
    const [one, other] = [await harness.keyHolder(), await harness.keyHolder()];
    const handleOf = (id: string) => Buffer.from(id).toString('base64url');
    for (const userHandle of [handleOf(other.id), handleOf('unknown'), '', null])
      expect(await refused(await harness.assertion(one.key, { userHandle })), String(userHandle)).toBe(
        'passkey_refused',
      );
    expect([await sessionsOf(one.id), await sessionsOf(other.id)]).toEqual([1, 1]);
    expect(await refused(await harness.assertion(one.key, { userHandle: handleOf(one.id) }))).toBe('ok');
  });

  test('a passkey of a disabled account opens no session', async () => {
    const { id, key } = await harness.keyHolder();
    const proof = await harness.assertion(key);
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    expect(await refused(proof)).toBe('passkey_refused');
    expect(await sessionsOf(id)).toBe(0);
  });

  test('a passkey being removed opens no session, and the browser’s session stays', async () => {
    const { id, key } = await harness.keyHolder();
    const other = await harness.person();
    const proof = await harness.assertion(key);
    const takeAway = 'DELETE FROM passkeys WHERE "userId" = $1';
    expect(await overtaken(harness.pool, id, takeAway, () => refused(proof, other.cookie))).toBe('passkey_refused');
    expect(await sessionsOf(id)).toBe(0);
    expect(await isLive(other.cookie)).toBe(true);
  });

  test('the options name no credential, and require user verification', async () => {
    await harness.keyHolder();
    const { options } = await askForPasskey(harness.deps);
    expect(options).toMatchObject({ rpId: 'api.sallyport.test', userVerification: 'required' });
    expect(options.allowCredentials ?? []).toEqual([]);
  });
});

describe('renaming a passkey', () => {
  test('renames and records the caller’s own; another user’s is unknown and keeps its name', async () => {
    const [one, other] = [await harness.keyHolder(), await harness.keyHolder()];
    const rename = (id: string) => renamePasskey(harness.deps, { id, name: 'blue key' }, one.caller);
    expect(await outcomeOf(rename(other.registered.passkeyId))).toBe('passkey_unknown');
    expect((await listPasskeys(harness.deps, {}, other.caller)).passkeys).toMatchObject([{ name: 'a key' }]);
    expect(await rename(one.registered.passkeyId)).toMatchObject({ id: one.registered.passkeyId, name: 'blue key' });
    expect((await listPasskeys(harness.deps, {}, one.caller)).passkeys).toMatchObject([{ name: 'blue key' }]);
    const renamed = `SELECT target_id FROM audit_outbox WHERE type = 'factor.renamed' AND target_id = ANY ($1)`;
    expect(await harness.rows(renamed, [[one.id, other.id]])).toEqual([{ target_id: one.id }]);
  });
});

const END_SESSIONS = 'DELETE FROM sessions WHERE "userId" = $1';

describe('a session that ends while it changes the factors of its account', () => {
  test('confirms no authenticator app; a code of a replaced secret confirms no new one', async () => {
    const { id, caller } = await harness.person();
    const enrol = async () => codeOf((await enrolTotp(harness.deps, { password: harness.password }, caller)).totpUri);
    const confirm = (code: string) => () => outcomeOf(confirmTotpEnrolment(harness.deps, { code }, caller));
    const askAgain = `UPDATE two_factors SET secret = 'another' WHERE "userId" = $1`;
    expect(await overtaken(harness.pool, id, askAgain, confirm(await enrol()))).toBe('factor_conflict');
    expect(await overtaken(harness.pool, id, END_SESSIONS, confirm(await enrol()))).toBe('unauthenticated');
    expect(await harness.rows`SELECT verified FROM two_factors WHERE "userId" = ${id}`).toEqual([{ verified: false }]);
  });

  test('gets no authenticator app or recovery codes for a password verified before it ended; nor does a deleted account', async () => {
    const { id, caller } = await harness.keyHolder();
    const enrol = () => outcomeOf(enrolTotp(harness.deps, { password: harness.password }, caller));
    const codes = () => harness.rows`SELECT "backupCodes", secret FROM two_factors WHERE "userId" = ${id}`;
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
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    expect(await outcomeOf(verifyOwnPassword(harness.deps, id, { password: harness.password }, caller))).toBe(
      'unauthenticated',
    );
    await harness.rows`DELETE FROM users WHERE id = ${id}`;
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
  await harness.rows`UPDATE accounts SET password = ${cheaper} WHERE "userId" = ${id}`;
  const upgrade = () => upgradeDigest(harness.deps, { userId: id, digest: cheaper }, harness.password, anonymous);
  await whileItWaits(harness.pool, [userHeld(id)], upgrade);
  const [row] = await harness.rows`SELECT password FROM accounts WHERE "userId" = ${id}`;
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
    await harness.rows`INSERT INTO passkeys
      SELECT (jsonb_populate_record(p, jsonb_build_object('id', p.id || n, 'credentialID', p.id || n))).*
      FROM passkeys p, generate_series(2, 20) n WHERE "userId" = ${id}`;
    expect(await outcomeOf(preparePasskey(harness.deps, {}, caller))).toBe('factor_conflict');
  });

  test('a database failure during a registration is 503 and leaves nothing of it; its retry registers the passkey with its codes', async () => {
    const { id, caller } = await harness.person();
    const made = await harness.newKey(createAuthenticator(), caller);
    const register = () => outcomeOf(registerPasskey(harness.deps, made, caller));
    const factorsNow = () =>
      harness.rows`SELECT "backupCodes" IS NOT NULL AS codes FROM two_factors WHERE "userId" = ${id}`;
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
      (await harness.rows`SELECT 1 FROM audit_outbox WHERE type = 'user.login' AND outcome = 'refused'`).length;
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
    await harness.rows`UPDATE verifications SET value = 'no JSON'`;
    await expect(signInWithPasskey(harness.deps, asked, anonymous)).rejects.toBeInstanceOf(SyntaxError);
    await expect(registerPasskey(harness.deps, made, caller)).rejects.toBeInstanceOf(SyntaxError);
  });
});

test('a user without remaining recovery codes is not offered them', async () => {
  const { id } = await harness.person();
  await harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft")
    VALUES (${id}, ${id}, 'x', 'x', true, 0)`;
  expect(await factorsOf(harness.deps.sql, id)).toEqual(['totp']);
});
