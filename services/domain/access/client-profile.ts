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
