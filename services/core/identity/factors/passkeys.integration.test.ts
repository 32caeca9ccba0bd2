import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { act, answer, enrolled } from '#tools/testing/flows/factor-flows.ts';
import { atOnce, claimsIn } from '#tools/testing/flows/flows.ts';
import { OWN_ORIGIN, readSession, signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import {
  type HttpAnswer,
  type IdentityHarness,
  newPerson,
  openIdentityHarness,
  send,
} from '#tools/testing/harness/identity.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';

const harness = opened(openIdentityHarness);

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);
const origin = OWN_ORIGIN;
type Authenticator = ReturnType<typeof createAuthenticator>;

async function register(cookie: string, authenticator: Authenticator): Promise<HttpAnswer> {
  const asked = await act(harness, cookie, '/api/auth/passkey/register/options');
  expect(asked.status).toBe(200);
  const { options, challenge } = asked.body;
  const response = authenticator.create(options, { origin });
  return act(harness, cookie, '/api/auth/passkey/register/verify', { challenge, response, name: 'a key' });
}

const verify = (body: object, cookie?: string): Promise<HttpAnswer> =>
  send(harness, 'POST', '/api/auth/passkey/sign-in/verify', { body, ...(cookie ? { cookie } : {}) });

async function assertion(authenticator: Authenticator): Promise<{ challenge: string; response: object }> {
  const { options, challenge } = (await send(harness, 'POST', '/api/auth/passkey/sign-in/options')).body;
  return { challenge, response: authenticator.get(options, { origin }) };
}

async function holder(): Promise<{
  person: ReturnType<typeof newPerson>;
  userId: string;
  registered: HttpAnswer;
  authenticator: Authenticator;
}> {
  const person = newPerson();
  const { cookie, body } = await signUp(harness, person);
  const authenticator = createAuthenticator();
  const registered = await register(cookie, authenticator);
  expect(registered.status).toBe(201);
  return { person, userId: body.user.id, registered, authenticator };
}

describe('registering a passkey', () => {
  test('returns a two-factor session, with recovery codes for the first passkey, and ends every earlier session', async () => {
    const person = newPerson();
    const { cookie, body } = await signUp(harness, person);
    const other = await signIn(harness, person);
    const { options } = (await act(harness, cookie, '/api/auth/passkey/register/options')).body;
    expect(options).toMatchObject({
      rp: { id: 'api.sallyport.test', name: 'Sallyport' },
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      attestation: 'none',
    });
    const first = await register(cookie, createAuthenticator());
    expect(first.status).toBe(201);
    expect(first.body.recovery_codes).toHaveLength(10);
    expect(claimsIn(first.body.tokens.access_token)).toMatchObject({
      acr: 'aal2',
      amr: expect.arrayContaining(['hwk']),
    });
    for (const ended of [cookie, other.cookie]) expect((await readSession(harness, ended)).status).toBe(401);
    const second = await register(first.cookie, createAuthenticator());
    expect([second.status, second.body.recovery_codes]).toEqual([201, null]);
    const listed = await send(harness, 'GET', '/api/auth/passkeys', { cookie: second.cookie });
    expect(listed.body.passkeys).toHaveLength(2);
    expect(listed.body.passkeys[0]).toMatchObject({ id: first.body.passkey_id, name: 'a key', device_bound: true });
    expect((await send(harness, 'GET', '/api/auth/factors', { cookie: second.cookie })).body).toEqual({
      totp: false,
      passkeys: 2,
      recovery_codes_left: 10,
      required: false,
    });
    const events =
      await rows`SELECT type FROM audit_outbox WHERE target_id = ${body.user.id} AND type LIKE 'factor.%' ORDER BY id`;
    expect(events.map(({ type }) => type)).toEqual(['factor.enrolled', 'factor.enrolled']);
  });
});

describe('signing in with a passkey', () => {
  test('opens a two-factor session without a password, once for each challenge', async () => {
    const { person, userId, authenticator, registered } = await holder();
    const proof = await assertion(authenticator);
    const opened = await verify(proof, registered.cookie);
    expect(opened.status).toBe(200);
    expect(opened.body.user).toMatchObject({ id: userId, email: person.email });
    expect(claimsIn(opened.body.tokens.access_token)).toMatchObject({ acr: 'aal2', amr: ['hwk', 'user', 'mfa'] });
    expect((await readSession(harness, opened.cookie)).status).toBe(200);
    expect((await readSession(harness, registered.cookie)).status).toBe(401);
    expect((await verify(proof)).body.code).toBe('passkey_refused');
    // The password alone is no longer enough.
    expect((await signIn(harness, person)).body).toMatchObject({
      code: 'second_factor_required',
      factors: ['passkey', 'recovery_code'],
    });
  });

  test('a passkey works for an account locked by a hundred wrong passwords, and the count stays', async () => {
    const { person, userId, authenticator } = await holder();
    const key = accountKeyOf(harness.deps, person.email);
    await rows`INSERT INTO login_failures (key, failures, user_id, locked_until)
      VALUES (${key}, 100, ${userId}, now() + interval '1 hour')`;
    const locked = await signIn(harness, person);
    expect([locked.status, locked.body.code]).toEqual([429, 'login_locked']);
    const opened = await verify(await assertion(authenticator));
    expect([opened.status, opened.body.user?.id]).toEqual([200, userId]);
    expect(await rows`SELECT failures FROM login_failures WHERE key = ${key}`).toEqual([{ failures: 100 }]);
    // The browser has presented more than a password: it becomes a known device, and no other browser does.
    const asked = await signIn(harness, person, { cookie: opened.cookie });
    expect(asked.body.code).toBe('second_factor_required');
  });
});

describe('renaming and removing', () => {
  test('works only for the caller’s passkeys: another user’s is 404 and stays; removing one ends every other session', async () => {
    const { person, userId, registered } = await holder();
    const stranger = await holder();
    const path = `/api/auth/passkeys/${registered.body.passkey_id}`;
    expect((await act(harness, stranger.registered.cookie, path, { name: 'mine' }, 'PATCH')).status).toBe(404);
    const foreign = { cookie: stranger.registered.cookie, headers: { origin } };
    expect((await send(harness, 'DELETE', path, foreign)).status).toBe(404);
    const renamed = await act(harness, registered.cookie, path, { name: 'blue key' }, 'PATCH');
    expect(renamed.body).toMatchObject({ id: registered.body.passkey_id, name: 'blue key' });
    const { challenge } = (await signIn(harness, person)).body;
    const other = await answer(harness, { challenge, recovery_code: registered.body.recovery_codes[0] });
    expect(other.status).toBe(200);
    const removed = await send(harness, 'DELETE', path, { cookie: registered.cookie, headers: { origin } });
    expect(removed.status).toBe(200);
    for (const ended of [registered.cookie, other.cookie]) expect((await readSession(harness, ended)).status).toBe(401);
    expect((await readSession(harness, removed.cookie)).status).toBe(200);
    // Without a factor no recovery code is left either, and the password alone is enough again.
    expect(await rows`SELECT 1 FROM two_factors WHERE "userId" = ${userId}`).toEqual([]);
    expect((await signIn(harness, person)).status).toBe(200);
  });

  test('an authenticator app stays when the passkey is removed, and the other way round', async () => {
    const { person, userId, uri, cookie } = await enrolled(harness);
    const authenticator = createAuthenticator();
    const registered = await register(cookie, authenticator);
    expect([registered.status, registered.body.recovery_codes]).toEqual([201, null]);
    const disabled = await act(harness, registered.cookie, '/api/auth/two-factor/disable');
    expect(disabled.status).toBe(200);
    expect(claimsIn(disabled.body.tokens.access_token)).toMatchObject({ acr: 'aal2' });
    const asked = await signIn(harness, person);
    expect(asked.body.factors).toEqual(['passkey', 'recovery_code']);
    await rows`UPDATE two_factors SET "lastUsedStep" = 0 WHERE "userId" = ${userId}`;
    const gone = await answer(harness, { challenge: asked.body.challenge, totp: codeOf(uri) });
    expect(gone.body.code).toBe('second_factor_refused');
    expect((await verify(await assertion(authenticator))).status).toBe(200);
  });
});

type Ceremony = Parameters<Authenticator['get']>[1];
type Holder = { readonly userId: string; readonly cookie: string; readonly authenticator: Authenticator };
let ada: Holder;
let eve: Holder;
beforeAll(async () => {
  ada = await newHolder();
  eve = await newHolder();
});

const REGISTER = '/api/auth/passkey/register';
const SIGN_IN = '/api/auth/passkey/sign-in';

async function newHolder(): Promise<Holder> {
  const { cookie, body } = await signUp(harness, newPerson());
  const authenticator = createAuthenticator();
  const { options, challenge } = (await act(harness, cookie, `${REGISTER}/options`)).body;
  const response = authenticator.create(options, { origin });
  const registered = await act(harness, cookie, `${REGISTER}/verify`, { challenge, response, name: 'a key' });
  expect(registered.status, registered.text).toBe(201);
  return { userId: body.user.id, cookie: registered.cookie, authenticator };
}

const asked = async (): Promise<{ readonly options: Json; readonly challenge: string }> =>
  (await send(harness, 'POST', `${SIGN_IN}/options`)).body;

/** Signs in with an assertion that was changed on its way. */
async function signInWith(
  ceremony: Partial<Ceremony>,
  change: (response: Json, options: Json) => Json = (response) => response,
  authenticator: Authenticator = ada.authenticator,
): Promise<HttpAnswer> {
  const { options, challenge } = await asked();
  return verify({ challenge, response: change(authenticator.get(options, { origin, ...ceremony }), options) });
}

const expectRefused = (answer: HttpAnswer): void => {
  expect([answer.status, answer.body.code]).toEqual([401, 'passkey_refused']);
  expect(answer.headers.getSetCookie()).toEqual([]);
};
/** Changes members of the part that a browser, or page, writes. */
const withClientData =
  (members: Json) =>
  (response: Json): Json => {
    const read = JSON.parse(Buffer.from(response.response.clientDataJSON, 'base64url').toString());
    const clientDataJSON = Buffer.from(JSON.stringify({ ...read, ...members })).toString('base64url');
    return { ...response, response: { ...response.response, clientDataJSON } };
  };

const sessions = async ({ userId }: Holder): Promise<number> =>
  (await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${userId}`).length;

describe('an assertion', () => {
  let before: number;
  beforeEach(async () => {
    before = await sessions(ada);
  });

  test.each<[string, Partial<Ceremony>]>([
    ['made on a look-alike site (phishing)', { origin: 'http://api.sallyport.test.evil.example' }],
    ['made on another port', { origin: `${origin}:8443` }],
    ['made over another scheme', { origin: origin.replace('http:', 'https:') }],
    ['made for another relying party', { rpId: 'evil.example' }],
    ['made for the parent domain', { rpId: 'sallyport.test' }],
    ['made without verifying the user (a found key)', { verifiesUser: false }],
    ['made in a frame of another site', { crossOrigin: true, topOrigin: 'https://evil.example' }],
    ['that names another owner', { userHandle: Buffer.from('someone').toString('base64url') }],
    ['that names no owner', { userHandle: null }],
  ])('%s opens no session', async (_what, ceremony) => {
    expectRefused(await signInWith(ceremony));
    expect(await sessions(ada)).toBe(before);
  });

  test.each<[string, (response: Json, options: Json) => Json]>([
    ['for another challenge', withClientData({ challenge: Buffer.alloc(32).toString('base64url') })],
    ['made to register', withClientData({ type: 'webauthn.create' })],
    ['that hides that it is cross-origin', withClientData({ crossOrigin: undefined })],
    ['with the credential id of another user', (response) => ({ ...response, ...idOf(eve) })],
    [
      'whose client data is no JSON',
      (response) => ({ ...response, response: { ...response.response, clientDataJSON: 'AAAA' } }),
    ],
    ['with an empty signature', (response) => ({ ...response, response: { ...response.response, signature: '' } })],
    [
      'with the signature of an earlier one',
      (response, options) => ({
        ...response,
        response: { ...response.response, signature: signatureFor(ada, { ...options, challenge: 'AAAA' }) },
      }),
    ],
  ])('%s opens no session', async (_what, change) => {
    const answer = await signInWith({}, change);
    expect([400, 401]).toContain(answer.status);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await sessions(ada)).toBe(before);
  });

  test('opens one session, however often and concurrently it is sent', async () => {
    const { options, challenge } = await asked();
    const body = { challenge, response: ada.authenticator.get(options, { origin }) };
    const answers = await atOnce(10, () => verify(body));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expectRefused(await verify(body));
  });

  test('answers only the challenge that it was made for: neither another, nor one of a registration', async () => {
    const [mine, other] = [await asked(), await asked()];
    const response = ada.authenticator.get(mine.options, { origin });
    expectRefused(await verify({ challenge: other.challenge, response }));
    const registering = (await act(harness, ada.cookie, `${REGISTER}/options`)).body;
    const forged = ada.authenticator.get({ ...registering.options, rpId: registering.options.rp.id }, { origin });
    expectRefused(await verify({ challenge: registering.challenge, response: forged }));
  });

  test('of a clone whose counter is behind its original opens no session', async () => {
    for (let use = 0; use < 3; use += 1) expect((await signInWith({})).status).toBe(200);
    ada.authenticator.rewind();
    expectRefused(await signInWith({}));
    ada = await newHolder();
  });
});

describe('a registration', () => {
  const register = async (
    at: Holder,
    ceremony: Partial<Ceremony>,
    challengeOf?: (own: string) => string,
    authenticator = createAuthenticator(),
  ): Promise<HttpAnswer> => {
    const { options, challenge } = (await act(harness, at.cookie, `${REGISTER}/options`)).body;
    const response = authenticator.create(options, { origin, ...ceremony });
    const sent = challengeOf?.(challenge) ?? challenge;
    return act(harness, at.cookie, `${REGISTER}/verify`, { challenge: sent, response, name: 'x' });
  };
  const passkeysOf = async ({ userId }: Holder): Promise<number> =>
    (await harness.rows`SELECT 1 FROM passkeys WHERE "userId" = ${userId}`).length;

  test.each<[string, Partial<Ceremony>]>([
    ['made on another site', { origin: 'https://evil.example' }],
    ['made for another relying party', { rpId: 'evil.example' }],
    ['made without verifying the user', { verifiesUser: false }],
    ['made in a frame of another site', { crossOrigin: true }],
  ])('%s adds no passkey', async (_what, ceremony) => {
    const before = await passkeysOf(eve);
    expect([400, 401]).toContain((await register(eve, ceremony)).status);
    expect(await passkeysOf(eve)).toBe(before);
  });

  test('with the challenge of another user or of a sign-in adds no passkey', async () => {
    const before = [await passkeysOf(ada), await passkeysOf(eve)];
    const { challenge } = (await act(harness, ada.cookie, `${REGISTER}/options`)).body;
    const signIn = await asked();
    for (const foreign of [challenge, signIn.challenge])
      expect([400, 401]).toContain((await register(eve, {}, () => foreign)).status);
    expect([await passkeysOf(ada), await passkeysOf(eve)]).toEqual(before);
  });

  test('of another user’s credential changes neither account', async () => {
    const answer = await register(eve, {}, undefined, ada.authenticator);
    expect(answer.status).toBe(409);
    ada = await newHolder();
  });

  test('from a page of another site, with the cookie of its victim, adds no passkey (CSRF)', async () => {
    const before = await passkeysOf(eve);
    for (const from of ['https://evil.example', 'null', `${origin}.evil.example`]) {
      const sent = { cookie: eve.cookie, headers: { origin: from }, body: {} };
      expect((await send(harness, 'POST', `${REGISTER}/options`, sent)).status).toBe(403);
    }
    expect(await passkeysOf(eve)).toBe(before);
  });
});

function idOf({ authenticator }: Holder): { readonly id: string; readonly rawId: string } {
  const { id, rawId } = authenticator.get({ challenge: 'AAAA', rpId: 'x' }, { origin }) as Json;
  return { id, rawId };
}
const signatureFor = ({ authenticator }: Holder, options: Json): string =>
  (authenticator.get(options, { origin }) as Json).response.signature;
