import type { OAuth2Tokens, OAuthProvider } from '@better-auth/core/oauth2';
import { socialProviders as known } from '@better-auth/core/social-providers';
import { genericOAuth } from 'better-auth/plugins/generic-oauth';
import { guardingFetch } from '#services/platform/http/outbound.ts';
import { socialProviderUnavailable, socialSignInRefused } from '../contracts/social-errors.ts';
import { assertSameSubject, checkIdToken } from './id-token.ts';
import { type Profile, profileOf } from './profile.ts';

type ProviderSettings = {
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  /** Issuer of an OpenID provider; without it, the name must be one that Better Auth knows. */
  readonly issuer?: string | undefined;
  readonly scopes?: readonly string[] | undefined;
  /** Further options of Better Auth's provider of this name (`tenantId`, `userPoolId`, …). */
  readonly options?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Allows this provider on a private network. */
  readonly allowPrivateAddresses?: boolean | undefined;
};

/** Binds the provider's answer to our request; made for one attempt in one browser. */
export type Proof = { readonly codeVerifier: string; readonly nonce: string };

type SocialProvider = {
  /** Undefined for a provider that Better Auth knows by its name. */
  readonly issuer: string | undefined;
  /** The address to redirect the browser to. Throws `social_provider_unavailable` (503). */
  authorizationUrl(request: Proof & { readonly state: string }): Promise<string>;
  /**
   * Exchanges a code and reads its user. `issuer` is RFC 9207's `iss`, if the answer had one: a provider that
   * promises it must send it. Throws
   * `social_sign_in_refused` (400) for an invalid code, ID token or issuer, `social_provider_unavailable` (503).
   */
  redeem(answer: Proof & { readonly code: string; readonly issuer?: string | undefined }): Promise<Profile>;
};

export type SocialProviders = {
  readonly ownOrigin: string;
  readonly names: readonly string[];
  /** Undefined if the name is not configured. */
  provider(name: string): SocialProvider | undefined;
};

export type HasSocialProviders = { readonly socialProviders: SocialProviders };

/** The configured providers; each is discovered when it is first used. Throws for an unknown name. */
export function createSocialProviders(
  settings: Readonly<Record<string, ProviderSettings>>,
  baseUrl: string,
): SocialProviders {
  const providers = new Map(
    Object.entries(settings).map(([name, each]) => [
      name,
      createProvider(name, each, `${baseUrl}/api/auth/callback/${name}`),
    ]),
  );
  return { ownOrigin: new URL(baseUrl).origin, names: [...providers.keys()], provider: (name) => providers.get(name) };
}

/**
 * Problems in the settings of each provider that can be found without contacting it: an unknown name or a missing
 * option. They contain no value.
 */
export async function socialProviderProblems(
  settings: Readonly<Record<string, ProviderSettings>>,
  baseUrl: string,
): Promise<{ readonly name: string; readonly problem: string }[]> {
  const problems = Object.entries(settings).map(async ([name, each]) => ({
    name,
    problem: await problemOf(name, each, baseUrl).catch((err: Error) => err.message),
  }));
  return (await Promise.all(problems)).flatMap(({ name, problem }) => (problem === null ? [] : [{ name, problem }]));
}

/** Providers known by name build their authorization URL from the settings alone. */
async function problemOf(name: string, settings: ProviderSettings, baseUrl: string): Promise<string | null> {
  createProvider(name, settings, baseUrl);
  if (settings.issuer !== undefined) return settings.options === undefined ? null : 'takes no options beside an issuer';
  const url = await knownProvider(name, settings).createAuthorizationURL({
    state: 'state',
    codeVerifier: 'v'.repeat(43),
    redirectURI: baseUrl,
    scopes: [],
    idTokenNonce: 'nonce',
  });
  const missing = [...url.searchParams].filter(([, value]) => value === 'undefined').map(([parameter]) => parameter);
  return missing.length === 0 ? null : `has no ${missing.join(', no ')}`;
}

type Known = Readonly<Record<string, (options: object) => OAuthProvider>>;

/** Throws if a required setting is missing. */
const knownProvider = (name: string, { clientId, clientSecret, options }: ProviderSettings): OAuthProvider =>
  (known as unknown as Known)[name]?.({ ...options, clientId, clientSecret }) as OAuthProvider;

/** `namesIssuer`: whether each of its answers has RFC 9207's `iss`. */
type Found = { readonly provider: OAuthProvider; readonly namesIssuer: boolean };

/** OpenID providers built into Better Auth whose ID token contains the nonce of the request. */
const NAMES_NONCE = new Set(['google']);

function createProvider(name: string, settings: ProviderSettings, redirectURI: string): SocialProvider {
  const { issuer, scopes = [], allowPrivateAddresses: allowsPrivate = false } = settings;
  if (name === 'credential' || (issuer === undefined && !Object.hasOwn(known, name)))
    throw new Error(`${name} is not a known provider; set its issuer`);
  let found: Promise<Found> | undefined;

  async function load(): Promise<Found> {
    if (issuer === undefined) return { provider: knownProvider(name, settings), namesIssuer: false };
    // First, because Better Auth does not say why it could not read the metadata.
    const namesIssuer = await saysThatItNamesItself(issuer);
    const provider = await discover(name, { ...settings, issuer });
    if (provider === undefined) throw new NotDiscovered('metadata_unusable');
    if (provider.issuer !== issuer) throw new NotDiscovered('issuer_differs');
    return { provider, namesIssuer };
  }

  /** An error between us and the provider is neither our defect nor the user's fault. */
  const asking = <T>(work: (provider: OAuthProvider, namesIssuer: boolean) => Promise<T>): Promise<T> =>
    guardingFetch({ allowsPrivate }, async () => {
      found ??= load();
      const { provider, namesIssuer } = await found.catch((err: unknown) => {
        found = undefined;
        throw socialProviderUnavailable({ retryAfterSeconds: 5, cause: err });
      });
      return work(provider, namesIssuer);
    });

  return {
    issuer,
    authorizationUrl: ({ state, codeVerifier, nonce }) =>
      asking(async (provider) => {
        const url = await provider.createAuthorizationURL({
          state,
          codeVerifier,
          redirectURI,
          scopes: [...scopes],
          idTokenNonce: nonce,
        });
        if (needsNonce(name, provider)) url.searchParams.set('nonce', nonce);
        return url.toString();
      }),
    redeem: (answer) =>
      asking(async (provider, namesIssuer) => {
        const isOther =
          answer.issuer !== undefined && provider.issuer !== undefined && answer.issuer !== provider.issuer;
        // RFC 9207 §2.4: an attacker could leave out the `iss` of another provider.
        if (isOther || (namesIssuer && answer.issuer === undefined)) throw socialSignInRefused();
        const { code, codeVerifier, nonce } = answer;
        const exchanged = await provider
          .validateAuthorizationCode({ code, codeVerifier, redirectURI })
          .catch((err: unknown) => {
            throw refusalOf(err);
          });
        const tokens = given(exchanged);
        const terms = { clientId: settings.clientId, nonce, isNonceNeeded: needsNonce(name, provider) };
        const subject = await checkIdToken(provider, tokens.idToken, terms);
        const read = await userOf(provider, tokens, nonce).catch((err: unknown) => {
          throw socialProviderUnavailable({ retryAfterSeconds: 5, cause: err });
        });
        const { user, data, account } = given(read);
        assertSameSubject(subject, data);
        return profileOf(name, {
          subject: account,
          email: user.email,
          emailVerified: user.emailVerified,
          name: user.name,
          tokens,
        });
      }),
  };
}

const needsNonce = (name: string, provider: OAuthProvider): boolean =>
  provider.requiresIdTokenNonce === true || NAMES_NONCE.has(name);

/** The provider's user info and its id of the account; null if it returns nothing. */
async function userOf(provider: OAuthProvider, tokens: OAuth2Tokens, nonce: string) {
  const read = await provider.getUserInfo({ ...tokens, expectedIdTokenNonce: nonce });
  return read && { ...read, account: await provider.accountSubject({ tokens, profile: read.data as never }) };
}

/** The provider's answer. Throws `social_sign_in_refused` if it is empty. */
function given<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw socialSignInRefused();
  return value;
}

/** Whether the provider refused the code (RFC 6749 §5.2) or could not be reached. */
function refusalOf(err: unknown): Error {
  const status = (err as { status?: unknown }).status;
  return typeof status === 'number' && status >= 400 && status < 500
    ? socialSignInRefused({ cause: err })
    : socialProviderUnavailable({ retryAfterSeconds: 5, cause: err });
}

const ignore = (): void => {};
const silent = { error: ignore, warn: ignore, info: ignore, debug: ignore };

const discoveryUrlOf = (issuer: string): string => `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;

/** Why the metadata of a provider are of no use. The log shows the code, and nothing that the provider wrote. */
class NotDiscovered extends Error {
  readonly code: `answered_${number}` | 'issuer_differs' | 'metadata_unusable';
  constructor(code: NotDiscovered['code']) {
    super('the provider was not discovered');
    this.name = 'NotDiscovered';
    this.code = code;
  }
}

/** Whether its metadata promise RFC 9207's `iss` (§3); Better Auth does not pass this on. */
async function saysThatItNamesItself(issuer: string): Promise<boolean> {
  const answer = await fetch(discoveryUrlOf(issuer));
  if (!answer.ok) throw new NotDiscovered(`answered_${answer.status}`);
  const metadata: unknown = await answer.json();
  return (
    (metadata as { authorization_response_iss_parameter_supported?: unknown } | null)
      ?.authorization_response_iss_parameter_supported === true
  );
}

/** OpenID Connect Discovery by Better Auth's plugin; undefined if the metadata lack what a sign-in needs. */
async function discover(
  name: string,
  { clientId, clientSecret, issuer }: ProviderSettings & { readonly issuer: string },
): Promise<OAuthProvider | undefined> {
  const plugin = genericOAuth({
    config: [
      {
        providerId: name,
        discoveryUrl: discoveryUrlOf(issuer),
        clientId,
        ...(clientSecret === undefined ? { tokenEndpointAuth: { method: 'none' as const } } : { clientSecret }),
        scopes: ['openid', 'email', 'profile'],
        pkce: true,
        requireIdTokenVerification: true,
      },
    ],
  });
  const { context } = await plugin.init({ logger: silent, socialProviders: [], baseURL: '' } as never);
  return context.socialProviders[0] as OAuthProvider | undefined;
}
