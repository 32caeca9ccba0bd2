import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { act } from '#tools/testing/flows/factor-flows.ts';
import { OWN_ORIGIN, signUp } from '#tools/testing/flows/identity-flows.ts';
import {
  type HttpAnswer,
  type IdentityHarness,
  newPerson,
  openIdentityHarness,
  send,
} from '#tools/testing/harness/identity.ts';
import type { Json } from '#tools/testing/http-client.ts';

type Authenticator = ReturnType<typeof createAuthenticator>;
type Ceremony = Parameters<Authenticator['get']>[1];
type Holder = { readonly userId: string; readonly cookie: string; readonly authenticator: Authenticator };

const origin = OWN_ORIGIN;
let harness: IdentityHarness;
let ada: Holder;
let eve: Holder;
beforeAll(async () => {
  harness = await openIdentityHarness();
  ada = await newHolder();
  eve = await newHolder();
});
afterAll(() => harness?.close());

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
const verify = (body: object): Promise<HttpAnswer> => send(harness, 'POST', `${SIGN_IN}/verify`, { body });

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
  (await harness.rows('SELECT 1 FROM sessions WHERE "userId" = $1', [userId])).length;

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
    const answers = await Promise.all(Array.from({ length: 10 }, () => verify(body)));
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
    (await harness.rows('SELECT 1 FROM passkeys WHERE "userId" = $1', [userId])).length;

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
