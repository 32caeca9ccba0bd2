import { type ClientKeySets, createClientKeySets } from '#services/core/oauth/assertions/client-key-sets.ts';
import type { GuardedFetch } from '#services/core/oauth/guarded-fetch.ts';
import type { Clock } from '#services/core/ports.ts';
import { isLoopbackUrl, type LegacySettings } from '#services/platform/config/legacy.ts';

/** The provider that this installation replaces. */
export type LegacyIssuer = {
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Null: tokens are signed with the shared secret. */
  readonly jwksUri: string | null;
  readonly sharedSecret: string | null;
  /** Kind of the import whose ids are its subjects; null: the only one. */
  readonly provider: string | null;
  /** Milliseconds since 1970; null: without an end. */
  readonly untilMs: number | null;
  readonly keySets: Pick<ClientKeySets, 'decideByKeys'>;
};

export type HasLegacyIssuer = { readonly legacyIssuer: LegacyIssuer | null };

/**
 * Reads the settings of the old provider; null if there is none. Its keys are read through the outbound guard, kept for
 * ten minutes, and for an hour if they cannot be read again.
 */
export function createLegacyIssuer(
  settings: LegacySettings,
  { clock }: { readonly clock: Pick<Clock, 'monotonic'> },
  fetchGuarded: GuardedFetch,
): LegacyIssuer | null {
  const { issuer, jwksUri, sharedSecret, audiences, provider, bridgeUntil } = settings;
  if (issuer === undefined) return null;
  // Only the development profile starts with an http URL of this machine.
  const allowsPrivate = jwksUri?.startsWith('http:') === true && isLoopbackUrl(jwksUri);
  return {
    issuer,
    audiences,
    jwksUri: jwksUri ?? null,
    sharedSecret: sharedSecret ?? null,
    provider: provider ?? null,
    untilMs: bridgeUntil?.getTime() ?? null,
    keySets: createClientKeySets({ clock, allowsPrivate }, fetchGuarded),
  };
}
