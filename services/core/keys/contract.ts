import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { ASYMMETRIC_ALGORITHMS } from './algorithm-shapes.ts';
import { keyUnknown, signingAlgorithmRefused, signingUnavailable } from './errors.ts';
import { keysManage, keysRead } from './permissions.ts';

const defineEndpoint = endpointsOf('Keys');

const instant = z.iso.datetime();

const publicJwk = component('PublicJwk', {
  kty: z.enum(['RSA', 'EC', 'OKP']),
  use: z.literal('sig'),
  alg: z.enum(ASYMMETRIC_ALGORITHMS),
  kid: z.string(),
  n: z.string().optional(),
  e: z.string().optional(),
  crv: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
});

export const keyView = component('SigningKey', {
  kid: z.string(),
  alg: z.enum([...ASYMMETRIC_ALGORITHMS, 'HS256']),
  /** `access`, or `hs256:<audience>`. */
  purpose: z.string(),
  state: z.enum(['pending', 'active', 'retiring', 'retired', 'compromised']),
  published_at: instant,
  activates_at: instant,
  signs_until: instant.nullable(),
  /** When it leaves the key set. */
  leaves_at: instant.nullable(),
  compromised_at: instant.nullable(),
  compromise_reason: z.string().nullable(),
});

/** RFC 7517 §5. `Cache-Control` is the use-case's: its max-age is jittered. */
export const readJwksEndpoint = defineEndpoint({
  path: '/.well-known/jwks.json',
  operation: 'readJwks',
  summary: 'Get the public keys that verify tokens (RFC 7517)',
  auth: 'public',
  responses: { 200: z.object({ keys: z.array(publicJwk) }), 304: null },
  errors: [signingUnavailable],
  cacheControl: null,
});

/** The same under Better Auth's path. */
export const readJwksAliasEndpoint = defineEndpoint({
  ...readJwksEndpoint,
  path: '/api/auth/jwks',
  operation: 'readJwksAlias',
});

const credentials = { accepts: ['bearer', 'client', 'session'], for: 'anyone', subject: 'any' } as const;
const reader = { ...credentials, permission: keysRead.name } as const;
const manager = { ...credentials, permission: keysManage.name, stepUp: true } as const;

export const listKeysEndpoint = defineEndpoint({
  path: '/v1/keys',
  operation: 'listKeys',
  summary: 'List every key with its state and times',
  auth: reader,
  responses: { 200: z.object({ keys: z.array(keyView) }) },
  errors: [signingUnavailable],
});

export const rotateKeysEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/keys/rotate',
  operation: 'rotateSigningKeys',
  summary: 'Publish the next signing key now; it signs after the hold period',
  auth: manager,
  /** By default the keys of JWT_ALGORITHM; another algorithm has keys of its own, which rotate by themselves. */
  body: z.strictObject({ algorithm: z.enum(ASYMMETRIC_ALGORITHMS).optional() }),
  bodyOptional: true,
  // `already_pending`: a key was already waiting, and the response has its kid.
  responses: { 202: keyView.extend({ already_pending: z.boolean() }) },
  errors: [signingAlgorithmRefused],
});

export const compromiseKeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/keys/{kid}/compromise',
  operation: 'compromiseKey',
  summary: 'Revoke a compromised key: its tokens are rejected and another key signs immediately',
  auth: manager,
  params: z.strictObject({ kid: z.string().regex(/^[\w-]{1,128}$/) }),
  // PostgreSQL stores neither NUL nor lone surrogates.
  body: z.strictObject({
    reason: z
      .string()
      .min(1)
      .max(500)
      .regex(/^[^\p{Cc}\p{Cs}]*$/u),
  }),
  responses: { 202: keyView.extend({ signer: keyView.nullable(), notice: z.string() }) },
  errors: [keyUnknown],
});
