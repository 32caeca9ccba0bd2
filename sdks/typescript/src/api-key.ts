import { ApiUnavailable, fetchText } from './bounded-fetch.ts';
import { refuse, VerifierError } from './codes.ts';
import { LIMITS } from './generated/contract.ts';
import { settingsOf } from './options.ts';
import { isObject, parseStrictObject } from './strict-json.ts';

export type ApiKeyVerifierOptions = {
  /** Address of the API, as `iss` has it. */
  readonly issuer: string;
  /** Base URL of the API as this service reaches it; by default the issuer. It must be https, except on loopback. */
  readonly url?: string;
  /** Allows `url` to be http on a trusted network: keys are sent to it. */
  readonly allowHttp?: boolean;
  /** Audience of the application whose permissions to show; without it, all permissions of the key. */
  readonly audience?: string;
  /** Limit of one request, in seconds; 2 by default. */
  readonly timeout?: number;
  readonly fetch?: typeof fetch;
};

/** What the API knows about an active key, by the names of the claims of an access token. */
export type ApiKeyClaims = {
  readonly iss: string;
  readonly aud: readonly string[];
  /** The user or client that owns the key. */
  readonly sub: string;
  readonly client_id: string;
  readonly api_key_id: string;
  /** Unix seconds. */
  readonly exp: number;
  readonly scope: string;
  readonly permissions: readonly string[];
};

export type ApiKeyVerifier = {
  /**
   * Asks the API about a key, each time: a revoked key is refused within a second. Throws VerifierError: `unauthenticated`
   * (401) if the key is not active, `permission_missing` (403), `revocation_state_stale` (503) if the API cannot answer.
   * @param permissions all of which the key must have
   */
  verify(key: string, permissions?: readonly string[]): Promise<ApiKeyClaims>;
};

/** Null for a key that is not active. Throws ApiUnavailable for an answer that is not a JSON object. */
function claimsIn(text: string): ApiKeyClaims | null {
  const answer = parseStrictObject(text);
  if (answer === null) throw new ApiUnavailable('/v1/api-keys/verify answered without a JSON object');
  const { active, claims } = answer;
  const isFormed = isObject(claims) && typeof claims.sub === 'string' && Array.isArray(claims.permissions);
  return active === true && isFormed ? (claims as ApiKeyClaims) : null;
}

/**
 * Verifies API keys that a service is shown, by `POST /v1/api-keys/verify`. Throws TypeError for wrong options, such as a
 * `url` without TLS.
 * @example
 * const keys = createApiKeyVerifier({ issuer: 'https://auth.example.com', audience: 'https://notes.example' });
 * const { sub } = await keys.verify(key, ['notes:read']);
 */
export function createApiKeyVerifier(options: ApiKeyVerifierOptions): ApiKeyVerifier {
  const { audience } = options;
  const { api, fetch, timeout } = settingsOf({ ...options, feed: 'off' });
  const ask = (key: string): Promise<{ readonly text: string }> =>
    fetchText({
      fetch,
      url: `${api}/v1/api-keys/verify`,
      init: {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(audience === undefined ? { key } : { key, audience }),
      },
      timeoutMs: timeout * 1_000,
      maximumBytes: LIMITS.introspectionBytes,
    });
  return {
    verify: async (key, permissions = []) => {
      if (key === '' || key.length > LIMITS.headerCharacters) throw new VerifierError(refuse('unauthenticated'));
      let claims: ApiKeyClaims | null;
      try {
        claims = claimsIn((await ask(key)).text);
      } catch (err) {
        if (err instanceof ApiUnavailable) throw new VerifierError(refuse('revocation_state_stale'));
        throw err;
      }
      if (claims === null) throw new VerifierError(refuse('unauthenticated'));
      const { permissions: held } = claims;
      if (!permissions.every((permission) => held.includes(permission)))
        throw new VerifierError(refuse('permission_missing'));
      return claims;
    },
  };
}
