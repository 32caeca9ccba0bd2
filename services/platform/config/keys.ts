import { defineSettings } from '../define/setting.ts';
import { decimalNumber, flag, oneOf, optionalText, someOf, wholeNumber } from './shapes.ts';

export const keySettings = defineSettings({
  algorithm: {
    env: 'JWT_ALGORITHM',
    schema: oneOf(['RS256', 'ES256', 'EdDSA', 'HS256'], 'RS256'),
    use: 'Algorithm of new keys. With HS256, the shared secret JWT_SECRET signs access tokens for the default audience; RS256 still signs tokens for other audiences, ID tokens and the revocation feed.',
  },
  additionalAlgorithms: {
    env: 'JWT_ADDITIONAL_ALGORITHMS',
    schema: someOf(['RS256', 'ES256', 'EdDSA'], ''),
    use: 'Algorithms besides JWT_ALGORITHM that clients can be registered for, separated by commas (RS256, ES256, EdDSA). Each has signing keys of its own.',
  },
  jwtSecret: {
    env: 'JWT_SECRET',
    schema: optionalText(),
    use: 'Shared secret that signs tokens when JWT_ALGORITHM is HS256; unset in development: BETTER_AUTH_SECRET is used.',
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
    use: 'Hold period: how long a key is published in the key set before it signs, seconds.',
  },
  jwksMaxAgeSeconds: {
    env: 'JWKS_MAX_AGE_SECONDS',
    schema: wholeNumber(300, 1, 86_400),
    use: 'How long verifiers may cache the key set, seconds.',
  },
  rotationDays: {
    env: 'KEY_ROTATION_DAYS',
    schema: decimalNumber(30, 0.00001, 3_650),
    use: 'Number of days for which a key signs before the next key replaces it; fractions are allowed. The next key is published beforehand.',
  },
  phiRotationDays: {
    env: 'PHI_KEY_ROTATION_DAYS',
    schema: decimalNumber(90, 0.00001, 3_650),
    use: 'Number of days after which the key that wraps the data keys of health data is replaced and every data key is re-wrapped; fractions are allowed.',
  },
  keyEncryptionKey: {
    env: 'KEY_ENCRYPTION_KEY',
    schema: optionalText(512),
    use: 'Key that encrypts private keys and secrets in the database, 32 bytes or more in base64; unset in development: derived from BETTER_AUTH_SECRET.',
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
    use: 'The old KEY_ENCRYPTION_KEY, while you change it: the next start re-encrypts everything under the new one. Unset it afterwards.',
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
    use: 'How long an API process may sign without confirming its keys in PostgreSQL, seconds. Beyond it the process stops signing.',
  },
});
