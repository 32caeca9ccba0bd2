// For tests only: users with second factors and passkeys, for tests that call the use-cases.
import { randomBytes, randomUUID } from 'node:crypto';
import type { Caller } from '#services/core/ports.ts';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { uriOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { insertPerson, openSessionFor, type TestAssurance, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness } from '#tools/testing/harness/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { PasskeyOptions, PasskeyResponse } from '../sessions/passkey-ceremonies.ts';
import { sessionCaller } from '../sessions/read-session.ts';
import { newRecoveryCodes } from '../sessions/recovery-codes.ts';
import { PASSWORD_ALONE } from '../users/assurance.ts';
import { preparePasskey, type RegisteredPasskey, registerPasskey } from './register-passkey.ts';
import { askForPasskey } from './sign-in-with-passkey.ts';

const { request } = testCaller;

/** A caller without credentials. */
export const anonymous: Caller = { kind: 'anonymous', request };

type PersonCaller = Caller & { readonly kind: 'user' };
export type Holder = {
  readonly id: string;
  readonly email: string;
  readonly sessionId: string;
  readonly cookie: string;
  readonly caller: PersonCaller;
};
/** A user with an authenticator app (`uri` is its `otpauth:` URI) and ten recovery codes. */
export type AppHolder = Holder & { readonly uri: string; readonly codes: readonly string[] };
type Authenticator = ReturnType<typeof createAuthenticator>;
type KeyHolder = Holder & { readonly key: Authenticator; readonly registered: RegisteredPasskey };
type Ceremony = Partial<Parameters<Authenticator['get']>[1]>;

export const cookieOf = ({ setCookie }: { readonly setCookie: readonly string[] }): string =>
  setCookie.map((line) => line.split(';', 1)[0]).join('; ');

export type FactorsHarness = Awaited<ReturnType<typeof openFactorsHarness>>;

export async function openFactorsHarness(env: Readonly<Record<string, string>> = {}) {
  const { deps, pool, poll, rows, close } = await openPeopleHarness({ env });
  const copy = { ports: deps, stores: { pools: { main: pool } } };
  /** Of all users of this harness. */
  const password = newPassword();
  const digest = await deps.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });
  const origin = deps.mailer.publicUrl;

  /** The caller of a session cookie. */
  async function callerBy(cookie: string): Promise<PersonCaller> {
    const caller = await sessionCaller(deps, cookie, request);
    if (caller?.kind !== 'user') throw new Error('no session');
    return caller;
  }
  async function opened(id: string, email: string, assurance: TestAssurance = PASSWORD_ALONE): Promise<Holder> {
    const { sessionId, cookie } = await openSessionFor(copy, id, assurance);
    return { id, email, sessionId, cookie, caller: await callerBy(cookie) };
  }
  const signed = (
    key: Authenticator,
    how: 'create' | 'get',
    { options, challenge }: PasskeyOptions,
    ceremony: Ceremony,
  ): PasskeyResponse => ({
    challenge,
    response: key[how](options as never, { origin, ...ceremony }) as PasskeyResponse['response'],
  });
  /** A signed-in user whose only factor is the password. */
  const person = async (): Promise<Holder> => {
    const email = newEmail();
    return opened(await insertPerson(copy, email, digest), email);
  };
  /** What a browser sends to register this key for the caller. */
  const newKey = async (key: Authenticator, caller: Caller, ceremony: Ceremony = {}) => ({
    ...signed(key, 'create', await preparePasskey(deps, {}, caller), ceremony),
    name: 'a key',
  });

  return {
    pool,
    poll,
    deps,
    password,
    digest,
    rows,
    callerBy,
    person,
    newKey,
    /** A user signed in with an authenticator app, one code of which is used. */
    appHolder: async (): Promise<AppHolder> => {
      const email = newEmail();
      const id = await insertPerson(copy, email, digest);
      const secret = randomBytes(24).toString('base64url');
      const codes = newRecoveryCodes(deps.random);
      const sealed = [await deps.auth.factors.seal(secret), await deps.auth.factors.seal(JSON.stringify(codes))];
      await rows(
        `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified, "codesLeft") VALUES ($1, $2, $3, $4, true, 10)`,
        [randomUUID(), id, ...sealed],
      );
      return { ...(await opened(id, email, TWO_FACTORS)), uri: uriOf(secret), codes };
    },
    /** A user signed in with a passkey, the only second factor. */
    keyHolder: async (key = createAuthenticator()): Promise<KeyHolder> => {
      const { id, email, caller } = await person();
      const registered = await registerPasskey(deps, await newKey(key, caller), caller);
      const cookie = cookieOf(registered.signedIn);
      const { session } = registered.signedIn.body;
      return { id, email, sessionId: session.id, cookie, caller: await callerBy(cookie), key, registered };
    },
    /** What a browser sends to sign in by this key. */
    assertion: async (key: Authenticator, ceremony: Ceremony = {}) =>
      signed(key, 'get', await askForPasskey(deps), ceremony),
    close,
  };
}
