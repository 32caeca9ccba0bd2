import { defineSettings } from '../define/setting.ts';
import { decimalNumber, flag, oneOf, optionalText, wholeNumber } from './shapes.ts';

export const keySettings = defineSettings({
  algorithm: {
    env: 'JWT_ALGORITHM',
    schema: oneOf(['RS256', 'ES256', 'EdDSA', 'HS256'], 'RS256'),
    use: 'Algorithm of new keys; HS256 signs access tokens for the default audience with a shared secret; other audiences, ID tokens and the feed stay RS256.',
  },
  jwtSecret: {
    env: 'JWT_SECRET',
    schema: optionalText(),
    use: 'HS256 mode: the shared secret; development falls back to BETTER_AUTH_SECRET.',
    secret: true,
  },
  allowSharedSecret: {
    env: 'ALLOW_HS256_IN_PRODUCTION',
    schema: flag(false),
    use: 'Accept HS256 in production: every service that has JWT_SECRET to verify tokens can also sign tokens that this API accepts.',
  },
  prepublishSeconds: {
    env: 'KEY_PREPUBLISH_SECONDS',
    schema: wholeNumber(900, 1, 604_800),
    use: 'Hold period: a key is in the key set this long before it signs.',
  },
  jwksMaxAgeSeconds: {
    env: 'JWKS_MAX_AGE_SECONDS',
    schema: wholeNumber(300, 1, 86_400),
    use: 'How long verifiers may cache the key set.',
  },
  rotationDays: {
    env: 'KEY_ROTATION_DAYS',
    schema: decimalNumber(30, 0.00001, 3_650),
    use: 'Days for which a key signs, fractions allowed; then its successor, published ahead, takes over.',
  },
  keyEncryptionKey: {
    env: 'KEY_ENCRYPTION_KEY',
    schema: optionalText(512),
    use: 'Seals private keys at rest, 32 bytes or more in base64; development derives it from BETTER_AUTH_SECRET.',
    secret: true,
  },
  keyEncryptionKeyFile: {
    env: 'KEY_ENCRYPTION_KEY_FILE',
    schema: optionalText(1_024),
    use: 'File with KEY_ENCRYPTION_KEY.',
  },
  previousKeyEncryptionKey: {
    env: 'KEY_ENCRYPTION_KEY_PREVIOUS',
    schema: optionalText(512),
    use: 'The old KEY_ENCRYPTION_KEY: a start re-encrypts everything under the new one. Unset it afterwards.',
    secret: true,
  },
  previousKeyEncryptionKeyFile: {
    env: 'KEY_ENCRYPTION_KEY_PREVIOUS_FILE',
    schema: optionalText(1_024),
    use: 'File with KEY_ENCRYPTION_KEY_PREVIOUS.',
  },
  ringBoundSeconds: {
    env: 'KEY_RING_BOUND_SECONDS',
    schema: wholeNumber(30, 2, 3_600),
    use: 'A copy whose key ring is older than this stops signing.',
  },
});
