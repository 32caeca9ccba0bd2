import type { KeyRing } from '#services/core/keys/key-ring.ts';
import { createVault } from '#services/platform/crypto/vault.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import type { Profile } from './profile.ts';
import type { AccountValues } from './social.store.ts';

type Secrets = { readonly keyRing: Pick<KeyRing, 'secret'> };

/**
 * Column values of a linked account. Tokens are stored as `<key version>.<sealed>`, which can be unsealed for this
 * account only.
 */
export function accountValuesOf({ keyRing }: Secrets, { providerId, accountId, tokens }: Profile): AccountValues {
  const { version, key } = keyRing.secret('provider_token');
  const vault = createVault(key);
  const sealed = (kind: string, token: string | undefined): string | null =>
    token === undefined
      ? null
      : `${version}.${vault.seal(Buffer.from(token), tokenContext(kind, providerId, accountId))}`;
  return {
    providerId,
    accountId,
    scope: tokens.scopes === undefined ? null : cutText(tokens.scopes.join(' '), 2_048),
    accessToken: sealed('access', tokens.accessToken),
    refreshToken: sealed('refresh', tokens.refreshToken),
    idToken: sealed('id', tokens.idToken),
    accessTokenExpiresAt: tokens.accessTokenExpiresAt ?? null,
    refreshTokenExpiresAt: tokens.refreshTokenExpiresAt ?? null,
  };
}

/** Context that binds a sealed token to its account. */
const tokenContext = (kind: string, providerId: string, accountId: string): string =>
  `provider token ${kind} ${providerId} ${accountId}`;
