import { z } from 'zod';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { PERMISSION_NAME } from '#services/platform/define/permissions.ts';
import { directoryStale } from '#services/platform/errors.ts';
import { manages, reads } from '../access/admin-shapes.ts';
import { rightsExceeded } from '../authority/errors.ts';
import { clockWrong } from '../keys/errors.ts';
import { revocationStateStale, stateRewound } from '../revocations/contract.ts';
import { apiKeyOver, apiKeyPublicKeyInvalid, apiKeysStale, apiKeyTooMany, apiKeyUnknown } from './errors.ts';
import { KEY_REFUSALS } from './key-refusal-shapes.ts';
import { apiKeysManage, apiKeysRead } from './permissions.ts';

const defineEndpoint = endpointsOf('API keys');
const instant = z.iso.datetime();
const NO_CONTROLS = /^[^\p{Cc}\p{Cs}]*$/u;
export const keyName = z.string().min(1).max(100).regex(NO_CONTROLS);
const reason = z.string().min(1).max(500).regex(NO_CONTROLS);
export const keyPermission = z.string().max(64).regex(PERMISSION_NAME);
const coordinate = z.string().regex(/^[\w-]{43}$/);
const YEAR_SECONDS = 31_622_400;
const lifetime = z.int().min(60).max(YEAR_SECONDS);

/** JWK of a public key with no other members. */
const publicKey = z
  .strictObject({
    kty: z.enum(['EC', 'OKP']),
    crv: z.enum(['P-256', 'Ed25519']),
    x: coordinate,
    y: coordinate.optional(),
  })
  .register(componentNames, { id: 'ApiKeyPublicKey' });

export const apiKeyView = component('ApiKey', {
  api_key_id: z.string(),
  name: z.string(),
  owner: z.object({ kind: z.enum(['user', 'client']), id: z.string().nullable() }),
  /** `ended`: the owner is disabled, or all sessions of the owner were ended after the key was created. */
  state: z.enum(['live', 'expired', 'revoked', 'ended']),
  permissions: z.array(z.string()),
  requests_per_minute: z.number(),
  signed: z.boolean(),
  created_at: instant,
  rotated_at: instant.nullable(),
  expires_at: instant,
  previous_secret_until: instant.nullable(),
  revoked_at: instant.nullable(),
  revoke_reason: z.string().nullable(),
  last_used_at: instant.nullable(),
  uses: z.number(),
});
export type ApiKeyView = z.output<typeof apiKeyView>;

/** `secret` is returned in this response only. */
const apiKeyWithSecret = z
  .object({ api_key: apiKeyView, secret: z.string() })
  .register(componentNames, { id: 'ApiKeyWithSecret' });
const apiKeyList = z
  .object({ api_keys: z.array(apiKeyView), next: z.string().nullable() })
  .register(componentNames, { id: 'ApiKeyList' });

const page = {
  limit: z.int().min(1).max(100).default(50),
  cursor: z
    .string()
    .max(256)
    .regex(/^[\w-]*$/)
    .optional(),
};
const params = z.strictObject({ api_key_id: z.uuid() });
const own = { accepts: ['bearer', 'session', 'client'], for: 'owner', subject: 'own' } as const;

export const createApiKeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/api-keys',
  operation: 'createApiKey',
  summary: 'Create an API key for yourself; its secret is shown only once',
  auth: { ...own, stepUp: true },
  body: z.strictObject({
    name: keyName,
    permissions: z.array(keyPermission).max(64).optional(),
    expires_in_seconds: lifetime.optional(),
    requests_per_minute: z.int().min(1).max(60_000).optional(),
    public_key: publicKey.optional(),
  }),
  idempotency: 'answer',
  responses: { 201: apiKeyWithSecret },
  errors: [rightsExceeded, apiKeyPublicKeyInvalid, apiKeyTooMany],
});

/** What is known about a live key, in the names of the claims of an access token. */
const claims = z.object({
  iss: z.string(),
  /** Audiences of these permissions: the installation, applications, or the one of the request. */
  aud: z.array(z.string()),
  /** The user or client that owns the key. */
  sub: z.string(),
  client_id: z.string(),
  api_key_id: z.string(),
  exp: z.int(),
  /** The permissions, space separated. */
  scope: z.string(),
  permissions: z.array(z.string()),
});
export type KeyClaims = z.output<typeof claims>;

export const verifyApiKeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/api-keys/verify',
  operation: 'verifyApiKey',
  summary: 'Verify an API key that your service was shown, sent in the body or, without a body, as Bearer header',
  auth: 'public',
  limit: 'validate',
  /** With `audience` the permissions are those of the application or installation that has it; without, all. */
  body: z.strictObject({
    key: z.string().min(1).max(512),
    audience: z.string().min(1).max(512).regex(NO_CONTROLS).optional(),
  }),
  bodyOptional: true,
  responses: {
    200: z.union([
      z.object({ active: z.literal(true), claims }),
      /** `invalid`: unknown, expired or revoked, or its owner is disabled or has ended all sessions. */
      z.object({ active: z.literal(false), reason: z.enum(KEY_REFUSALS) }),
    ]),
  },
  errors: [revocationStateStale, stateRewound, clockWrong, apiKeysStale, directoryStale],
});

export const listApiKeysEndpoint = defineEndpoint({
  path: '/v1/api-keys',
  operation: 'listApiKeys',
  summary: 'List your API keys, newest first',
  auth: own,
  query: z.strictObject(page),
  responses: { 200: apiKeyList },
});

export const rotateApiKeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/api-keys/{api_key_id}/rotate',
  operation: 'rotateApiKey',
  summary: 'Rotate the secret of an API key and renew its lifetime; the old secret stays valid for an overlap',
  auth: { ...own, stepUp: true },
  params,
  body: z.strictObject({ overlap_seconds: z.int().min(0).max(604_800).optional() }),
  bodyOptional: true,
  responses: { 200: apiKeyWithSecret },
  errors: [rightsExceeded, apiKeyUnknown, apiKeyOver],
});

export const revokeApiKeyEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/api-keys/{api_key_id}',
  operation: 'revokeApiKey',
  summary: 'Revoke one of your API keys',
  auth: own,
  params,
  responses: { 204: null },
  errors: [apiKeyUnknown],
});

export const listAllApiKeysEndpoint = defineEndpoint({
  ...listApiKeysEndpoint,
  path: '/v1/admin/api-keys',
  operation: 'listAllApiKeys',
  summary: 'List the API keys of all users and clients, newest first',
  auth: reads(apiKeysRead),
  query: z.strictObject({
    ...page,
    user_id: z.string().min(1).max(128).regex(NO_CONTROLS).optional(),
    client_id: z.string().min(1).max(512).regex(NO_CONTROLS).optional(),
  }),
});

export const revokeAnyApiKeyEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/api-keys/{api_key_id}/revoke',
  operation: 'revokeAnyApiKey',
  summary: 'Revoke any API key',
  auth: manages(apiKeysManage),
  params,
  body: z.strictObject({ reason }),
  responses: { 200: z.object({ api_key: apiKeyView }) },
  errors: [apiKeyUnknown],
});
