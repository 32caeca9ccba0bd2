import { hash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { beforeAll, describe, expect, test } from 'vitest';
import { newEmail, patiently } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { insertPerson, openSessionFor, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';
import { ownPage } from './accounts-harness.ts';

const STOLEN = 'a password leaked at another site';
const COMMON = 'passwordpassword';
const GOOD = 'twenty-four quiet pigeons';

let digest: string;
const password = 'the present one of all of them';
const server = createServer((request, response) => {
  const stolen = hash('sha1', STOLEN).toUpperCase();
  const isAsked = stolen.startsWith(request.url?.split('/').at(-1) ?? '');
  response.end(`${'0'.repeat(35)}:0${isAsked ? `\r\n${stolen.slice(5)}:9` : ''}`);
});
const list = opened(() => listening(server));
const harness = opened(openApiHarness);
const ENV = { PASSWORD_PROFILE: 'nist', RATE_LIMIT_PROFILE: 'load', HASH_QUEUE: '64' };
const api = opened(() => harness.startCopy({ env: { ...ENV, BREACH_RANGE_URL: `${list.url}/range` } }));
const mails = opened(() => openMailFolder(api.workerPorts));
beforeAll(async () => {
  digest = await api.ports.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });
});

const post = (path: string, json: object, sent: Sent = {}): Promise<Received> =>
  patiently(() => send(api.url, 'POST', path, { json, ...sent }));
const codeFor = async (email: string): Promise<string> => (await mails.to(email)).at(-1)?.code ?? 'no mail';
/** The result of a new password: the error code with its reason, or that it was accepted. */
const verdict = ({ status, body }: Received): (string | undefined)[] =>
  status < 300 ? ['taken'] : [body.code, body.detail];

type Way = {
  /** Requests this password at one account, repeatedly. */
  readonly choose: (chosen: string) => Promise<Received>;
};

/** A user with a verified or unverified address, with or without factors. */
async function person({ isProved = true, factor = '' } = {}): Promise<{ id: string; email: string }> {
  const email = newEmail();
  const id = await insertPerson(api, email, digest);
  if (isProved) await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${id}`;
  if (factor.includes('app'))
    await harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      VALUES (${id}, ${id}, 'x', 'x', ${factor === 'app'})`;
  if (factor === 'passkey')
    await harness.rows(
      `INSERT INTO passkeys (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp", "createdAt")
       VALUES ($1, 'x', $2, $1, 0, 'singleDevice', false, now())`,
      [randomUUID(), id],
    );
  return { id, email };
}

const hasFactor = ({ factor = '' }: { readonly factor?: string } = {}): boolean => ['app', 'passkey'].includes(factor);

async function changing(about: Parameters<typeof person>[0] = {}): Promise<Way> {
  const { id } = await person(about);
  const { cookie } = await openSessionFor(api, id, hasFactor(about) ? TWO_FACTORS : undefined);
  return {
    choose: (chosen) =>
      post('/api/auth/change-password', { current_password: password, new_password: chosen }, ownPage({ cookie })),
  };
}

async function resetting(about: Parameters<typeof person>[0] = {}): Promise<Way> {
  const { id, email } = await person(about);
  await post('/api/auth/request-password-reset', { email });
  const token = await codeFor(email);
  // A browser with a session of both factors proves the one that a reset asks.
  const { cookie } = hasFactor(about) && about.isProved !== false ? await openSessionFor(api, id, TWO_FACTORS) : {};
  return {
    choose: (chosen) =>
      post('/api/auth/reset-password', { token, new_password: chosen }, cookie ? ownPage({ cookie }) : {}),
  };
}

async function invited(): Promise<Way> {
  const { bearer } = await newPerson(api, ['admin']);
  const email = newEmail();
  await post('/v1/admin/users', { email, reason: 'joins' }, { bearer });
  const token = await codeFor(email);
  return { choose: (chosen) => post('/api/auth/accept-invitation', { token, new_password: chosen }) };
}

async function proving(): Promise<Way> {
  const { email } = await person({ isProved: false });
  await post('/api/auth/send-verification-email', { email });
  const token = await codeFor(email);
  return { choose: (chosen) => post('/api/auth/verify-email', { token, password: chosen }) };
}

const signingUp = async (): Promise<Way> => {
  const email = newEmail();
  return {
    choose: (chosen) => post('/api/auth/signup', { email, password: chosen }, { headers: { origin: API_URL } }),
  };
};

const TOO_SHORT = (least: number) => ['password_too_short', `At least ${least} characters.`];

describe('wherever a user chooses a password', () => {
  test.each([
    ['sign-up', signingUp],
    ['change', changing],
    ['reset', resetting],
    ['an invitation', invited],
    ['the proof of an address', proving],
  ])('common and stolen passwords are refused at %s, with the reason, and another is accepted', async (_at, begin) => {
    const { choose } = await begin();
    expect(verdict(await choose(COMMON))[0]).toBe('password_common');
    expect(verdict(await choose(STOLEN))[0]).toBe('password_breached');
    expect(verdict(await choose(GOOD))).toEqual(['taken']);
  });
});

describe('passwords under the NIST profile', () => {
  test.each([
    ['sign-up', signingUp],
    ['an invitation', invited],
    ['change', changing],
    ['change with an app that is not confirmed', () => changing({ factor: 'unconfirmed app' })],
    ['reset', resetting],
    ['a reset that ends a second factor of an unverified account', () => resetting({ isProved: false, factor: 'app' })],
  ])('%s requires fifteen characters', async (_at, begin) => {
    const { choose } = await begin();
    expect(verdict(await choose('fourteen chars'))).toEqual(TOO_SHORT(15));
    expect(verdict(await choose('fifteen chars !'))).toEqual(['taken']);
  });

  test.each([
    ['change', 'app', changing],
    ['change', 'passkey', changing],
    ['reset', 'app', resetting],
    ['reset', 'passkey', resetting],
  ])('%s accepts twelve where a second factor (%s) is required too', async (_at, factor, begin) => {
    const { choose } = await begin({ factor });
    expect(verdict(await choose('eleven char'))).toEqual(TOO_SHORT(12));
    expect(verdict(await choose('twelve chars'))).toEqual(['taken']);
  });
});
