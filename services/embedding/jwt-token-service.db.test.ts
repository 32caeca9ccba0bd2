import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { compromiseKey } from '../core/keys/compromise-key.ts';
import { tokenPurges } from '../core/tokens/clean-up-expired-tokens.ts';
import { type IssuingCopy, type IssuingHarness, openIssuingHarness } from '../core/tokens/issuing-harness.ts';
import type {
  CleanupResult,
  ClientInfo,
  TokenMetadata,
  TokenStatistics,
  TokenValidationResult,
} from '../core/tokens/token-types.ts';
import { JWTTokenService } from './jwt-token-service.ts';
import { TokenCachingStrategy } from './token-caching-strategy.ts';

const harness = opened(() =>
  openIssuingHarness({ ENABLE_IP_VALIDATION: 'true', ENABLE_USER_AGENT_VALIDATION: 'true' }),
);
let other: IssuingCopy;
let service: JWTTokenService;
let cache: TokenCachingStrategy;

beforeAll(async () => {
  other = await harness.copyWith();
  service = new JWTTokenService(harness.ports);
  cache = new TokenCachingStrategy(harness.ports);
});

const home: ClientInfo = { ip: '192.0.2.1', userAgent: 'browser/1', deviceId: 'd1', deviceName: 'Laptop' };
const away: ClientInfo = { ip: '198.51.100.7', userAgent: 'robot/2' };
const newUser = () => insertUser(harness.stores.pools.main);
const query: IssuingHarness['rows'] = (...asked) => harness.rows(...asked);

describe('JWTTokenService', () => {
  test('each token of a pair is valid as its own type and malformed as the other', async () => {
    const userId = await newUser();
    const pair = await service.generateTokenPair(userId, 'user', home);
    expect(pair).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, refreshExpiresIn: 604_800 });
    expect(pair.tokenId).toBe(decodeJwt(pair.accessToken).jti);
    const access = await service.validateToken(pair.accessToken, 'access');
    expect(access).toMatchObject({ valid: true, reason: null, payload: { sub: userId, roles: ['user'] } });
    const refresh = await service.validateToken(pair.refreshToken, 'refresh');
    expect(refresh).toMatchObject({ valid: true, reason: null, payload: { sub: userId, generation: 0 } });
    expect(await service.validateToken(pair.refreshToken, 'access')).toEqual({
      valid: false,
      payload: null,
      reason: 'malformed',
    });
    expect(await service.validateToken(pair.accessToken, 'refresh')).toEqual({
      valid: false,
      payload: null,
      reason: 'malformed',
    });
    const [row] = await query`SELECT device FROM refresh_families WHERE user_id = ${userId}`;
    expect(row).toEqual({ device: { id: 'd1', name: 'Laptop' } });
  });

  test('results have exactly the members that their types declare', async () => {
    const { accessToken, refreshToken } = await service.generateTokenPair(await newUser(), 'user', home);
    const results: TokenValidationResult[] = [
      await service.validateToken(accessToken, 'access'),
      await service.validateToken(refreshToken, 'refresh'),
      await service.validateToken('no.token', 'access'),
    ];
    for (const result of results) expect(Object.keys(result).sort()).toEqual(['payload', 'reason', 'valid']);
    const cleanup: CleanupResult = await service.cleanupExpiredTokens();
    expect(Object.keys(cleanup).sort()).toEqual(['durationMs', 'errors', 'removed', 'scanned']);
    const counts: TokenStatistics = await cache.getTokenStatistics();
    expect(Object.keys(counts).sort()).toEqual(['active', 'expired', 'issued', 'refreshed', 'replays', 'revoked']);
  });

  test('generateTokenPair rejects a role that the user lacks and an unknown user, and starts no token family', async () => {
    const userId = await newUser();
    await expect(service.generateTokenPair(userId, 'admin', home)).rejects.toMatchObject({ code: 'role_not_held' });
    await expect(service.generateTokenPair(randomUUID(), 'user', home)).rejects.toMatchObject({ code: 'user_unknown' });
    expect(await query`SELECT 1 FROM refresh_families WHERE user_id = ${userId}`).toEqual([]);
  });

  test('refreshAccessToken returns two new tokens, and the old refresh token works once', async () => {
    const first = await service.generateTokenPair(await newUser(), 'user', home);
    const second = await service.refreshAccessToken(first.refreshToken, home);
    expect(second.accessToken).not.toBe(first.accessToken);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    const parallel = await Promise.all(
      Array.from({ length: 20 }, () => service.refreshAccessToken(second.refreshToken, home)),
    );
    expect(new Set(parallel.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    await expect(service.refreshAccessToken(first.refreshToken, away)).rejects.toMatchObject({
      code: 'refresh_token_reused',
    });
    expect(await service.validateToken(parallel[0]!.refreshToken, 'refresh')).toMatchObject({
      valid: false,
      reason: 'revoked',
    });
    await expect
      .poll(() => service.validateToken(second.accessToken, 'access'))
      .toMatchObject({ reason: 'family_reused' });
  });

  test('a revoked token is rejected at once on every copy, and the reason is stored', async () => {
    const { accessToken, tokenId } = await service.generateTokenPair(await newUser(), 'user', home);
    expect(await cache.isTokenRevoked(tokenId)).toBe(false);
    await service.revokeToken(tokenId, 'lost phone');
    expect(await service.validateToken(accessToken, 'access')).toMatchObject({ valid: false, reason: 'revoked' });
    expect(await cache.isTokenRevoked(tokenId)).toBe(true);
    await expect.poll(() => new TokenCachingStrategy(other.ports).isTokenRevoked(tokenId), { interval: 10 }).toBe(true);
    expect(await query`SELECT reason FROM revocations WHERE kind = 'jti' AND value = ${tokenId}`).toEqual([
      { reason: 'lost phone' },
    ]);
    const [row] = await query`SELECT detail, actor_kind FROM audit_outbox WHERE target_id = ${tokenId}`;
    expect(row).toMatchObject({ actor_kind: 'system', detail: { reason: 'lost phone' } });
  });

  test('a token matches its metadata under every binding setting, and another binding fails the setting that checks it', async () => {
    const { accessToken, tokenId } = await service.generateTokenPair(await newUser(), 'user', home);
    const payload = (await service.validateToken(accessToken, 'access')).payload!;
    const metadata = (await cache.getTokenMetadata(tokenId)) as TokenMetadata;
    expect(await service.validateTokenSecurity(payload, metadata)).toBe(true);
    expect(await service.validateTokenSecurity(payload, { ...metadata, sessionId: 'other' })).toBe(false);
    expect(await service.validateTokenSecurity(payload, { ...metadata, ipHash: 'other' })).toBe(false);
    expect(await service.validateTokenSecurity(payload, { ...metadata, userAgentHash: 'other' })).toBe(false);
    const { tokenSettings } = harness.ports;
    const off = {
      ...tokenSettings,
      requireSessionBinding: false,
      enableIpValidation: false,
      enableUserAgentValidation: false,
    };
    const lenient = new JWTTokenService({ ...harness.ports, tokenSettings: off });
    const elsewhere = { ...metadata, sessionId: 'other', ipHash: 'other', userAgentHash: 'other' };
    expect(await lenient.validateTokenSecurity(payload, elsewhere)).toBe(true);
  });

  test('a superseded refresh token and an access token from another client are replays; ordinary reuse is not', async () => {
    const userId = await newUser();
    const first = await service.generateTokenPair(userId, 'user', home);
    const access = (await service.validateToken(first.accessToken, 'access')).payload!;
    const refresh = (await service.validateToken(first.refreshToken, 'refresh')).payload!;
    expect(await service.detectReplayAttack(access, home)).toBe(false);
    expect(await service.detectReplayAttack(access, home)).toBe(false);
    expect(await service.detectReplayAttack(access)).toBe(false);
    expect(await service.detectReplayAttack(refresh)).toBe(false);
    expect(await service.detectReplayAttack(access, away)).toBe(true);
    const second = await service.refreshAccessToken(first.refreshToken, home);
    expect(await service.detectReplayAttack(refresh)).toBe(false);
    await service.refreshAccessToken(second.refreshToken, home);
    expect(await service.detectReplayAttack(refresh)).toBe(true);
    const rows = await query`SELECT target_id FROM audit_outbox WHERE type = 'token.replay_detected' ORDER BY id`;
    expect(rows).toEqual([{ target_id: access.jti }, { target_id: refresh.jti }]);
    const off = { ...harness.ports, tokenSettings: { ...harness.ports.tokenSettings, enableReplayProtection: false } };
    expect(await new JWTTokenService(off).detectReplayAttack(refresh)).toBe(false);
  });

  test.each([
    ['an address', { ip: home.ip, userAgent: '' }, { ip: away.ip, userAgent: '' }],
    ['a user agent', { ip: '', userAgent: home.userAgent }, { ip: '', userAgent: away.userAgent }],
  ])('%s alone is enough to detect a replay', async (_what, here, there) => {
    const { accessToken } = await service.generateTokenPair(await newUser(), 'user', home);
    const payload = (await service.validateToken(accessToken, 'access')).payload!;
    const isReplay = (from: ClientInfo) => service.detectReplayAttack(payload, from);
    expect([await isReplay(here), await isReplay(here), await isReplay(there)]).toEqual([false, false, true]);
  });

  test('a refresh token names its session, and past its idle limit it is expired, not revoked', async () => {
    const { sessionId, refreshToken, bearer } = await newPerson(harness);
    const result = await service.validateToken(refreshToken, 'refresh');
    expect(result).toMatchObject({ valid: true, payload: { sid: sessionId, fid: decodeJwt(bearer).fid } });
    await query`UPDATE refresh_families SET idle_expires_at = now() - interval '1 second' WHERE sid = ${sessionId}`;
    expect(await service.validateToken(refreshToken, 'refresh')).toEqual({
      valid: false,
      payload: null,
      reason: 'expired',
    });
  });

  test('cleanup deletes expired rows but keeps their counts, live token families and revocations still needed', async () => {
    const before = await cache.getTokenStatistics();
    const gone = await service.generateTokenPair(await newUser(), 'user', home);
    const live = await service.generateTokenPair(await newUser(), 'user', home);
    await service.refreshAccessToken(gone.refreshToken, home);
    await service.revokeToken(live.tokenId, 'kept');
    await service.revokeToken(gone.tokenId, 'gone');
    const goneFamily = decodeJwt(gone.accessToken).fid;
    const past = `now() - interval '2 days'`;
    await query(`UPDATE refresh_families SET expires_at = ${past}, idle_expires_at = ${past} WHERE id = $1`, [
      goneFamily,
    ]);
    await query(`UPDATE revocations SET expires_at = ${past} WHERE value = $1`, [gone.tokenId]);
    await query(`INSERT INTO idempotency_keys (key_hash, request_hash, expires_at)
      SELECT sha256(n::text::bytea), 'x', ${past} FROM generate_series(1, 2500) n`);
    const result = await service.cleanupExpiredTokens();
    expect(result).toMatchObject({ scanned: 2_502, removed: 2_502, errors: 0 });
    expect(result.durationMs).toBeGreaterThan(0);
    expect(await query`SELECT 1 FROM refresh_families WHERE id = ${goneFamily}`).toEqual([]);
    expect(await query`SELECT 1 FROM idempotency_keys`).toEqual([]);
    expect(await query`SELECT value FROM revocations WHERE value = ANY (${[gone.tokenId, live.tokenId]})`).toEqual([
      { value: live.tokenId },
    ]);
    expect((await service.validateToken(live.refreshToken, 'refresh')).valid).toBe(true);
    const after = await cache.getTokenStatistics();
    const difference = Object.fromEntries(
      Object.entries(after).map(([name, value]) => [name, value - before[name as keyof typeof before]]),
    );
    expect(difference).toEqual({ issued: 2, active: 1, refreshed: 1, revoked: 2, expired: 1, replays: 0 });
    expect(await service.cleanupExpiredTokens()).toMatchObject({ removed: 0, errors: 0 });
  });

  test('cleanup counts a store failure in its result and does not throw', async () => {
    const failing = { ...harness.ports, transact: () => Promise.reject(new Error('down')) };
    expect(await new JWTTokenService(failing).cleanupExpiredTokens()).toMatchObject({
      removed: 0,
      errors: tokenPurges.length,
    });
  });
});

describe('TokenCachingStrategy', () => {
  test('metadata is stored for the lifetime of the token; an unknown id is null, also while Redis is unreachable', async () => {
    const expiresAt = Math.floor(Date.now() / 1_000) + 60;
    const { tokenId } = await service.generateTokenPair(await newUser(), 'user', home);
    const metadata = { ...((await cache.getTokenMetadata(tokenId)) as TokenMetadata), expiresAt };
    const id = randomUUID();
    await cache.storeTokenMetadata(id, metadata);
    expect(await cache.getTokenMetadata(id)).toEqual(metadata);
    await cache.storeTokenMetadata('old', { ...metadata, expiresAt: expiresAt - 120 });
    expect(await cache.getTokenMetadata('old')).toBeNull();
    expect(await cache.getTokenMetadata(randomUUID())).toBeNull();
    const down = { ...harness.stores.redis, getMany: () => Promise.reject(new Error('down')) };
    const without = new TokenCachingStrategy({ ...harness.ports, redis: down });
    expect(await without.getTokenMetadata(id)).toBeNull();
    await expect(without.batchValidateTokens([id])).rejects.toMatchObject({ code: 'token_metadata_unavailable' });
  });

  test('isTokenRevoked finds by metadata that the token family of a token has ended', async () => {
    const pair = await service.generateTokenPair(await newUser(), 'user', home);
    const { fid } = decodeJwt(pair.accessToken);
    await cache.revokeToken(pair.tokenId, 'x');
    const second = await service.refreshAccessToken(pair.refreshToken, home);
    expect(await cache.isTokenRevoked(second.tokenId)).toBe(false);
    await harness.ports.transact(async (tx) => {
      const { endFamily } = await import('../core/tokens/refresh/end-family.ts');
      await endFamily(tx, fid as string, 'x', testCaller);
      tx.afterCommit(harness.ports.announceRevocations);
    });
    await expect.poll(() => cache.isTokenRevoked(second.tokenId)).toBe(true);
  });

  test('batchValidateTokens answers ids in order from their metadata', async () => {
    const [one, two] = [
      await service.generateTokenPair(await newUser(), 'user', home),
      await service.generateTokenPair(await newUser(), 'user', home),
    ];
    await cache.revokeToken(two.tokenId, 'x');
    const unknown = randomUUID();
    const results = await cache.batchValidateTokens([two.tokenId, unknown, one.tokenId]);
    expect(results).toMatchObject([
      { valid: false, reason: 'revoked' },
      { valid: false, reason: 'unknown_id' },
      { valid: true, reason: null, payload: { jti: one.tokenId, aud: harness.ports.tokenSettings.audience } },
    ]);
    expect(await cache.batchValidateTokens([])).toEqual([]);
  });
});

// Last, because it compromises the key of every token above.
test('a pair is not returned when its key is compromised while it signs', async () => {
  const { keyRing } = harness.ports;
  const sign: typeof keyRing.sign = async (...input) => {
    const token = await keyRing.sign(...input);
    const kid = decodeProtectedHeader(token).kid as string;
    await compromiseKey(harness.ports, { kid, reason: 'laptop stolen' }, testCaller);
    await expect.poll(() => keyRing.find(kid)?.compromised).toBe(true);
    return token;
  };
  const signing = new JWTTokenService({ ...harness.ports, keyRing: { ...keyRing, sign } });
  const userId = await newUser();
  await expect(signing.generateTokenPair(userId, 'user', home)).rejects.toThrow('key_compromised');
  const pair = await service.generateTokenPair(userId, 'user', home);
  expect(await service.validateToken(pair.accessToken, 'access')).toMatchObject({ valid: true });
});
