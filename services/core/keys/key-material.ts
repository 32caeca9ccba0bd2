import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import type { VerificationKey } from '../jws/verify-signature.ts';
import type { Random, Vault } from '../ports.ts';
import type { AsymmetricAlgorithm } from './algorithm-shapes.ts';
import type { KeyAlgorithm } from './key-timeline.ts';

/** Keys that must not or cannot be used. Ends start-up; `fix` is one thing to do. */
export class KeyMaterialError extends Error {
  readonly fix: string;
  constructor(message: string, fix: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KeyMaterialError';
    this.fix = fix;
  }
}

/** A key, generated and sealed, ready for its row. */
export type SealedKey = {
  readonly kid: string;
  readonly purpose: string;
  readonly alg: KeyAlgorithm;
  /** JWK as JSON text; for HS256 the sealed fingerprint of the secret, which recognises a compromised secret. */
  readonly public_key: string;
  readonly sealed_private_key: string;
};

const RSA_MODULUS_BITS = 2_048;
const SHARED_SECRET_BYTES = 32;

export const sealContext = (purpose: string, kid: string): string => `jwks:${purpose}:${kid}`;

/** Generates a key pair whose kid is its RFC 7638 thumbprint, and seals the private key (PKCS #8) for this kid and purpose. */
export async function makeKeyPair(vault: Vault, purpose: string, alg: AsymmetricAlgorithm): Promise<SealedKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: RSA_MODULUS_BITS });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  // A command line would parse a leading hyphen as an option.
  if (kid.startsWith('-')) return makeKeyPair(vault, purpose, alg);
  const pkcs8 = KeyObject.from(privateKey).export({ format: 'der', type: 'pkcs8' });
  const sealedPrivateKey = vault.seal(pkcs8, sealContext(purpose, kid));
  return { kid, purpose, alg, public_key: JSON.stringify(jwk), sealed_private_key: sealedPrivateKey };
}

/** A secret shared with one audience, under a kid that reveals nothing about it. */
export function sealSharedSecret(
  ports: { readonly vault: Vault; readonly random: Random },
  purpose: string,
  secret: Uint8Array,
): SealedKey {
  assertSharedSecret(secret);
  const kid = ports.random.bytes(16).toString('hex');
  const publicKey = ports.vault.seal(fingerprint(secret), fingerprintContext(purpose, kid));
  const sealedPrivateKey = ports.vault.seal(secret, sealContext(purpose, kid));
  return { kid, purpose, alg: 'HS256', public_key: publicKey, sealed_private_key: sealedPrivateKey };
}

const fingerprint = (secret: Uint8Array): Buffer => createHash('sha256').update(secret).digest();
export const fingerprintContext = (purpose: string, kid: string): string => `jwks_fingerprint:${purpose}:${kid}`;

/** Whether an HS256 key, destroyed or not, has exactly this secret. */
export const isSharedSecret = (vault: Vault, key: SealedKey, secret: Uint8Array): boolean =>
  timingSafeEqual(openSealed(vault, key.public_key, fingerprintContext(key.purpose, key.kid)), fingerprint(secret));

function assertSharedSecret(secret: Uint8Array): void {
  if (secret.byteLength < SHARED_SECRET_BYTES)
    throw new KeyMaterialError('an HS256 secret is shorter than 256 bits', 'set JWT_SECRET: openssl rand -base64 32');
}

/**
 * Opens a sealed value, or explains the failure.
 * @throws KeyMaterialError
 */
export function openSealed(vault: Vault, sealed: string, context: string): Buffer {
  try {
    return vault.open(sealed, context);
  } catch (cause) {
    throw anotherKeyEncryptionKey({ cause });
  }
}

export const anotherKeyEncryptionKey = (options?: ErrorOptions): KeyMaterialError =>
  new KeyMaterialError(
    'the keys in this database were sealed under another key-encryption key',
    'start with the KEY_ENCRYPTION_KEY (or the BETTER_AUTH_SECRET and SALLYPORT_DATA_DIR) that this database was first started with; to change it, set the old one as KEY_ENCRYPTION_KEY_PREVIOUS',
    options,
  );

export const openPrivatePart = (vault: Vault, key: SealedKey): Buffer =>
  openSealed(vault, key.sealed_private_key, sealContext(key.purpose, key.kid));

/** Checks the key type and strength that the algorithm requires: a weak key is rejected whatever its source. */
export function assertStrength({ kid, alg }: SealedKey, key: KeyObject): void {
  const details = key.asymmetricKeyDetails ?? {};
  const fits = {
    RS256: key.asymmetricKeyType === 'rsa' && details.modulusLength! >= RSA_MODULUS_BITS,
    ES256: key.asymmetricKeyType === 'ec' && details.namedCurve === 'prime256v1',
    EdDSA: key.asymmetricKeyType === 'ed25519',
    HS256: key.type === 'secret' && key.symmetricKeySize! >= SHARED_SECRET_BYTES,
  };
  if (!fits[alg])
    throw new KeyMaterialError(
      `key ${kid} is too weak for ${alg}, or of another type`,
      `mark it with: sallyport keys compromise ${kid}`,
    );
}

export const publicJwkOf = (key: SealedKey): JsonWebKey => JSON.parse(key.public_key) as JsonWebKey;

const publicKeyOf = (key: SealedKey): KeyObject => createPublicKey({ key: publicJwkOf(key), format: 'jwk' });

/** The key that verifies. Opens the sealed part only for HS256. */
export function verificationKeyOf(vault: Vault, key: SealedKey, audience: string | undefined): VerificationKey {
  const made = key.alg === 'HS256' ? createSecretKey(openPrivatePart(vault, key)) : publicKeyOf(key);
  return { kid: key.kid, alg: key.alg, key: made, ...(audience === undefined ? {} : { audience }) };
}

/** The key that signs; its public key must be the published one. */
export function signingKeyOf(vault: Vault, key: SealedKey): KeyObject {
  const opened = openPrivatePart(vault, key);
  if (key.alg === 'HS256') return createSecretKey(opened);
  const made = createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' });
  opened.fill(0);
  if (!createPublicKey(made).equals(publicKeyOf(key)))
    throw new KeyMaterialError(
      `private and public key of ${key.kid} do not match`,
      'restore the jwks table from a backup',
    );
  assertStrength(key, made);
  return made;
}
