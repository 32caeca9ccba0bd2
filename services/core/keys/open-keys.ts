import type { KeyObject } from 'node:crypto';
import type { VerificationKey } from '../jws/verify-signature.ts';
import type { Vault } from '../ports.ts';
import { assertStrength, signingKeyOf, verificationKeyOf } from './key-material.ts';
import { destroysAt, sharedSecretPurpose } from './key-timeline.ts';
import type { KeyRow } from './keys.store.ts';

type Verifier = {
  readonly key: VerificationKey;
  readonly compromised: boolean;
  /** Milliseconds; the key is unknown afterwards. */
  readonly until: number;
};

export type Signer = {
  readonly row: KeyRow;
  readonly key: KeyObject;
  readonly until: number;
  /** Base64url protected header with its dot, by typ. */
  readonly headers: Map<string, string>;
};

export type OpenKeys = {
  /** By kid. A Map, never an object: a kid comes from a token and may be `__proto__`. */
  readonly verifiers: ReadonlyMap<string, Verifier>;
  readonly signers: ReadonlyMap<string, readonly Signer[]>;
};

export const noKeys: OpenKeys = { verifiers: new Map(), signers: new Map() };

const audienceOf = (row: KeyRow): string | undefined =>
  row.alg === 'HS256' ? row.purpose.slice(sharedSecretPurpose('').length) : undefined;

/**
 * Key objects of the rows that still verify or sign. Objects of the previous ring are reused, so that results cached by
 * key object stay valid and nothing is unsealed twice.
 * @throws KeyMaterialError for a row that does not open or is too weak
 */
export function openKeys(vault: Vault, rows: readonly KeyRow[], nowMs: number, before: OpenKeys): OpenKeys {
  const verifiers = new Map<string, Verifier>();
  const signers = new Map<string, Signer[]>();
  for (const row of rows) {
    const until = row.leaves_at ?? Number.POSITIVE_INFINITY;
    const isDestroyed = row.sealed_private_key === '';
    if (until <= nowMs || (row.alg === 'HS256' && isDestroyed)) continue;
    const compromised = row.compromised_at !== null;
    const key = before.verifiers.get(row.kid)?.key ?? verificationKeyOf(vault, row, audienceOf(row));
    if (!compromised) assertStrength(row, key.key);
    verifiers.set(row.kid, { key, compromised, until });
    if (compromised || isDestroyed || nowMs >= (destroysAt(row) ?? Number.POSITIVE_INFINITY)) continue;
    const known = before.signers.get(row.purpose)?.find((signer) => signer.row.kid === row.kid);
    const signer: Signer = {
      row,
      key: known?.key ?? signingKeyOf(vault, row),
      until: row.signs_until ?? Number.POSITIVE_INFINITY,
      headers: known?.headers ?? new Map(),
    };
    signers.set(row.purpose, [...(signers.get(row.purpose) ?? []), signer]);
  }
  return { verifiers, signers };
}
