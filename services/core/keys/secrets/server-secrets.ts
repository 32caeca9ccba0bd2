import type { Vault } from '#services/core/ports.ts';
import { openSealed } from '../key-material.ts';
import type { SecretRow } from '../keys.store.ts';

/** Refresh-token MAC, password pepper, keyed hashes of addresses and agents, double-submit tokens, known devices, tokens of other providers. */
export const serverSecretPurposes = ['refresh', 'pepper', 'identifier', 'csrf', 'device', 'provider_token'] as const;
export type ServerSecretPurpose = (typeof serverSecretPurposes)[number];

/** Stored values depend on these for as long as they are stored: no version is ever destroyed. */
export const isKeptForever = (purpose: string): boolean =>
  purpose === 'pepper' || purpose === 'identifier' || purpose === 'provider_token';

export const SERVER_SECRET_BYTES = 32;
export const serverSecretContext = (purpose: string, version: number): string => `server_secret:${purpose}:${version}`;

type Version = { readonly version: number; readonly key: Buffer; readonly activatesAt: number };

export type ServerSecrets = {
  /** The newest active version. */
  newest(purpose: ServerSecretPurpose, nowMs: number): { readonly version: number; readonly key: Buffer };
  version(purpose: ServerSecretPurpose, version: number): Buffer | undefined;
};

/**
 * Opens every secret that is not destroyed. Secrets that are already open are kept: a copy that keeps running while
 * another re-encrypts everything under a new key-encryption key does not need the new one. Throws KeyMaterialError.
 */
export function openServerSecrets(vault: Vault, rows: readonly SecretRow[], before?: ServerSecrets): ServerSecrets {
  const versions = new Map<string, Version[]>(serverSecretPurposes.map((purpose) => [purpose, []]));
  for (const { purpose, version, sealed, activates_at: activatesAt } of rows) {
    if (sealed === '') continue;
    const key =
      before?.version(purpose as ServerSecretPurpose, version) ??
      openSealed(vault, sealed, serverSecretContext(purpose, version));
    versions.get(purpose)?.push({ version, key, activatesAt });
  }
  const of = (purpose: string): Version[] => versions.get(purpose) ?? [];
  return {
    newest(purpose, nowMs) {
      const known = of(purpose);
      for (let index = known.length - 1; index > 0; index -= 1) {
        const candidate = known[index] as Version;
        if (candidate.activatesAt <= nowMs) return candidate;
      }
      // The first version needs no activation: a copy whose clock is behind has nothing older to use.
      const [first] = known;
      if (!first) throw new Error(`no server secret for ${purpose}: ensureKeys has not run`);
      return first;
    },
    version: (purpose, version) => of(purpose).find((candidate) => candidate.version === version)?.key,
  };
}
