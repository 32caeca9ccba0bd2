import type { Caller, Ports } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { socialProviderUnknown } from '../contracts/social-errors.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { ATTEMPT_SECONDS, browserSecretCookie, browserSecretFor, hashOf, proofOf } from './browser-secret.ts';
import type { HasSocialProviders } from './providers.ts';
import { returnAddress } from './return-address.ts';
import { insertAttempt } from './social.store.ts';

export type StartSocialInput = {
  readonly provider: string;
  /** Where the browser goes afterwards; without it the response is JSON. */
  readonly callbackUrl?: string | undefined;
  /** The signed-in user who links an account. */
  readonly linkUserId?: string | undefined;
  readonly cookie?: string | undefined;
};

export type StartedSocial = { readonly url: string; readonly setCookie: readonly string[] };

/**
 * Starts a sign-in, or linking an account, with another provider. The callback is valid once, within ten minutes, from
 * this provider and in this browser.
 * @throws socialProviderUnknown (404), callbackRefused (400), socialProviderUnavailable (503)
 */
export async function startSocialSignIn(
  ports: Pick<Ports, 'sql' | 'random'> & HasAuth & HasSocialProviders & HasRevocations,
  input: StartSocialInput,
  _caller: Caller,
): Promise<StartedSocial> {
  assertMayIssue(ports.revocations);
  const provider = ports.socialProviders.provider(input.provider);
  if (!provider) throw socialProviderUnknown();
  const { callbackUrl: asked } = input;
  const callbackUrl =
    asked === undefined ? null : returnAddress(ports.auth.browser, ports.socialProviders.ownOrigin, asked);
  const secret = browserSecretFor(ports, input.cookie);
  const state = ports.random.bytes(32).toString('base64url');
  const url = await provider.authorizationUrl({ state, ...proofOf(secret, state) });
  const attempt = {
    browser_hash: hashOf('browser', secret),
    provider: input.provider,
    callback_url: callbackUrl,
    link_user_id: input.linkUserId ?? null,
  };
  await insertAttempt(ports.sql, hashOf('state', state), attempt, ATTEMPT_SECONDS);
  return { url, setCookie: [browserSecretCookie(ports.auth, secret)] };
}
