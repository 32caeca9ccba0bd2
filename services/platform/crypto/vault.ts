import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Vault } from '#services/core/ports.ts';

const FORMAT = 'v1';

/** A sealed value cannot be opened: the key-encryption key or the context is another, or the bytes were changed. */
class VaultOpenError extends Error {
  constructor(context: string) {
    super(`sealed value for ${context} does not open with this key-encryption key`);
    this.name = 'VaultOpenError';
  }
}

/**
 * AES-256-GCM under a key derived from the key-encryption key. The context is authenticated with the value,
 * so a sealed value that was moved to another row cannot be opened.
 * @param keyEncryptionKey at least 32 bytes
 */
export function createVault(keyEncryptionKey: Uint8Array): Vault {
  if (keyEncryptionKey.byteLength < 32) throw new RangeError('the key-encryption key needs at least 32 bytes');
  const key = Buffer.from(hkdfSync('sha256', keyEncryptionKey, '', 'sallyport vault v1', 32));
  return {
    seal: (plain, context) => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return `${FORMAT}.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    open: (sealed, context) => {
      const [format, encoded] = sealed.split('.');
      const raw = Buffer.from(encoded ?? '', 'base64url');
      if (format !== FORMAT || raw.length < 28) throw new VaultOpenError(context);
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, raw.subarray(0, 12)).setAAD(Buffer.from(context));
        decipher.setAuthTag(raw.subarray(12, 28));
        return Buffer.concat([decipher.update(raw.subarray(28)), decipher.final()]);
      } catch {
        throw new VaultOpenError(context);
      }
    },
  };
}
