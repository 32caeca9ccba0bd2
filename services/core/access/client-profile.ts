import type { AsymmetricAlgorithm } from '../keys/algorithm-shapes.ts';
import { usesCertificate } from './client-auth-shapes.ts';
import type { ClientSettingsRow } from './client-record.ts';
import { DEVICE_GRANT } from './grant-shapes.ts';

export type ProfileSettings = Pick<
  ClientSettingsRow,
  | 'profile'
  | 'dpop_bound_access_tokens'
  | 'tls_client_certificate_bound_access_tokens'
  | 'require_pushed_authorization_requests'
  | 'pkce'
  | 'refresh_rotation'
>;

/** Settings as a request names them: an undefined one changes nothing. */
export type ProfileChanges = { readonly [Member in keyof ProfileSettings]?: ProfileSettings[Member] | undefined };

/** A client for which nothing is named. */
export const PLAIN_SETTINGS: ProfileSettings = {
  profile: 'default',
  dpop_bound_access_tokens: false,
  tls_client_certificate_bound_access_tokens: false,
  require_pushed_authorization_requests: false,
  pkce: 'required',
  refresh_rotation: 'on',
};

/**
 * The settings after a change. Naming `fapi2` sets what FAPI 2.0 §5.3.2 requires, as far as the change does not name it:
 * pushed requests, PKCE, no rotation of refresh tokens, and bound tokens: to a certificate if the client authenticates by
 * one, else to a DPoP key. A binding that the client has, or that the change names, is enough.
 */
export function settingsAfter(before: ProfileSettings, changes: ProfileChanges, authMethod: string): ProfileSettings {
  const kept = before as Readonly<Record<string, unknown>>;
  const asked = changes as Readonly<Record<string, unknown>>;
  const isBound =
    before.dpop_bound_access_tokens ||
    (changes.tls_client_certificate_bound_access_tokens ?? before.tls_client_certificate_bound_access_tokens);
  const bindsCertificate =
    usesCertificate(authMethod) &&
    changes.dpop_bound_access_tokens !== true &&
    changes.tls_client_certificate_bound_access_tokens !== false;
  const binding = bindsCertificate
    ? { tls_client_certificate_bound_access_tokens: true }
    : { dpop_bound_access_tokens: true };
  const demanded: Readonly<Record<string, unknown>> =
    changes.profile === 'fapi2'
      ? {
          require_pushed_authorization_requests: true,
          pkce: 'required',
          refresh_rotation: 'off',
          ...(isBound ? {} : binding),
        }
      : {};
  const names = Object.keys(PLAIN_SETTINGS);
  return Object.fromEntries(
    names.map((name) => [name, asked[name] ?? demanded[name] ?? kept[name]]),
  ) as unknown as ProfileSettings;
}

/** Seconds: of programs that a user runs several of at once, all with one sign-in. */
export const PROGRAM_COPIES = 43_200;

/**
 * `refresh_copies` of a new client that names none. A native application is a public client all of whose redirect URIs lead
 * to the user's machine (RFC 8252 §7.1, §7.3), or that signs in by a device code alone.
 */
export function initialCopies(
  authMethod: string,
  {
    grant_types: grants = [],
    redirect_uris: uris = [],
  }: { readonly [Member in 'grant_types' | 'redirect_uris']?: readonly string[] | undefined },
): number {
  const isNative = uris.length > 0 ? uris.every((uri) => !uri.startsWith('https:')) : grants.includes(DEVICE_GRANT);
  return authMethod === 'none' && isNative ? PROGRAM_COPIES : 0;
}

/** Of the ID tokens and access tokens of a client; null: the default of the installation. */
export type ClientAlgorithms = Pick<
  ClientSettingsRow,
  'id_token_signed_response_alg' | 'access_token_signed_response_alg'
>;
export type AlgorithmChanges = { readonly [Member in keyof ClientAlgorithms]?: ClientAlgorithms[Member] | undefined };

/**
 * The algorithms after a change. FAPI 2.0 §5.4.1 forbids RS256: naming `fapi2` gives the client another algorithm that
 * signs here, as far as the change does not name one, so that a later change of the default does not reach it. While the
 * client has the profile, null gives it that algorithm too, because the default may be RS256.
 * @param signed the algorithms that a client can be registered for
 */
export function algorithmsAfter(
  before: ClientAlgorithms & Pick<ProfileSettings, 'profile'>,
  changes: AlgorithmChanges & Pick<ProfileChanges, 'profile'>,
  signed: readonly AsymmetricAlgorithm[],
): ClientAlgorithms {
  const isFapi = (changes.profile ?? before.profile) === 'fapi2';
  const own = isFapi ? (signed.find((algorithm) => algorithm !== 'RS256') ?? null) : null;
  const after = (member: keyof ClientAlgorithms): AsymmetricAlgorithm | null => {
    const [asked, kept] = [changes[member], before[member]];
    if (asked !== undefined) return asked ?? own;
    const isToReplace = changes.profile === 'fapi2' && (kept === null || kept === 'RS256');
    return isToReplace ? (own ?? kept) : kept;
  };
  return {
    id_token_signed_response_alg: after('id_token_signed_response_alg'),
    access_token_signed_response_alg: after('access_token_signed_response_alg'),
  };
}
