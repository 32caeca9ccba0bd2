import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { CERTIFICATE_NAMES, type GivenNames } from '../services/domain/access/certificates/certificate-shapes.ts';
import type { ClientProfile } from '../services/domain/access/client-auth-shapes.ts';
import { ASYMMETRIC_ALGORITHMS } from '../services/domain/keys/algorithm-shapes.ts';
import type { ActOptions } from './admin.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export const PKCE = ['required', 'optional'] as const;
export const ROTATION = ['on', 'off'] as const;

/** Client options that are set at creation and can be changed later. */
export type AskedOptions = ActOptions &
  KeyOptions & {
    readonly grants?: string[];
    readonly scopes?: string[];
    readonly credentialScopes?: string[];
    readonly redirectUris?: string[];
    readonly postLogoutRedirectUris?: string[];
    /** False for `--no-backchannel-logout-uri`. */
    readonly backchannelLogoutUri?: string | false;
    readonly backchannelLogoutSessionRequired?: boolean;
    readonly audiences?: string[];
    readonly dpopBound?: boolean;
    readonly certificateBound?: boolean;
    readonly pushesRequests?: boolean;
    readonly profile?: ClientProfile;
    readonly pkce?: (typeof PKCE)[number];
    readonly refreshRotation?: (typeof ROTATION)[number];
    readonly idTokenAlg?: string;
    readonly accessTokenAlg?: string;
    /** False for `--no-logo`. */
    readonly logo?: string | false;
  };

const DEFAULT = 'default';
const algorithmOf = (option: string | undefined): string | null | undefined => (option === DEFAULT ? null : option);

/** Adds the options for the algorithms of a client's tokens. */
export const addAlgorithms = (command: Command): Command =>
  command
    .addOption(algorithmOption('--id-token-alg <alg>', 'algorithm of its ID tokens'))
    .addOption(algorithmOption('--access-token-alg <alg>', 'algorithm of its access tokens'));
const algorithmOption = (flags: string, description: string): Option =>
  new Option(flags, description).choices([...ASYMMETRIC_ALGORITHMS, DEFAULT]);

/** A PNG file as the data URL of the API. */
function logoOf(file: string | false | undefined): string | null | undefined {
  if (file === undefined) return undefined;
  if (file === false) return null;
  try {
    return `data:image/png;base64,${readFileSync(file, 'base64')}`;
  } catch {
    throw new CommandError(exitCodes.usage, `${file} is not a readable file`, 'give a PNG file of at most 24 KB');
  }
}

/** Converts the options to members of the API's request bodies. */
export const askedOf = (options: AskedOptions) => ({
  grant_types: options.grants,
  scopes: options.scopes,
  credential_scopes: options.credentialScopes,
  redirect_uris: options.redirectUris,
  post_logout_redirect_uris: options.postLogoutRedirectUris,
  backchannel_logout_uri: options.backchannelLogoutUri === false ? null : options.backchannelLogoutUri,
  backchannel_logout_session_required: options.backchannelLogoutSessionRequired,
  audiences: options.audiences,
  dpop_bound_access_tokens: options.dpopBound,
  tls_client_certificate_bound_access_tokens: options.certificateBound,
  require_pushed_authorization_requests: options.pushesRequests,
  profile: options.profile,
  pkce: options.pkce,
  refresh_rotation: options.refreshRotation,
  id_token_signed_response_alg: algorithmOf(options.idTokenAlg),
  access_token_signed_response_alg: algorithmOf(options.accessTokenAlg),
  logo: logoOf(options.logo),
  reason: options.reason,
});

/** Keys, certificates or the name of a certificate, by which a client is recognised. */
export type KeyOptions = {
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly certificates?: string;
  readonly certificateName?: string;
};

export const addKeys = (command: Command): Command =>
  command
    .option('--jwks <file>', 'JWK set with the public keys of a private_key_jwt client (RFC 7523)')
    .option('--jwks-uri <url>', 'https URL of its JWK set')
    .option(
      '--certificates <file>',
      'PEM file with the certificates of a self_signed_tls_client_auth client (RFC 8705)',
    )
    .option('--certificate-name <kind=value>', `name of a tls_client_auth client: ${CERTIFICATE_NAMES.join(', ')}`);

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** RFC 7517 §4.1, by the names of node:crypto. */
const KEY_TYPES: Readonly<Record<string, string>> = { ec: 'EC', rsa: 'RSA' };

function jwksOfCertificates(pem: string): unknown {
  const keys = (pem.match(PEM) ?? []).map((text) => {
    const { publicKey, raw } = new X509Certificate(text);
    return { kty: KEY_TYPES[publicKey.asymmetricKeyType ?? ''] ?? 'OKP', x5c: [raw.toString('base64')] };
  });
  return { keys };
}

function fileWith(what: string, file: string, read: (text: string) => unknown): unknown {
  try {
    return read(readFileSync(file, 'utf8'));
  } catch {
    throw new CommandError(exitCodes.usage, `${file} is not a readable ${what}`, `give a ${what}`);
  }
}

function jwksOf({ jwks, certificates }: KeyOptions): { readonly jwks?: unknown } {
  if (jwks !== undefined && certificates !== undefined)
    throw new CommandError(exitCodes.usage, '--jwks and --certificates exclude each other', 'give one of them');
  if (jwks !== undefined) return { jwks: fileWith('JSON file with a JWK set', jwks, (text) => JSON.parse(text)) };
  if (certificates === undefined) return {};
  return { jwks: fileWith('PEM file with certificates', certificates, jwksOfCertificates) };
}

function nameOf(text: string | undefined): GivenNames {
  if (text === undefined) return {};
  const [kind, ...value] = text.split('=');
  if (!CERTIFICATE_NAMES.some((known) => known === kind))
    throw new CommandError(
      exitCodes.usage,
      '--certificate-name has no kind',
      `write it as san_dns=client.example; kinds are ${CERTIFICATE_NAMES.join(', ')}`,
    );
  return { [`tls_client_auth_${kind}`]: value.join('=') };
}

/** The members of the API's request bodies; reads the file. */
export const keysOf = (options: KeyOptions) => ({
  ...jwksOf(options),
  ...(options.jwksUri === undefined ? {} : { jwks_uri: options.jwksUri }),
  ...nameOf(options.certificateName),
});
