import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { optionalIssuer, optionalText, readOptional, readText, UnfitError, wordsIn } from './shapes.ts';

const SECRET_BYTES_MIN = 32;
/** Standard Webhooks: 24 to 64 bytes. */
const WEBHOOK_SECRET_BYTES_MIN = 24;
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

const audiences = readText('', 4_096, wordsIn);

const instant = readOptional(64, (text) => {
  const at = RFC_3339.test(text) ? new Date(text) : new Date(Number.NaN);
  if (!Number.isNaN(at.getTime())) return at;
  throw new UnfitError('must be a time like 2027-01-31T00:00:00Z');
});

const provider = readOptional(8_192, (text) => {
  if (/^[a-z][a-z0-9-]{0,31}$/.test(text)) return text;
  throw new UnfitError('must be the kind of an import, like clerk');
});

/** The provider that this installation replaces, and whose sessions go on here. */
export const legacySettings = defineSettings({
  issuer: {
    env: 'LEGACY_ISSUER',
    schema: optionalIssuer(),
    use: 'Issuer of the provider that this installation replaces, as its tokens name it in `iss`. Its live sessions can be exchanged for sessions here. Unset: none can.',
  },
  jwksUri: {
    env: 'LEGACY_JWKS_URI',
    schema: optionalIssuer(),
    use: 'URL of the public keys of LEGACY_ISSUER. In development it may be an http URL of this machine.',
  },
  sharedSecret: {
    env: 'LEGACY_SHARED_SECRET',
    schema: optionalText(1_024),
    use: 'Secret with which LEGACY_ISSUER signs its tokens (HS256), instead of LEGACY_JWKS_URI.',
    secret: true,
    example: '',
  },
  audiences: {
    env: 'LEGACY_AUDIENCE',
    schema: audiences,
    use: 'Audience that tokens of LEGACY_ISSUER must name, or several, comma separated.',
  },
  provider: {
    env: 'LEGACY_PROVIDER',
    schema: provider,
    use: 'Kind of the import whose ids are the subjects of LEGACY_ISSUER. Needed only if users were imported from several kinds of systems.',
  },
  bridgeUntil: {
    env: 'LEGACY_BRIDGE_UNTIL',
    schema: instant,
    use: 'Until when access tokens of LEGACY_ISSUER are accepted by POST /v1/tokens/validate, and its sessions exchanged, as an RFC 3339 time. Unset: tokens are not accepted, and sessions are exchanged without an end.',
  },
  webhookSecret: {
    env: 'LEGACY_WEBHOOK_SECRET',
    schema: optionalText(1_024),
    use: 'Secret of the webhooks of LEGACY_ISSUER: whsec_ and Base64 (Standard Webhooks), or a text. Unset: POST /v1/legacy/webhook is refused.',
    secret: true,
    example: '',
  },
  passwordUrl: {
    env: 'LEGACY_PASSWORD_URL',
    schema: optionalIssuer(),
    use: 'URL at the old provider, or in front of it, that says whether a password is right: it gets a POST of `{id, email, password}` for users who were imported without a password, at their first sign-in, and answers `{valid}`. In development it may be an http URL of this machine.',
  },
  passwordSecret: {
    env: 'LEGACY_PASSWORD_SECRET',
    schema: optionalText(1_024),
    use: 'Bearer token with which LEGACY_PASSWORD_URL is asked.',
    secret: true,
    example: '',
  },
});

export type LegacySettings = SettingsOf<typeof legacySettings>;

/** What else the checks of these settings compare. */
type LegacySurroundings = {
  readonly isDevelopment: boolean;
  readonly ownIssuers: readonly (string | undefined)[];
  readonly ownSecrets: readonly (string | undefined)[];
};

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
/** Whether a URL is of this machine, where the development profile allows http. */
export const isLoopbackUrl = (url: string): boolean => LOOPBACK.has(new URL(url).hostname);

/** The key of `whsec_…` (Standard Webhooks), or the bytes of another text. */
export const webhookKeyOf = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret, 'utf8');

/** Combinations of the settings that prevent a start. */
export const legacyProblems = (given: LegacySettings, surroundings: LegacySurroundings): ConfigProblem[] =>
  problemsOf((refuse) => {
    const {
      issuer,
      jwksUri,
      sharedSecret,
      audiences: accepted,
      bridgeUntil,
      webhookSecret,
      passwordUrl,
      passwordSecret,
    } = given;
    const { isDevelopment, ownIssuers, ownSecrets } = surroundings;
    const asked = [
      ['LEGACY_JWKS_URI', jwksUri],
      ['LEGACY_SHARED_SECRET', sharedSecret],
      ['LEGACY_BRIDGE_UNTIL', bridgeUntil],
    ] as const;
    for (const [env, value] of asked)
      if (value !== undefined && issuer === undefined)
        refuse(env, 'is set without LEGACY_ISSUER', 'set LEGACY_ISSUER to the issuer of the old provider, or unset it');
    if (issuer !== undefined) {
      if (jwksUri === undefined && sharedSecret === undefined)
        refuse(
          'LEGACY_ISSUER',
          'is set, but neither LEGACY_JWKS_URI nor LEGACY_SHARED_SECRET: no token of it can be verified',
          'set LEGACY_JWKS_URI to the URL of its public keys',
        );
      if (jwksUri !== undefined && sharedSecret !== undefined)
        refuse(
          'LEGACY_SHARED_SECRET',
          'is set beside LEGACY_JWKS_URI: a token would have two ways to be accepted',
          'unset the one that the old provider does not use',
        );
      if (accepted.length === 0)
        refuse(
          'LEGACY_AUDIENCE',
          'is not set: tokens that the old provider issued for other applications would be accepted',
          'set it to the audience of your application at the old provider',
        );
      if (ownIssuers.includes(issuer))
        refuse(
          'LEGACY_ISSUER',
          'is the issuer of this installation',
          'set it to the issuer of the provider that this one replaces',
        );
    }
    if (jwksUri?.startsWith('http:') && !(isDevelopment && isLoopbackUrl(jwksUri)))
      refuse('LEGACY_JWKS_URI', 'is not https: keys could be replaced on the way', 'use the https URL');
    if (passwordUrl?.startsWith('http:') && !(isDevelopment && isLoopbackUrl(passwordUrl)))
      refuse('LEGACY_PASSWORD_URL', 'is not https: passwords could be read on the way', 'use the https URL');
    if (passwordUrl !== undefined && passwordSecret === undefined)
      refuse(
        'LEGACY_PASSWORD_SECRET',
        'is not set, but LEGACY_PASSWORD_URL is: every client could try passwords at it',
        'generate one: openssl rand -base64 32',
      );
    if (passwordUrl === undefined && passwordSecret !== undefined)
      refuse('LEGACY_PASSWORD_SECRET', 'is set without LEGACY_PASSWORD_URL', 'set LEGACY_PASSWORD_URL, or unset it');
    if (sharedSecret !== undefined && Buffer.byteLength(sharedSecret) < SECRET_BYTES_MIN && !isDevelopment)
      refuse(
        'LEGACY_SHARED_SECRET',
        `is shorter than ${SECRET_BYTES_MIN} bytes: it can be guessed from one token`,
        'have the old provider sign with a longer secret or with a key pair',
      );
    if (webhookSecret !== undefined && webhookKeyOf(webhookSecret).length < WEBHOOK_SECRET_BYTES_MIN && !isDevelopment)
      refuse(
        'LEGACY_WEBHOOK_SECRET',
        `has fewer than ${WEBHOOK_SECRET_BYTES_MIN} bytes`,
        'create another secret at the old provider, and copy it whole',
      );
    for (const [env, secret] of [
      ['LEGACY_SHARED_SECRET', sharedSecret],
      ['LEGACY_WEBHOOK_SECRET', webhookSecret],
      ['LEGACY_PASSWORD_SECRET', passwordSecret],
    ] as const)
      if (secret !== undefined && ownSecrets.includes(secret))
        refuse(env, 'is a secret of this installation, which the old provider must not know', 'use another secret');
  });
