import type { AsyncLocalStorage } from 'node:async_hooks';
import { isAPIError } from 'better-auth/api';
import { symmetricDecrypt, symmetricEncrypt } from 'better-auth/crypto';
import type { RequestContext } from '#services/domain/ports.ts';
import type { ErrorFactory } from '#services/platform/define/error.ts';
import { factorConflict, passkeyRefused } from '../contracts/factors-errors.ts';
import type { FactorProof } from '../users/factor-proof.ts';
import type { createAuthEngine } from './auth-engine.ts';
import { OFFERED_ALGORITHMS } from './cose-key.ts';
import { engineHeaders, HANDED_OVER, type Handover, required } from './handover.ts';
import type { OpenedSession } from './live-session.ts';
import { proofOf } from './passkey-plugin.ts';

type Engine = ReturnType<typeof createAuthEngine>;

/** Options for navigator.credentials (WebAuthn §5.4, §5.5), and the plugin's signed challenge. */
export type PasskeyOptions = { readonly options: Readonly<Record<string, unknown>>; readonly challenge: string };

/** The credential that the browser returned, as JSON (WebAuthn §5.1), with the signed challenge. */
export type PasskeyResponse = {
  readonly challenge: string;
  readonly response: Readonly<Record<string, unknown>>;
};

/** The parts of Better Auth's second-factor plugins that our use-cases use. */
export type AuthFactors = {
  /** Encrypts with the plugin's key, as the plugin does for its rows. */
  seal(plain: string): Promise<string>;
  open(sealed: string): Promise<string>;
  /** Creates a secret and recovery codes, not confirmed yet, for an account whose password was verified. */
  enableTotp(
    input: { readonly userId: string; readonly verifiedDigest: string },
    request: RequestContext,
  ): Promise<{ readonly totpUri: string; readonly recoveryCodes: readonly string[] }>;
  passkeyRegistration(input: { readonly userId: string }, request: RequestContext): Promise<PasskeyOptions>;
  /**
   * Registers a passkey, and returns it with the proof of its ceremony. Call inside `transact`.
   * Throws `passkey_refused`, `factor_conflict`.
   */
  registerPasskey(
    input: PasskeyResponse & { readonly userId: string; readonly name: string },
    request: RequestContext,
  ): Promise<{ readonly id: string; readonly proof: FactorProof }>;
  passkeyAuthentication(request: RequestContext): Promise<PasskeyOptions>;
  /**
   * Opens or renews a two-factor session for the owner of the passkey. Call inside `transact`. Throws `passkey_refused`,
   * also if the session to renew is another user's.
   */
  signInWithPasskey(
    input: PasskeyResponse & Pick<Handover, 'expiresAt' | 'renews'>,
    request: RequestContext,
  ): Promise<OpenedSession>;
};

const CHALLENGE_COOKIE = 'better-auth-passkey';

/** Replaces a refusal by the plugin with this error; other errors are unchanged. */
const refusedAs =
  (refusal: ErrorFactory) =>
  (err: unknown): never => {
    throw isAPIError(err) ? refusal({ cause: err }) : err;
  };

/** The user handle that an authenticator stores and returns with a passkey (WebAuthn §5.4.3): at most 64 bytes. */
const userHandleOf = (userId: string): string => Buffer.from(userId).toString('base64url');

/** What the plugin made of a request, with the cookie of its challenge. */
type Made = { headers: Headers | null | undefined; response: unknown };

/**
 * The plugin keeps its signed challenge in a cookie. Our endpoints have it in the body, so that native apps can send it.
 */
function optionsOf(cookieName: string, { headers, response }: Made, change: () => object): PasskeyOptions {
  const begin = `${cookieName}=`;
  const line = required(headers?.getSetCookie().find((each) => each.startsWith(begin)));
  const challenge = line.slice(begin.length).replace(/;.*/, '');
  const options = response as Readonly<Record<string, unknown>>;
  return { options: { ...options, ...change() }, challenge };
}

export function createAuthFactors(
  engine: Engine,
  handover: AsyncLocalStorage<Handover>,
  open: (
    given: Pick<Handover, 'expiresAt' | 'renews'>,
    call: () => Promise<{ headers: Headers | null | undefined }>,
  ) => Promise<OpenedSession>,
): AuthFactors {
  const keyOf = async () => (await engine.$context).secretConfig;
  const cookieName = async (): Promise<string> => (await engine.$context).createAuthCookie(CHALLENGE_COOKIE).name;

  /** Runs `work` as a user authenticated by a use-case. @param knownAs changes what a plugin learns about the user */
  async function actingFor<T>(
    userId: string,
    given: Partial<Handover>,
    work: (user: { readonly email: string }) => Promise<T>,
    knownAs: { readonly email?: string } = {},
  ): Promise<T> {
    const { internalAdapter } = await engine.$context;
    const user = required(await internalAdapter.findUserById(userId));
    const session = { id: '', userId, token: '', createdAt: new Date(), expiresAt: new Date(Date.now() + 60_000) };
    const as = { user: { ...user, ...knownAs }, session } as unknown as NonNullable<Handover['as']>;
    const afterCommit = handover.getStore()?.afterCommit ?? null;
    return handover.run({ ...given, afterCommit, as }, () => work(user));
  }

  const withProof = async (made: Made, change: () => object): Promise<PasskeyOptions> =>
    optionsOf(await cookieName(), made, change);

  async function headersWith(challenge: string, request: RequestContext): Promise<Headers> {
    const headers = engineHeaders(request);
    headers.set('cookie', `${await cookieName()}=${challenge}`);
    return headers;
  }

  return {
    seal: async (plain) => symmetricEncrypt({ key: await keyOf(), data: plain }),
    open: async (sealed) => symmetricDecrypt({ key: await keyOf(), data: sealed }),
    enableTotp: ({ userId, verifiedDigest }, request) =>
      actingFor(userId, { verifiedDigest }, async () => {
        const made = await engine.api
          .enableTwoFactor({ body: { password: HANDED_OVER, method: 'totp' }, headers: engineHeaders(request) })
          .catch(refusedAs(factorConflict));
        const { totpURI, backupCodes } = made as Extract<typeof made, { method: 'totp' }>;
        return { totpUri: totpURI, recoveryCodes: backupCodes };
      }),
    passkeyRegistration: ({ userId }, request) =>
      actingFor(
        userId,
        {},
        async ({ email }) =>
          withProof(
            await engine.api.generatePasskeyRegistrationOptions({
              headers: engineHeaders(request),
              returnHeaders: true,
            }),
            () => ({
              user: { id: userHandleOf(userId), name: email, displayName: email },
              pubKeyCredParams: OFFERED_ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
            }),
          ),
        // The plugin stores a name with its challenge: without an address, the user's id.
        { email: '' },
      ),
    registerPasskey: ({ userId, challenge, response, name }, request) =>
      actingFor(userId, {}, async () => {
        const made = await engine.api
          .verifyPasskeyRegistration({ body: { response, name }, headers: await headersWith(challenge, request) })
          .catch(refusedAs(passkeyRefused));
        return { id: made.id, proof: proofOf(made.deviceType) };
      }),
    passkeyAuthentication: async (request) =>
      withProof(
        await engine.api.generatePasskeyAuthenticationOptions({
          headers: engineHeaders(request),
          returnHeaders: true,
        }),
        () => ({ userVerification: 'required' }),
      ),
    signInWithPasskey: async ({ challenge, response, ...given }, request) => {
      const headers = await headersWith(challenge, request);
      const opened = await open(given, () =>
        engine.api
          .verifyPasskeyAuthentication({ body: { response: response as never }, headers, returnHeaders: true })
          .catch(refusedAs(passkeyRefused)),
      );
      const { userHandle } = response.response as { readonly userHandle?: unknown };
      // WebAuthn §7.2 step 6: no user was identified before the ceremony, so the user handle must name the owner.
      if (userHandle !== userHandleOf(opened.user.id)) throw passkeyRefused();
      return opened;
    },
  };
}
