import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import type { AccessDirectory, Client } from '../access/access-directory.ts';
import type { Application } from '../access/application-rights.ts';
import type { LiveApiKey } from './api-key-directory.ts';
import { newApiKeySecret } from './api-key-format.ts';
import { createKeyVerifications } from './count-key-verifications.ts';
import { introspectApiKey, type VerifyApiKeyPorts, verifyApiKey } from './verify-api-key.ts';

const OWN = 'https://auth.test';
const NOTES = 'https://notes.test';
const id = '0192f0c1-2b3c-7d4e-8f50-61728394a5b6';
const { text, hash } = newApiKeySecret({ bytes: (count) => randomBytes(count), uuid: () => id }, id);

const notes: Application = {
  name: 'notes',
  audience: NOTES,
  permissions: new Set(['notes:read', 'notes:write']),
  scopes: new Map(),
  detailTypes: new Map(),
  roles: new Map([['notes.editor', ['notes:read', 'notes:write']]]),
};
const svc = {
  clientId: 'svc',
  disabled: false,
  tokenEpoch: 0,
  audiences: ['*', NOTES],
  credential_scopes: ['notes:read'],
};
const key: LiveApiKey = {
  id,
  user_id: 'ada',
  client_id: null,
  owner_epoch: 3,
  permissions: ['keys:read', 'notes:write', 'tokens:read'],
  secret_hash: hash,
  previous_hash: null,
  previous_until_ms: null,
  publicKey: null,
  requests_per_minute: 10,
  expires_at_ms: 2_500,
  roles: ['operator', 'notes.editor'],
  is_owner_disabled: false,
  current_epoch: 3,
};
const state = { key: null as LiveApiKey | null, isFresh: true, clients: new Map<string, object>() };
const used: string[] = [];
let ports: VerifyApiKeyPorts;

beforeEach(() => {
  Object.assign(state, { key, isFresh: true, clients: new Map([['svc', svc]]) });
  used.splice(0);
  ports = {
    apiKeys: { isFresh: () => state.isFresh, authenticate: () => state.key },
    confirmNewest: async () => {},
    apiKeyUses: { add: (each: string) => void used.push(each) },
    keyVerifications: createKeyVerifications(),
    tokenSettings: { issuer: OWN, audience: OWN },
    keyRing: { isClockRight: () => true },
    revocations: { userEpoch: () => undefined, refusal: () => null },
    access: {
      permissions: () => new Set(['keys:read', 'tokens:read']),
      permissionsOf: (roles: readonly string[]) => new Set(roles.includes('operator') ? ['keys:read'] : []),
      application: (audience: string) => (audience === NOTES ? notes : undefined),
      applications: () => [notes],
      client: (clientId: string) => state.clients.get(clientId) as Client | undefined,
    } as unknown as AccessDirectory,
  } as unknown as VerifyApiKeyPorts;
});

const verified = async (audience?: string) => JSON.parse(await verifyApiKey(ports, { key: text, audience }));
const introspected = async (by = 'svc') => JSON.parse(await introspectApiKey(ports, text, clientCaller(by, [])));

describe('a service that was shown a key', () => {
  test('learns its owner and what it may do now: at an audience, or everywhere', async () => {
    const claims = { iss: OWN, sub: 'ada', client_id: 'sallyport', api_key_id: id, exp: 2 };
    const at = (aud: string[], permissions: string[]) => ({
      active: true,
      claims: { ...claims, aud, scope: permissions.join(' '), permissions },
    });
    expect(await verified(NOTES)).toEqual(at([NOTES], ['notes:write']));
    expect(await verified(OWN)).toEqual(at([OWN], ['keys:read']));
    expect(await verified()).toEqual(at([OWN, NOTES], ['keys:read', 'notes:write']));
    state.key = { ...key, permissions: ['keys:read'] };
    expect([await verified(), await verified(NOTES)]).toEqual([at([OWN], ['keys:read']), at([NOTES], [])]);
    expect(used).toHaveLength(5);
  });

  test('learns of a client’s key what the scopes of the client allow now', async () => {
    state.key = {
      ...key,
      user_id: null,
      client_id: 'svc',
      owner_epoch: 0,
      permissions: ['notes:read', 'notes:write'],
      roles: [],
    };
    expect((await verified(NOTES)).claims).toMatchObject({ sub: 'svc', client_id: 'svc', permissions: ['notes:read'] });
    expect((await verified(OWN)).claims.permissions).toEqual([]);
  });

  test.each<[string, LiveApiKey | null, string]>([
    ['unknown, expired or revoked', null, 'invalid'],
    ['of an owner who ended all sessions', { ...key, current_epoch: 4 }, 'invalid'],
    [
      'that must sign each request, which the service cannot check',
      { ...key, publicKey: generateKeyPairSync('ed25519').publicKey },
      'signature_required',
    ],
  ])('is told that a key is not active: %s', async (_what, found, reason) => {
    state.key = found;
    expect(await verified()).toEqual({ active: false, reason });
    expect(await introspected()).toEqual({ active: false });
    expect(used).toEqual([]);
  });

  test('gets the reason for a malformed key, and for an audience that is not its own', async () => {
    expect(JSON.parse(await verifyApiKey(ports, { key: 'sp_ak_x' }))).toEqual({ active: false, reason: 'malformed' });
    expect(await verified('https://elsewhere.test')).toEqual({ active: false, reason: 'wrong_audience' });
    expect(used).toEqual([]);
    expect(ports.keyVerifications).toEqual({
      active: 0,
      malformed: 1,
      invalid: 0,
      signature_required: 0,
      wrong_audience: 1,
    });
  });

  test('learns which applications there are only with a live key', async () => {
    state.key = null;
    const answers = await Promise.all([NOTES, 'https://elsewhere.test'].map(verified));
    expect(answers).toEqual([
      { active: false, reason: 'invalid' },
      { active: false, reason: 'invalid' },
    ]);
  });

  test('is told nothing by a copy whose keys may be outdated', async () => {
    state.isFresh = false;
    expect(await outcomeOf((async () => await verified())())).toBe('api_keys_stale');
  });
});

describe('introspection of a key', () => {
  test('shows a client the permissions at the audiences that it has by name', async () => {
    expect(await introspected()).toMatchObject({
      active: true,
      token_type: 'Bearer',
      sub: 'ada',
      aud: [OWN, NOTES],
      scope: 'keys:read notes:write',
    });
    state.clients.set('svc', { ...svc, audiences: ['*'] });
    expect(await introspected()).toMatchObject({ aud: [OWN], permissions: ['keys:read'] });
    expect(ports.keyVerifications.active).toBe(2);
  });

  test('is refused to a client that was disabled or deleted meanwhile, and to any other caller', async () => {
    const refused = (work: () => unknown) => outcomeOf((async () => work())());
    expect(await refused(() => introspected('gone'))).toBe('client_unauthenticated');
    state.clients.set('svc', { ...svc, disabled: true });
    expect(await refused(() => introspected())).toBe('client_unauthenticated');
    expect(await refused(() => introspectApiKey(ports, text, testCaller))).toBe('client_unauthenticated');
  });
});
