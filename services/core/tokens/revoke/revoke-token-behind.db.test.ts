import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import { compromiseKey } from '#services/core/keys/compromise-key.ts';
import { rotateServerSecret } from '#services/core/keys/secrets/rotate-server-secret.ts';
import { exchangeToken } from '#services/core/oauth/exchange-token.ts';
import type { Clock } from '#services/core/ports.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { validateToken } from '#tools/testing/harness/token.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { type AccessTokenClaims, signAccessToken } from '../access-token.ts';
import { explainEnd } from '../explain-end.ts';
import { type IssuingCopy, openIssuingHarness } from '../issuing-harness.ts';
import { refreshToken } from '../refresh/refresh-token.ts';
import { introspectToken } from '../verify/introspect-token.ts';
import { revokeOAuthToken } from './revoke-oauth-token.ts';
import { revokeToken } from './revoke-token.ts';

const HOUR_MS = 3_600_000;
/** Offset of the wall clock of the copy whose clock the tests step. */
let stepMs = 0;
const steppedClock: Clock = { now: () => Date.now() + stepMs, monotonic: () => performance.now() };

const harness = opened(openIssuingHarness);
const link = opened(() => startTcpProxy(harness.databaseUrl));
/** A copy on the same database, with a separate clock. */
const stepped = made(() => harness.copyWith({}, harness.databaseUrl, steppedClock));
/** A copy that polls rarely, gets no notifications, and loses its database when a test says so. */
const behind = made(() => harness.copyWith({ REVOCATION_POLL_MS: '10000' }, link.url));
const client = made(() => harness.newClient(['tokens:introspect']));
afterEach(() => {
  stepMs = 0;
});

const end = ({ ports }: Pick<IssuingCopy, 'ports'>, value: string) =>
  revokeToken(ports, { kind: 'token', value, reason: 'test' }, testCaller);
const endByClient = ({ ports }: Pick<IssuingCopy, 'ports'>, token: string) =>
  revokeOAuthToken(ports, token, 'sallyport', testCaller);
const introspect = async ({ ports }: Pick<IssuingCopy, 'ports'>, token: string) =>
  JSON.parse(await introspectToken(ports, token, client));
const verdictOf = async ({ ports, poll }: IssuingCopy, token: string) => {
  await poll.wake();
  const verdict = validateToken(ports, token);
  return verdict.active ? 'active' : verdict.reason;
};

/** Compromises the signing key; only this copy knows, and signs with the next key. */
async function replaceKeyUnheard(): Promise<void> {
  const { bearer } = await newPerson(harness);
  const kid = decodeProtectedHeader(bearer).kid as string;
  await compromiseKey({ ...harness.ports, keysChanged: () => {} }, { kid, reason: 'laptop stolen' }, testCaller);
  await harness.ports.keyRing.load();
}

/** Makes this copy create token families under a server key that the other copies do not know. */
async function replaceServerKeyUnheard(): Promise<void> {
  await rotateServerSecret({ ...harness.ports, keysChanged: () => {} }, { purpose: 'refresh' }, testCaller);
  await harness.rows`UPDATE server_secrets SET activates_at = activates_at - interval '1 day'`;
  await harness.ports.keyRing.load();
}

describe.each([
  ['an hour ahead', HOUR_MS],
  ['an hour behind', -HOUR_MS],
])('a copy whose clock is %s', (_, byMs) => {
  test.each([
    ['by its user', end],
    ['by its client', endByClient],
  ])('a token revoked there %s is rejected on every copy', async (_by, revoke) => {
    const { bearer } = await newPerson(harness);
    stepMs = byMs;
    await revoke(stepped, bearer);
    expect(await verdictOf(harness, bearer)).toBe('revoked');
  });

  test('answers 503 about valid and expired tokens alike, in validation and in introspection', async () => {
    const { bearer } = await newPerson(harness);
    const exp = Math.floor(Date.now() / 1_000) - 60;
    const { token: over } = await signAccessToken(harness.ports, { ...(decodeJwt(bearer) as AccessTokenClaims), exp });
    expect(await verdictOf(stepped, over)).toBe('expired');
    stepMs = byMs;
    for (const token of [bearer, over, 'x']) {
      expect(() => validateToken(stepped.ports, token)).toThrow(expect.objectContaining({ code: 'clock_wrong' }));
      if (token !== 'x') expect(await outcomeOf(introspect(stepped, token))).toBe('clock_wrong');
      expect(await outcomeOf(explainEnd(stepped.ports, { token }))).toBe('clock_wrong');
    }
    stepMs = 0;
    expect(await verdictOf(stepped, bearer)).toBe('active');
  });
});

test('revoking a token that no verifier accepts any more writes no row; one that a slow clock may accept gets a row', async () => {
  const { id, bearer } = await newPerson(harness);
  const { leewaySeconds } = harness.ports.tokenSettings;
  const overFor = async (seconds: number): Promise<string> => {
    const exp = Math.floor(Date.now() / 1_000) - leewaySeconds - seconds;
    const claims = { ...(decodeJwt(bearer) as AccessTokenClaims), jti: harness.ports.random.uuid(), exp };
    return (await signAccessToken(harness.ports, claims)).token;
  };
  await end(harness, await overFor(400));
  expect(await harness.rows`SELECT kind FROM revocations WHERE user_id = ${id}`).toEqual([]);
  await end(harness, await overFor(200));
  expect(await harness.rows`SELECT kind FROM revocations WHERE user_id = ${id}`).toEqual([{ kind: 'jti' }]);
});

describe('a copy that has not loaded the newest keys', () => {
  test.each([
    ['by its user', end],
    ['by its client', endByClient],
  ])('a token revoked there %s is rejected on every copy', async (_by, revoke) => {
    await replaceKeyUnheard();
    const { bearer } = await newPerson(harness);
    await revoke(behind, bearer);
    expect(await verdictOf(harness, bearer)).toBe('revoked');
    expect(await verdictOf(behind, bearer)).toBe('revoked');
  });

  test.each([
    ['by its user', end],
    ['by its client', endByClient],
  ])('and cannot read them revokes no token %s, and answers 503', async (_by, revoke) => {
    await link.cut();
    await replaceKeyUnheard();
    const { bearer } = await newPerson(harness);
    expect(await outcomeOf(revoke(behind, bearer))).toBe('key_ring_behind');
    await link.restore();
    await revoke(behind, bearer);
    expect(await verdictOf(harness, bearer)).toBe('revoked');
    expect(await verdictOf(behind, bearer)).toBe('revoked');
  });

  test('loads them to introspect, explain and exchange a token, or answers 503', async () => {
    const service = await harness.newClient([], { grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'] });
    await link.cut();
    await replaceKeyUnheard();
    const { bearer } = await newPerson(harness);
    const asked = {
      introspect: () => introspect(behind, bearer),
      explain: () => explainEnd(behind.ports, { token: bearer }),
      exchange: () =>
        exchangeToken(
          behind.ports,
          {
            client: { clientId: service.clientId, isAuthenticated: true },
            subjectToken: bearer,
            subjectTokenType: 'urn:ietf:params:oauth:token-type:access_token',
            requestedTokenType: undefined,
            actorToken: undefined,
            actorTokenType: undefined,
            keys: {},
            scope: undefined,
            resource: undefined,
            audience: undefined,
          },
          service,
        ),
    };
    expect(await outcomeOf(asked.introspect())).toBe('key_ring_behind');
    expect(await outcomeOf(asked.explain())).toBe('key_ring_behind');
    // After a lost connection no token is issued, whatever the keys.
    expect(await outcomeOf(asked.exchange())).toBe('revocation_state_stale');
    await link.restore();
    await behind.poll.wake();
    expect(await asked.introspect()).toMatchObject({ active: true });
    expect(await asked.explain()).toEqual({ ended: false });
    expect(await outcomeOf(asked.exchange())).toBe('ok');
  });

  test('loads a newer server key to refresh or inspect a token, or answers 503', async () => {
    const presentedBy = { clientId: null, isAuthenticated: false };
    await replaceServerKeyUnheard();
    const { refreshToken: unheard } = await newPerson(harness);
    expect(await outcomeOf(refreshToken(behind.ports, { refreshToken: unheard, presentedBy }, testCaller))).toBe('ok');
    await link.cut();
    await replaceServerKeyUnheard();
    const { refreshToken: first, bearer } = await newPerson(harness);
    expect(first).not.toMatch(/^sp_rt_1\./);
    const input = { refreshToken: first, presentedBy };
    const asked = {
      introspect: () => introspect(behind, first),
      explain: () => explainEnd(behind.ports, { token: first }),
      refresh: () => refreshToken(behind.ports, input, testCaller),
      revoke: () => end(behind, first),
    };
    expect(await outcomeOf(asked.introspect())).toBe('revocation_state_stale');
    expect(await outcomeOf(asked.explain())).toBe('key_ring_behind');
    expect(await outcomeOf(asked.refresh())).toBe('revocation_state_stale');
    expect(await outcomeOf(asked.revoke())).toBe('store_unavailable');
    await link.restore();
    await behind.poll.wake();
    expect(await asked.introspect()).toMatchObject({ active: true });
    expect(await asked.explain()).toEqual({ ended: false });
    expect(await outcomeOf(asked.refresh())).toBe('ok');
    await asked.revoke();
    expect(await verdictOf(harness, bearer)).toBe('revoked');
  });
});

test('a token revoked by its id in capitals is rejected', async () => {
  const [one, other] = [await newPerson(harness), await newPerson(harness)];
  const { jti } = decodeJwt(one.bearer);
  const { fid } = decodeJwt(other.bearer) as { fid: string };
  await revokeToken(harness.ports, { kind: 'token_id', value: jti!.toUpperCase(), reason: 'test' }, testCaller);
  await revokeToken(harness.ports, { kind: 'family_id', value: fid.toUpperCase(), reason: 'test' }, testCaller);
  expect(await verdictOf(harness, one.bearer)).toBe('revoked');
  expect(await verdictOf(harness, other.bearer)).toBe('revoked');
});
