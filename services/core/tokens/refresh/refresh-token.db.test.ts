import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { signingUnavailable } from '#services/core/keys/errors.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { type IssuingHarness, openIssuingHarness } from '../issuing-harness.ts';
import { checkRefreshToken, mintRefreshToken } from './refresh-token-format.ts';
import { familyFlows } from './refresh-token-harness.ts';

const harness = opened(() => openIssuingHarness());
const flows = made(() => familyFlows(harness));
const other = made(() => harness.copyWith({ UNVETTED_CLIENT_SCOPES: 'openid' }));

const query: IssuingHarness['rows'] = (...asked) => harness.rows(...asked);
const metric = (name: string, labels: object): number =>
  registry
    .collect()
    .find((each) => each.name === name)
    ?.series.find((series) => JSON.stringify(series.labels) === JSON.stringify(labels))?.value ?? 0;

describe('a refresh', () => {
  test('returns a new pair of the same family', async () => {
    const family = await flows.newFamily();
    const pair = await flows.refresh(family.refresh_token);
    expect(pair).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.stringMatching(/^sp_rt_1\./),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_expires_in: 604_800,
      scope: 'openid email profile',
    });
    expect(pair.refresh_token).not.toBe(family.refresh_token);
    expect(decodeJwt(pair.access_token)).toMatchObject({
      sub: family.userId,
      sid: family.sessionId,
      fid: family.family_id,
      aud: 'https://a.test',
      client_id: 'sallyport',
      scope: 'openid email profile',
      email: `${family.userId}@example.test`,
      email_verified: false,
      roles: ['user'],
      auth_time: 1,
      ue: 0,
      ce: 0,
    });
  });

  test('60 concurrent requests over two API copies: one rotation, one refresh token, 60 different access tokens', async () => {
    const family = await flows.newFamily();
    const pairs = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        flows.refresh(family.refresh_token, {}, (index % 2 ? harness : other).ports),
      ),
    );
    expect(new Set(pairs.map((pair) => pair.refresh_token)).size).toBe(1);
    expect(new Set(pairs.map((pair) => decodeJwt(pair.access_token).jti)).size).toBe(60);
    expect(await flows.generationOf(family.family_id)).toBe(1);
    const rows = await query`SELECT outcome, count(*)::int FROM audit_outbox
      WHERE target_id = ${family.family_id} AND type = 'token.refreshed' GROUP BY 1 ORDER BY 1`;
    expect(rows).toEqual([
      { outcome: 'grace', count: 59 },
      { outcome: 'rotated', count: 1 },
    ]);
  });

  test('a permission added to the user is in the next access token; a removed role ends the family', async () => {
    const family = await flows.newFamily({ scope: 'openid profile email offline_access' });
    await query`INSERT INTO user_roles VALUES (${family.userId}, 'admin')`;
    const pair = await flows.refresh(family.refresh_token);
    expect(decodeJwt(pair.access_token)).toMatchObject({ roles: ['admin', 'user'], ue: 0 });
    expect(decodeJwt(pair.access_token).permissions).toContain('keys:manage');
    await query`DELETE FROM user_roles WHERE user_id = ${family.userId} AND role = 'admin'`;
    expect(await outcomeOf(flows.refresh(pair.refresh_token))).toBe('session_ended');
  });

  test('a narrower scope applies only to that access token (RFC 6749 §6)', async () => {
    const family = await flows.newFamily();
    const narrow = await flows.refresh(family.refresh_token, { scope: 'email' });
    expect(narrow.scope).toBe('email');
    expect(decodeJwt(narrow.access_token).scope).toBe('email');
    const full = await flows.refresh(narrow.refresh_token, { resource: 'https://a.test' });
    expect(full.scope).toBe('openid email profile');
  });

  test.each([
    [{ scope: 'openid keys:manage' }, 'scope_exceeded'],
    [{ scope: 'openid  email' }, 'scope_exceeded'],
    [{ resource: 'https://b.test' }, 'resource_foreign'],
    [{ resource: 'https://a.test/' }, 'resource_foreign'],
  ])('%o is refused and does not use up the token', async (input, code) => {
    const family = await flows.newFamily();
    expect(await outcomeOf(flows.refresh(family.refresh_token, input))).toBe(code);
    expect(await flows.generationOf(family.family_id)).toBe(0);
    expect(await outcomeOf(flows.refresh(family.refresh_token))).toBe('ok');
  });

  test('a replay with a narrower scope ends the family too', async () => {
    const family = await flows.newFamily();
    const second = await flows.refresh(family.refresh_token);
    const third = await flows.refresh(second.refresh_token);
    expect(await outcomeOf(flows.refresh(family.refresh_token, { scope: 'email' }))).toBe('refresh_token_reused');
    expect(await outcomeOf(flows.refresh(third.refresh_token))).toBe('refresh_token_reused');
  });

  test('a forged token, or one of an unknown family or another client, gets the same answer with scope and resource as without', async () => {
    const family = await flows.newFamily();
    const ask = { scope: 'openid', resource: 'https://a.test' };
    expect(
      await outcomeOf(
        flows.refresh(
          family.refresh_token.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A')),
          ask,
        ),
      ),
    ).toBe('refresh_token_invalid');
    const { version: kv, key } = harness.ports.keyRing.secret('refresh');
    const parts = { kv, familyBytes: Buffer.alloc(16, 1), generation: 0, nonce: Buffer.alloc(32) };
    const unknown = mintRefreshToken(key, harness.ports.revocations.state().incarnation, parts, '');
    expect(await outcomeOf(flows.refresh(unknown, ask))).toBe('refresh_token_invalid');
  });

  test('after a signature that fails after the commit, a retry gets the same successor', async () => {
    const family = await flows.newFamily();
    const keyRing = { ...harness.ports.keyRing, sign: () => Promise.reject(signingUnavailable()) };
    expect(await outcomeOf(flows.refresh(family.refresh_token, {}, { ...harness.ports, keyRing }))).toBe(
      'signing_unavailable',
    );
    expect(await flows.generationOf(family.family_id)).toBe(1);
    const pair = await flows.refresh(family.refresh_token, {}, other.ports);
    expect(await flows.generationOf(family.family_id)).toBe(1);
    const { incarnation } = harness.ports.revocations.state();
    expect(checkRefreshToken(pair.refresh_token, [''], harness.ports.keyRing, incarnation)).toMatchObject({
      generation: 1,
    });
  });

  test('no token is rotated in a rewound database', async () => {
    const family = await flows.newFamily();
    const revocations = { ...harness.ports.revocations, issuingRefusal: () => 'state_rewound' as const };
    expect(await outcomeOf(flows.refresh(family.refresh_token, {}, { ...harness.ports, revocations }))).toBe(
      'state_rewound',
    );
    expect(await flows.generationOf(family.family_id)).toBe(0);
  });

  test('is counted by verdict and by outcome', async () => {
    const counts = () => ({
      rotated: metric('sallyport_token_refreshes', { outcome: 'rotated' }),
      malformed: metric('sallyport_token_refreshes', { outcome: 'malformed' }),
      ok: metric('sallyport_tokens_issued', { grant: 'refresh_token', outcome: 'ok' }),
      refused: metric('sallyport_tokens_issued', { grant: 'refresh_token', outcome: 'refused' }),
    });
    const family = await flows.newFamily();
    const before = counts();
    await flows.refresh(family.refresh_token);
    await outcomeOf(flows.refresh('rubbish'));
    const after = counts();
    for (const name of ['rotated', 'malformed', 'ok', 'refused'] as const) expect(after[name] - before[name]).toBe(1);
  });
});

describe('an unvetted client', () => {
  const unvettedFamily = async (scope: string) => {
    const { clientId } = await harness.newClient();
    await query`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = ${clientId}`;
    await harness.reload();
    const family = await flows.newFamily({ client_id: clientId, is_client_bound: true, scope });
    return { ...family, presentedBy: { clientId, isAuthenticated: true } };
  };

  test('gets the scope that the current settings allow, or less if it requests less', async () => {
    const { refresh_token: token, presentedBy } = await unvettedFamily('openid email');
    expect(await flows.refresh(token, { presentedBy }, other.ports)).toMatchObject({ scope: 'openid' });
    const family = await unvettedFamily('openid email');
    const asked = { presentedBy: family.presentedBy, scope: 'email' };
    expect(await outcomeOf(flows.refresh(family.refresh_token, asked, other.ports))).toBe('scope_exceeded');
    expect(await flows.refresh(family.refresh_token, asked)).toMatchObject({ scope: 'email' });
  });

  test('gets session_ended when the settings allow none of its scope, and its token is not used up', async () => {
    const { refresh_token: token, presentedBy, family_id: familyId } = await unvettedFamily('email');
    expect(await outcomeOf(flows.refresh(token, { presentedBy }, other.ports))).toBe('session_ended');
    expect(await flows.generationOf(familyId)).toBe(0);
    expect(await flows.refresh(token, { presentedBy })).toMatchObject({ scope: 'email' });
  });
});

test('a confidential client’s token is bound to the keys of its refresh request (RFC 9449 §5)', async () => {
  const { clientId } = await harness.newClient();
  const jkt = 'a'.repeat(43);
  const x5t = 'b'.repeat(43);
  const boundBy = async (keys: { jkt?: string; x5t?: string }) => {
    const family = await flows.newFamily({ client_id: clientId, is_client_bound: true });
    const pair = await flows.refresh(family.refresh_token, {
      presentedBy: { clientId, isAuthenticated: true, ...keys },
    });
    return decodeJwt(pair.access_token).cnf;
  };
  expect(await boundBy({ jkt })).toEqual({ jkt });
  expect(await boundBy({ x5t })).toEqual({ 'x5t#S256': x5t });
  expect(await boundBy({})).toBeUndefined();
});
