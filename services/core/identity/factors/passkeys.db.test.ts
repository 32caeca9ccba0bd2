import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Cbor, cbor, createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import type { PasskeyResponse } from '../sessions/passkey-ceremonies.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { anonymous, cookieOf, openFactorsHarness } from './factors-harness.ts';
import { listFactors, listPasskeys, renamePasskey } from './own-factors.ts';
import { preparePasskey, registerPasskey } from './register-passkey.ts';
import { askForPasskey, signInWithPasskey } from './sign-in-with-passkey.ts';

const harness = opened(openFactorsHarness);

const isLive = async (cookie: string) => (await findByCookie(harness.deps, cookie)) !== null;
const passkeysOf = async (id: string) =>
  (await harness.rows('SELECT 1 FROM passkeys WHERE "userId" = $1', [id])).length;
const sessionsOf = async (id: string) =>
  (await harness.rows('SELECT 1 FROM sessions WHERE "userId" = $1', [id])).length;
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
    expect(await harness.rows('SELECT 1 FROM two_factors WHERE "userId" = $1', [id])).toEqual([]);
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
    await harness.rows(
      `INSERT INTO passkeys SELECT (jsonb_populate_record(p, jsonb_build_object('id', p.id || n, 'credentialID', p.id || n))).*
       FROM passkeys p, generate_series(2, 20) n WHERE "userId" = $1`,
      [id],
    );
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
    const events = await harness.rows(
      `SELECT outcome, detail->>'factor' AS factor, detail->>'session_id' AS session FROM audit_outbox
       WHERE type = 'user.login' AND target_id = $1`,
      [id],
    );
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
        await harness.rows(
          `SELECT 1 FROM audit_outbox WHERE type = 'user.login' AND outcome = 'refused' AND detail->>'factor' = 'passkey'`,
        )
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
    await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [id]);
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
