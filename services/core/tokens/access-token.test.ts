import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { validateTokenSecurity } from '#services/embedding/validate-token-security.ts';
import { AUDIENCE, headerOf, ISSUER, jws, NOW, tokenHarness, validateToken } from '#tools/testing/harness/token.ts';
import type { AccessDirectory } from '../access/access-directory.ts';
import type { SignOptions } from '../keys/key-ring.ts';
import type { RequestContext } from '../ports.ts';
import {
  type AccessTokenClaims,
  accessTokenClaims,
  mintAccessToken,
  signAccessToken,
  type TokenFacts,
} from './access-token.ts';
import type { HasTokenSettings } from './token-settings.ts';
import { bearerCaller } from './verify/bearer-caller.ts';

const request: RequestContext = { ip: '192.0.2.1', userAgent: 'browser/1', traceId: '', traceparent: '' };
const facts: TokenFacts = {
  subject: 'u1',
  clientId: 'sallyport',
  audience: AUDIENCE,
  scope: 'openid',
  permissions: ['keys:read'],
  clientEpoch: 1,
  user: {
    sessionId: 's1',
    familyId: 'f1',
    email: 'person@people.test',
    isEmailVerified: true,
    roles: ['user'],
    authTime: NOW - 60,
    epoch: 3,
  },
};
const ofClient: TokenFacts = {
  subject: 'c1',
  clientId: 'c1',
  audience: AUDIENCE,
  scope: 'a:b',
  permissions: ['a:b'],
  clientEpoch: 0,
};

/** A harness that can sign with the RS256 key. */
function minting(settings: Partial<HasTokenSettings['tokenSettings']> = {}) {
  const harness = tokenHarness(settings);
  const signed: ({ typ: string } & SignOptions)[] = [];
  let ids = 0;
  const keyRing = {
    ...harness.ports.keyRing,
    sign: async ({ typ }: { typ: string }, claims: object, options?: SignOptions) => {
      signed.push({ typ, ...options });
      return jws(harness.keys.RS256, { ...headerOf(harness.keys.RS256), typ }, claims);
    },
  };
  const random = { bytes: () => Buffer.alloc(0), uuid: () => `id-${ids++}` };
  const registered: Record<string, string> = { modern: 'ES256', plain: '', c1: '' };
  const access = {
    client: (id: string) =>
      id in registered ? { access_token_signed_response_alg: registered[id] || null } : undefined,
  } as unknown as AccessDirectory;
  return { ...harness, signed, ports: { ...harness.ports, access, keyRing, random } };
}

describe('claims', () => {
  test('RFC 9068 §2.2: a user’s token has the listed claims, in their order, and no empty ones', () => {
    const claims = accessTokenClaims(minting().ports, facts, request);
    expect(claims).toEqual({
      iss: ISSUER,
      aud: AUDIENCE,
      sub: 'u1',
      client_id: 'sallyport',
      iat: NOW,
      exp: NOW + 900,
      jti: 'id-0',
      sid: 's1',
      fid: 'f1',
      scope: 'openid',
      roles: ['user'],
      permissions: ['keys:read'],
      email: 'person@people.test',
      email_verified: true,
      auth_time: NOW - 60,
      ue: 3,
      ce: 1,
    });
    expect(Object.keys(claims).slice(0, 7)).toEqual(['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti']);
  });

  test('a family without a browser session has no sid; a client-credentials token names no user', () => {
    const withoutSession = { ...facts, user: { ...facts.user!, sessionId: null } };
    expect(accessTokenClaims(minting().ports, withoutSession, request)).not.toHaveProperty('sid');
    const claims = accessTokenClaims(minting().ports, ofClient, request);
    expect(Object.keys(claims)).toEqual('iss aud sub client_id iat exp jti scope permissions ce'.split(' '));
  });

  test('RFC 8693 §4.1: a pair that a client issued for a user names the acting client and no sign-in', () => {
    const delegated = { ...facts, clientId: 'partner', user: { ...facts.user!, authTime: 0 } };
    const claims = accessTokenClaims(minting().ports, delegated, request);
    expect(claims).toMatchObject({ sub: 'u1', act: { sub: 'partner' } });
    expect(claims).not.toHaveProperty('auth_time');
    expect(accessTokenClaims(minting().ports, facts, request)).not.toHaveProperty('act');
  });

  test('a client sees neither address nor roles unless its scope includes them', () => {
    const unseen = { ...facts, user: { ...facts.user!, email: null, roles: null } };
    const claims = accessTokenClaims(minting().ports, unseen, request);
    for (const name of ['email', 'email_verified', 'roles']) expect(claims).not.toHaveProperty(name);
  });

  test('address and agent are bound only if enabled and known, and only as keyed hashes', () => {
    const on = { enableIpValidation: true, enableUserAgentValidation: true };
    const claims = accessTokenClaims(minting(on).ports, facts, request);
    expect([claims.bip, claims.bua]).toEqual([
      expect.stringMatching(/^1\.[\w-]{22}$/),
      expect.stringMatching(/^1\.[\w-]{22}$/),
    ]);
    const unknown = accessTokenClaims(minting(on).ports, facts, { ...request, ip: '', userAgent: '' });
    expect([unknown.bip, unknown.bua]).toEqual([undefined, undefined]);
  });

  test('an address binds alike, however the socket writes it', () => {
    const { ports } = minting({ enableIpValidation: true });
    const seenAs = (ip: string) => accessTokenClaims(ports, facts, { ...request, ip }).bip;
    expect(seenAs('::ffff:192.0.2.1')).toBe(seenAs('192.0.2.1'));
    expect(seenAs('2001:DB8:0:0:0:0:0:1')).toBe(seenAs('2001:db8::1'));
    expect(seenAs('2001:db8::2')).not.toBe(seenAs('2001:db8::1'));
  });
});

describe('minting', () => {
  test('a minted token is at+jwt, lives 900 s, and validates', async () => {
    const harness = minting();
    const minted = await mintAccessToken(harness.ports, facts, request);
    expect(minted.expiresIn).toBe(900);
    expect(decodeProtectedHeader(minted.token)).toEqual({ alg: 'RS256', kid: 'rs', typ: 'at+jwt' });
    expect(decodeJwt(minted.token)).toEqual(minted.claims);
    expect(validateToken(harness.ports, minted.token)).toEqual({ active: true, claims: minted.claims });
    expect(harness.signed).toEqual([{ typ: 'at+jwt', audience: AUDIENCE }]);
  });

  test('the signing key is chosen by the first of several audiences, and without an audience by none', async () => {
    const harness = minting();
    const claims = accessTokenClaims(harness.ports, facts, request);
    await signAccessToken(harness.ports, { ...claims, aud: ['one', 'two'] });
    await signAccessToken(harness.ports, { ...claims, aud: [] });
    expect(harness.signed).toEqual([{ typ: 'at+jwt', audience: 'one' }, { typ: 'at+jwt' }]);
  });

  test('a client registered for an algorithm gets its tokens with it, any other the default', async () => {
    const harness = minting();
    for (const clientId of ['modern', 'plain', 'sallyport'])
      await mintAccessToken(harness.ports, { ...ofClient, clientId }, request);
    expect(harness.signed.map(({ algorithm }) => algorithm)).toEqual(['ES256', undefined, undefined]);
  });
});

describe('bearer', () => {
  const callerOf = async (given: TokenFacts, settings = {}, from = request) => {
    const harness = minting(settings);
    const { token } = await mintAccessToken(harness.ports, given, request);
    return bearerCaller(harness.ports, token, from);
  };

  test('the caller of a token with a family is its user, with the permissions in the token', async () => {
    expect(await callerOf(facts)).toEqual({
      kind: 'user',
      userId: 'u1',
      sessionId: 's1',
      clientId: 'sallyport',
      permissions: new Set(['keys:read']),
      roles: ['user'],
      by: 'bearer',
      tokenId: 'id-0',
      familyId: 'f1',
      authTime: NOW - 60,
      request,
    });
    const withoutSession = { ...facts, user: { ...facts.user!, sessionId: null } };
    expect(await callerOf(withoutSession)).toMatchObject({ kind: 'user', sessionId: null });
  });

  test('a token states the methods of the sign-in, and its caller has their assurance level', async () => {
    const harness = minting();
    const proved: TokenFacts = { ...facts, user: { ...facts.user!, amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' } };
    const { claims } = await mintAccessToken(harness.ports, proved, request);
    expect(claims).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2', auth_time: NOW - 60 });
    expect(await callerOf(proved)).toMatchObject({ acr: 'aal2' });
    const unnamed: TokenFacts = { ...facts, user: { ...facts.user!, amr: [], acr: null } };
    expect((await mintAccessToken(harness.ports, unnamed, request)).claims).not.toHaveProperty('amr');
    expect(await callerOf(unnamed)).not.toHaveProperty('acr');
  });

  test('the caller of a client-credentials token is the client', async () =>
    expect(await callerOf(ofClient)).toEqual({
      kind: 'client',
      clientId: 'c1',
      permissions: new Set(['a:b']),
      by: 'bearer',
      isVetted: true,
      request,
    }));

  test('a token of a client that this copy does not know, or through one, has no caller yet: it may be an agent', async () => {
    expect(await callerOf({ ...ofClient, clientId: 'new', subject: 'new' })).toBeUndefined();
    const harness = tokenHarness();
    expect(bearerCaller(harness.ports, harness.token({ act: { sub: 'new' } }), request)).toBeUndefined();
  });

  test('an agent in the chain of actors acts, although a client that is no agent holds the token', () => {
    const harness = tokenHarness();
    const client = (id: string) => ({
      clientId: id,
      agent: id === 'bot' ? { ownerId: 'u1', untilMs: Infinity } : null,
    });
    const ports = { ...harness.ports, access: { ...harness.ports.access, client } } as unknown as typeof harness.ports;
    const held = harness.token({ act: { sub: 'service', act: { sub: 'bot' } } });
    expect(bearerCaller(ports, held, request)).toMatchObject({ kind: 'user', actingId: 'service', agentId: 'bot' });
  });

  test('the caller of a user’s token that an agent holds names the agent; at the MCP server it has the scope too', () => {
    const harness = tokenHarness();
    const client = () => ({ agent: { ownerId: 'u1', untilMs: Infinity } });
    const ports = { ...harness.ports, access: { ...harness.ports.access, client } } as unknown as typeof harness.ports;
    const held = harness.token({ client_id: 'bot', roles: undefined });
    const caller = bearerCaller(ports, held, request);
    expect(caller).toMatchObject({ kind: 'user', clientId: 'bot', agentId: 'bot', by: 'bearer' });
    expect(caller).not.toHaveProperty('roles');
    expect(caller).not.toHaveProperty('scope');
    const aud = 'https://mcp.example.test/mcp';
    const mcp = { ...ports, tokenSettings: { ...ports.tokenSettings, mcpAudiences: [aud] } };
    const heldThere = harness.token({ aud, client_id: 'bot', roles: undefined });
    const atMcp = bearerCaller(mcp, heldThere, request, undefined, 'mcp');
    expect(atMcp).toMatchObject({ agentId: 'bot', by: 'mcp', scope: 'openid email' });
    // A token of the API is none of the MCP server, which without an address of its own accepts no token.
    expect(bearerCaller(mcp, held, request, undefined, 'mcp')).toBeNull();
    expect(bearerCaller(ports, held, request, undefined, 'mcp')).toBeNull();
    const own = harness.token({ client_id: 'bot', sub: 'bot', fid: undefined });
    expect(bearerCaller(ports, own, request)).toMatchObject({ kind: 'agent', clientId: 'bot', ownerId: 'u1' });
  });

  test('a token without a family whose subject is not its client has no caller', async () =>
    expect(await callerOf({ ...ofClient, subject: 'unknown' })).toBeNull());

  test('an inactive token, or one from another address than it is bound to, has no caller', async () => {
    const harness = minting();
    expect(bearerCaller(harness.ports, 'rubbish', request)).toBeNull();
    expect(await callerOf(facts, { enableIpValidation: true }, { ...request, ip: '192.0.2.2' })).toBeNull();
    expect(await callerOf(facts, { enableIpValidation: true })).not.toBeNull();
  });

  test('RFC 8693: a token with an acting party counts as no recent sign-in, however recently the subject signed in', () => {
    const harness = minting();
    const caller = (claims: Record<string, unknown>) => bearerCaller(harness.ports, harness.token(claims), request);
    expect(caller({ auth_time: NOW - 60 })).toMatchObject({ authTime: NOW - 60 });
    expect(caller({ auth_time: NOW - 60, act: { sub: 'plain' } })).toMatchObject({ kind: 'user', authTime: 0 });
  });

  test('a token without auth_time counts as no recent sign-in, however new the token is', () => {
    const harness = tokenHarness();
    const token = harness.token({ permissions: undefined, auth_time: undefined });
    expect(bearerCaller(harness.ports, token, request)).toMatchObject({ permissions: new Set(), authTime: 0 });
  });
});

describe('validateTokenSecurity compares session, address and user agent as the settings say', () => {
  const metadata = { sessionId: 's1', ipHash: '1.a', userAgentHash: '1.b' };
  const payload: Pick<AccessTokenClaims, 'sid' | 'bip' | 'bua'> = { sid: 's1', bip: '1.a', bua: '1.b' };
  const off = { requireSessionBinding: false, enableIpValidation: false, enableUserAgentValidation: false };

  test.each([
    ['requireSessionBinding', { sid: 's2' }],
    ['enableIpValidation', { bip: '1.x' }],
    ['enableUserAgentValidation', { bua: undefined }],
  ] as const)('%s alone rejects its own mismatch and no other', (name, mismatch) => {
    const on = { ...off, [name]: true };
    expect(validateTokenSecurity(on, payload, metadata)).toBe(true);
    expect(validateTokenSecurity(on, { ...payload, ...mismatch }, metadata)).toBe(false);
    expect(validateTokenSecurity(off, { ...payload, ...mismatch }, metadata)).toBe(true);
  });

  test('a token without a session has none in its metadata either', () => {
    const on = { ...off, requireSessionBinding: true };
    expect(validateTokenSecurity(on, {}, { ...metadata, sessionId: null })).toBe(true);
    expect(validateTokenSecurity(on, {}, metadata)).toBe(false);
    const address = { ...off, enableIpValidation: true };
    expect(validateTokenSecurity(address, {}, { ...metadata, ipHash: null })).toBe(true);
  });
});

test('validations are counted by result and reason', () => {
  const counted = (reason: string) =>
    registry
      .collect()
      .find(({ name }) => name === 'sallyport_token_validations')
      ?.series.find(({ labels }) => labels.reason === reason)?.value ?? 0;
  const before = [counted('none'), counted('malformed')];
  const { ports, token } = tokenHarness();
  validateToken(ports, token());
  validateToken(ports, 'rubbish');
  expect([counted('none'), counted('malformed')]).toEqual([before[0]! + 1, before[1]! + 1]);
});
