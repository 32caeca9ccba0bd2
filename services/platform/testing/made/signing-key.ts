// For tests only: the product's own signing key, opened as its operator could, to make tokens that only their content condemns.
import { type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SealedKey, signingKeyOf } from '../../../domain/keys/key-material.ts';
import { keyEncryptionKeyOf, loadConfig } from '../../config/load.ts';
import { createVault } from '../../crypto/vault.ts';
import type { Product } from '../product.ts';
import { queryRows } from '../rows.ts';

export type SigningKey = {
  readonly kid: string;
  readonly alg: 'RS256' | 'ES256' | 'EdDSA' | 'HS256';
  readonly privateKey: KeyObject;
};

/** The key that signs access tokens now. @param authSecret where the product was given one */
export async function openSigningKey(
  { credentials, dataDir }: Pick<Product, 'credentials' | 'dataDir'>,
  authSecret = readFileSync(join(dataDir, 'auth-secret'), 'utf8').trim(),
): Promise<SigningKey> {
  const [row] = await queryRows<SealedKey>(
    credentials.database_url,
    `SELECT id AS kid, purpose, alg, "publicKey", "privateKey" AS "sealedPrivateKey" FROM jwks
     WHERE purpose = 'access' AND signs @> now() AND compromised_at IS NULL`,
  );
  const vault = createVault(keyEncryptionKeyOf(loadConfig({ BETTER_AUTH_SECRET: authSecret }), authSecret));
  return { kid: row!.kid, alg: row!.alg, privateKey: signingKeyOf(vault, row!) };
}

export const encoded = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS of this header and payload, given as values or as JSON text, by the right algorithm of the key. */
export function signAs({ alg, privateKey }: SigningKey, header: unknown, payload: unknown): string {
  const input = `${encoded(header)}.${encoded(payload)}`;
  const key = alg === 'ES256' ? { key: privateKey, dsaEncoding: 'ieee-p1363' as const } : privateKey;
  return `${input}.${sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), key).toString('base64url')}`;
}
