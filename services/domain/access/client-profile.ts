import type { AsymmetricAlgorithm } from '../keys/algorithm-shapes.ts';
import { type ClientProfile, usesCertificate } from './client-auth-shapes.ts';

/** The settings of a client that a profile decides. */
export type ProfileSettings = {
  readonly profile: ClientProfile;
  /** RFC 9449 §5.2: every token of the client is bound to a key. */
  readonly dpopBound: boolean;
  /** RFC 8705 §3.4: every token of the client is bound to a certificate. */
  readonly certificateBound: boolean;
  /** RFC 9126 §6: the client may only send pushed authorization requests. */
  readonly pushesRequests: boolean;
  /** RFC 7636: only a confidential client that pushes no requests may do without. */
  readonly requiresPkce: boolean;
  /** Only a confidential client whose tokens are bound to a key or certificate may keep its refresh tokens. */
  readonly rotatesRefreshTokens: boolean;
};

/** Settings as a request names them: an undefined one changes nothing. */
export type ProfileChanges = { readonly [Member in keyof ProfileSettings]?: ProfileSettings[Member] | undefined };

/** A client for which nothing is named. */
export const PLAIN_SETTINGS: ProfileSettings = {
  profile: 'default',
  dpopBound: false,
  certificateBound: false,
  pushesRequests: false,
  requiresPkce: true,
  rotatesRefreshTokens: true,
};

/**
 * The settings after a change. Naming `fapi2` sets what FAPI 2.0 §5.3.2 requires, as far as the change does not name it:
 * pushed requests, PKCE, no rotation of refresh tokens, and bound tokens: to a certificate if the client authenticates by
 * one, else to a DPoP key. A binding that the client has, or that the change names, is enough.
 */
export function settingsAfter(before: ProfileSettings, changes: ProfileChanges, authMethod: string): ProfileSettings {
  const kept = before as Readonly<Record<string, unknown>>;
  const asked = changes as Readonly<Record<string, unknown>>;
  const isBound = before.dpopBound || (changes.certificateBound ?? before.certificateBound);
  const bindsCertificate =
    usesCertificate(authMethod) && changes.dpopBound !== true && changes.certificateBound !== false;
  const binding = bindsCertificate ? { certificateBound: true } : { dpopBound: true };
  const demanded: Readonly<Record<string, unknown>> =
    changes.profile === 'fapi2'
      ? {
          pushesRequests: true,
          requiresPkce: true,
          rotatesRefreshTokens: false,
          ...(isBound ? {} : binding),
        }
      : {};
  const names = Object.keys(PLAIN_SETTINGS);
  return Object.fromEntries(
    names.map((name) => [name, asked[name] ?? demanded[name] ?? kept[name]]),
  ) as unknown as ProfileSettings;
}

/** Of the ID tokens and access tokens of a client; null: the default of the installation. */
export type ClientAlgorithms = {
  readonly idTokenAlgorithm: AsymmetricAlgorithm | null;
  readonly accessTokenAlgorithm: AsymmetricAlgorithm | null;
};
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
  return { idTokenAlgorithm: after('idTokenAlgorithm'), accessTokenAlgorithm: after('accessTokenAlgorithm') };
}
