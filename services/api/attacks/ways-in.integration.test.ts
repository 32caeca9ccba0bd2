import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { BetterAuthIntegrationService } from '#services/embedding/better-auth-integration-service.ts';
import { JWTTokenService } from '#services/embedding/jwt-token-service.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { LEGACY_AUDIENCE, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { act, type Enrolled, enrolled } from '#tools/testing/flows/factor-flows.ts';
import { claimsIn, signUp } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { cookieOf, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { ask } from './authority-cells-harness.ts';
import { sampleRequests } from './sample-input-harness.ts';

/**
 * How a session may come, and what a session of one factor may change. The first half: every way in to an account with a
 * second factor asks for it. The second: if one got past, it changes nothing of how the account is signed in to.
 */

const APP = 'https://app.example.test';
let accounts: BetterAuthIntegrationService;
let tokens: JWTTokenService;

const harness = opened(openApiHarness);
const provider = opened(startLegacyProvider);
const copy = opened(() =>
  harness.startCopy({
    env: {
      LEGACY_ISSUER: provider.issuer,
      LEGACY_JWKS_URI: provider.jwksUri,
      LEGACY_AUDIENCE,
      CORS_ORIGINS: APP,
      STEP_UP_SECONDS: '3600',
    },
  }),
);
const issuer = opened(() => harness.newClient(['tokens:issue']));
beforeAll(() => {
  accounts = new BetterAuthIntegrationService(copy.ports);
  tokens = new JWTTokenService(copy.ports);
});

const AT_HOME = { ip: '203.0.113.9', userAgent: 'app/1' };
const own = { origin: API_URL };
type Victim = Pick<Enrolled, 'person' | 'userId'> & { readonly sub: string };

/** A user of the old provider, imported, with these factors here. */
async function victim(): Promise<Victim & Enrolled> {
  const made = await enrolled(copy);
  const sub = randomUUID();
  await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${made.userId}`;
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', ${sub}, ${made.userId})`;
  return { ...made, sub };
}
const now = (): number => Math.floor(Date.now() / 1_000);
const oldToken = ({ sub, person }: Pick<Victim, 'sub' | 'person'>, claims: object = {}): Promise<string> =>
  provider.token({
    sub,
    email: person.email,
    email_verified: true,
    amr: ['pwd'],
    auth_time: now(),
    sid: randomUUID(),
    ...claims,
  });
const exchange = (token: string, cookie?: string): Promise<Received> =>
  send(copy.url, 'POST', '/v1/legacy/sessions', { json: { token }, headers: own, ...(cookie ? { cookie } : {}) });
const answered = (body: object): Promise<Received> =>
  send(copy.url, 'POST', '/api/auth/second-factor', { json: body, headers: own });
const thrown = async (work: Promise<unknown>): Promise<{ code: string; members: Json }> =>
  work.then(
    () => ({ code: 'ok', members: {} }),
    (err: { code: string; options?: { members?: Json } }) => ({ code: err.code, members: err.options?.members ?? {} }),
  );
const answerOf = ({ body }: Received) => ({ code: String(body?.code ?? 'ok'), members: body });
const issue = (json: object): Promise<Received> => send(copy.url, 'POST', '/v1/tokens', { basic: issuer, json });

/** Each way in that proves one factor, and the code of its answer. */
const WAYS: Readonly<Record<string, (who: Victim) => Promise<{ code: string; members: Json }>>> = {
  'the password': async ({ person: { email, password } }) =>
    answerOf(await send(copy.url, 'POST', '/api/auth/signin', { json: { email, password }, headers: own })),
  'a session of the old provider, of an imported user': async (who) => answerOf(await exchange(await oldToken(who))),
  'a session of the old provider, by an address that both verified': async (who) => {
    await harness.rows`DELETE FROM legacy_users WHERE user_id = ${who.userId}`;
    return answerOf(await exchange(await oldToken({ ...who, sub: randomUUID() })));
  },
  'an application that embeds the product': ({ userId }) => thrown(accounts.createSession(userId, AT_HOME)),
  'the same, which verified the password': ({ userId }) =>
    thrown(accounts.createSession(userId, AT_HOME, { verifiedFactors: ['password'] })),
  'a pair of that application': ({ userId }) => thrown(tokens.generateTokenPair(userId, 'user', AT_HOME)),
  'a pair by the permission tokens:issue': async ({ userId }) => answerOf(await issue({ user_id: userId })),
  'the same, which verified the password ': async ({ userId }) =>
    answerOf(await issue({ user_id: userId, verified_factors: ['password'] })),
};
/** These have a caller that answers nothing itself. */
const WITHOUT_CHALLENGE = ['a pair', 'the same, which verified the password '];

describe('a way in to an account with a second factor that proves none', () => {
  test.each(Object.entries(WAYS))(
    '%s is asked for the second factor and opens nothing (CVE-2024-45042, Ory Kratos: for one way to sign in the account counted as one without a second factor)',
    async (name, arrive) => {
      const who = await victim();
      const open = 'SELECT id FROM sessions WHERE "userId" = $1 AND acr <> \'aal2\'';
      const { code, members } = await arrive(who);
      expect(code).toBe('second_factor_required');
      expect(await harness.rows(open, [who.userId])).toEqual([]);
      const families =
        "SELECT 1 FROM refresh_families WHERE user_id = $1 AND acr IS DISTINCT FROM 'aal2' AND revoked_at IS NULL";
      expect(await harness.rows(families, [who.userId])).toEqual([]);
      if (WITHOUT_CHALLENGE.some((each) => name.startsWith(each))) return;
      expect(members.factors).toEqual(['totp', 'recovery_code']);
      const next = await answered({ challenge: members.challenge, recovery_code: who.codes[0] });
      expect(next.status, next.text).toBe(200);
      expect(claimsIn(next.body.tokens.access_token)).toMatchObject({ sub: who.userId, acr: 'aal2' });
    },
  );

  test('the page /bridge shows the field for the code, and goes on to where the application wanted', async () => {
    const who = await victim();
    const form = { token: await oldToken(who), return_to: `${APP}/home` };
    const page = await send(copy.url, 'POST', '/bridge', { form, headers: { origin: APP, accept: 'text/html' } });
    expect([page.status, page.text.includes('action="/login/code"')]).toEqual([200, true]);
    expect(page.text).toContain(`${APP}/home`);
    expect(page.headers.get('set-cookie') ?? '').not.toContain('session_token');
  });

  test('the database itself refuses a session that went round it', async () => {
    const { userId } = await victim();
    const plant = `INSERT INTO sessions (id, "userId", token, "expiresAt", acr) VALUES ($1, $2, $1, now() + interval '1 hour', 'aal1')`;
    await expect(harness.rows(plant, [randomUUID(), userId])).rejects.toMatchObject({ code: '23514' });
  });
});

describe('a way in to an account that owes a second factor since an import', () => {
  /** A user of the old provider, imported, whose second factor there is lost. */
  async function debtor() {
    const { id: userId, email, password, cookie, tokens: pair } = await signUp({ api: copy.url });
    const sub = randomUUID();
    await harness.rows`UPDATE users SET "emailVerified" = now(), "owesFactor" = true WHERE id = ${userId}`;
    await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', ${sub}, ${userId})`;
    const person = { email, password } as Victim['person'];
    return { userId, sub, person, cookie, refresh: pair.refresh_token, access: pair.access_token };
  }

  test.each(Object.entries(WAYS))('%s asks to enrol it and opens nothing', async (name, arrive) => {
    const who = await debtor();
    const { code, members } = await arrive(who);
    expect(code).toBe('second_factor_required');
    if (!WITHOUT_CHALLENGE.some((each) => name.startsWith(each))) {
      expect(members.factors).toEqual(['enrolment']);
      // Neither a code of the attacker's choice nor a recovery code answers: there is nothing that it could be of.
      for (const guess of [{ totp: '000000' }, { recovery_code: 'aaaa-bbbb-cccc' }])
        expect((await answered({ challenge: members.challenge, ...guess })).status).toBe(401);
    }
    expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${who.userId}`).toEqual([]);
    const live = 'SELECT 1 FROM refresh_families WHERE user_id = $1 AND revoked_at IS NULL';
    expect(await harness.rows(live, [who.userId])).toEqual([]);
  });

  test('what was open before the import, and a page or agent that would use it, goes on nowhere', async () => {
    const who = await debtor();
    const session = () => send(copy.url, 'GET', '/api/auth/session', { cookie: who.cookie });
    await expect.poll(async () => (await session()).status).toBe(401);
    const authorize = '/oauth2/authorize?response_type=code&client_id=x&redirect_uri=x';
    const tried = {
      refresh: await send(copy.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token: who.refresh } }),
      stepUp: await act(copy, who.cookie, '/api/auth/step-up', { password: who.person.password }),
      passkey: await act(copy, who.cookie, '/api/auth/passkey/register/options'),
      enrol: await act(copy, who.cookie, '/api/auth/two-factor/enable', { password: who.person.password }),
      consoleOrDevice: await send(copy.url, 'GET', authorize, { cookie: who.cookie }),
      tokens: await act(copy, who.cookie, '/v1/tokens'),
    };
    for (const [way, { status }] of Object.entries(tried))
      expect(way === 'consoleOrDevice' ? status >= 400 : status === 401, `${way} ${status}`).toBe(true);
    const page = await send(copy.url, 'POST', '/login', {
      form: { email: who.person.email, password: who.person.password },
      headers: { ...own, accept: 'text/html' },
    });
    expect(page.headers.get('set-cookie') ?? '').not.toContain('session_token');
    expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${who.userId}`).toEqual([]);
  });
});

describe('a service that verified a second factor itself says so', () => {
  test('a session and a pair are of two factors, and the audit log keeps what the service said', async () => {
    const { userId } = await victim();
    const session = await accounts.createSession(userId, AT_HOME, { verifiedFactors: ['password', 'totp'] });
    expect(await harness.rows`SELECT amr, acr FROM sessions WHERE id = ${session.id}`).toEqual([
      { amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' },
    ]);
    const pair = await issue({ user_id: userId, verified_factors: ['security_key'] });
    expect(claimsIn(pair.body.access_token)).toMatchObject({ acr: 'aal2', amr: ['hwk', 'user', 'mfa'] });
    const said = await harness.rows`
      SELECT type, detail -> 'verified_factors' AS factors FROM audit_outbox WHERE detail ? 'verified_factors'
      AND (target_id = ${userId} OR detail ->> 'user_id' = ${userId}) ORDER BY id`;
    expect(said).toEqual([
      { type: 'user.login', factors: ['password', 'totp'] },
      { type: 'token.family_created', factors: ['security_key'] },
    ]);
  });

  test('a factor that is not of the list, or in a request for the own session, is refused', async () => {
    const who = await victim();
    expect((await issue({ user_id: who.userId, verified_factors: ['trust me'] })).body.code).toBe('request_invalid');
    const mine = await act(copy, who.cookie, '/v1/tokens', { verified_factors: ['totp'] });
    expect([mine.status, mine.body.code]).toEqual([400, 'request_invalid']);
    expect((await thrown(accounts.createSession(who.userId, AT_HOME, { verifiedFactors: ['x' as never] }))).code).toBe(
      'request_invalid',
    );
  });
});

describe('a carried-over session', () => {
  test('takes no administrator’s account: what the thief of a token of one factor did before', async () => {
    const who = await victim();
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${who.userId}, 'admin')`;
    await harness.rows`DELETE FROM legacy_users WHERE user_id = ${who.userId}`;
    const stolen = await exchange(await oldToken({ ...who, sub: randomUUID() }));
    expect([stolen.status, stolen.body.code]).toEqual([401, 'second_factor_required']);
    const cookie = cookieOf(stolen);
    for (const path of ['/api/auth/two-factor/recovery-codes', '/api/auth/two-factor/disable', '/v1/api-keys'])
      expect((await act(copy, cookie, path)).status, path).toBe(401);
    expect((await harness.rows`SELECT 1 FROM legacy_users WHERE user_id = ${who.userId}`).length).toBe(0);
  });

  test('of an administrator whose address an old provider asserts takes nothing, with a factor or without, unless both verified it', async () => {
    const withFactor = await victim();
    const without = await newSignedIn(copy);
    for (const [userId, email] of [
      [withFactor.userId, withFactor.person.email],
      [without.id, without.email],
    ] as const) {
      await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${userId}, 'admin') ON CONFLICT DO NOTHING`;
      await harness.rows`DELETE FROM legacy_users WHERE user_id = ${userId}`;
      const claims = { sub: randomUUID(), email, auth_time: now(), sid: randomUUID() };
      const known = await harness.rows`SELECT id FROM sessions WHERE "userId" = ${userId} ORDER BY id`;
      // Verified there or here alone is no proof.
      const unverifiedThere = await exchange(
        await provider.token({ ...claims, email_verified: false, amr: ['pwd', 'otp'] }),
      );
      expect(unverifiedThere.status).toBe(401);
      await harness.rows`UPDATE users SET "emailVerified" = NULL WHERE id = ${userId}`;
      const unverifiedHere = await exchange(await provider.token({ ...claims, email_verified: true, jti: 'b' }));
      expect(unverifiedHere.status).toBe(401);
      expect(await harness.rows`SELECT id FROM sessions WHERE "userId" = ${userId} ORDER BY id`).toEqual(known);
      expect(await harness.rows`SELECT 1 FROM legacy_users WHERE user_id = ${userId}`).toEqual([]);
    }
  });

  test('is asked once: the session that answers continues it, in this browser and at the old provider', async () => {
    const who = await victim();
    const sid = randomUUID();
    const asked = await exchange(await oldToken(who, { sid }));
    const challenge = asked.body.challenge as string;
    const opened = await answered({ challenge, totp: codeOf(who.uri, 1) });
    expect(opened.status, opened.text).toBe(200);
    const again = await exchange(await oldToken(who, { sid, jti: 'again' }), cookieOf(opened));
    expect([again.status, again.body.session?.id]).toEqual([200, opened.body.session.id]);
    const kept =
      await harness.rows`SELECT session_id AS id, ended_at FROM legacy_sessions WHERE user_id = ${who.userId}`;
    expect(kept).toEqual([{ id: opened.body.session.id, ended_at: null }]);
    // Elsewhere it is asked again, and goes on as the same session: its end there is still its end here.
    const elsewhere = await exchange(await oldToken(who, { sid, jti: 'elsewhere' }));
    expect(elsewhere.body.code).toBe('second_factor_required');
    const there = await answered({ challenge: elsewhere.body.challenge, recovery_code: who.codes[1] });
    expect(there.body.session.id).toBe(opened.body.session.id);
    expect((await harness.rows`SELECT 1 FROM sessions WHERE id = ${opened.body.session.id}`).length).toBe(1);
  });

  test('that was answered a moment ago by a browser with the factor is not replayed for a token without it', async () => {
    const who = await victim();
    const token = await oldToken(who);
    expect((await exchange(token, who.cookie)).status).toBe(200);
    const replayed = await exchange(token);
    expect([replayed.status, replayed.body.code]).toEqual([401, 'second_factor_required']);
  });

  test('of a user with a passkey alone is asked for it; the passkey signs in, and the old session goes on as that one', async () => {
    const person = await newSignedIn(copy);
    const key = createAuthenticator();
    const options = (await act(copy, person.cookie, '/api/auth/passkey/register/options')).body;
    const made = await act(copy, person.cookie, '/api/auth/passkey/register/verify', {
      challenge: options.challenge,
      response: key.create(options.options, { origin: API_URL }),
      name: 'a key',
    });
    expect(made.status).toBe(201);
    // The first factor ended every session of then, also of the old provider: this one began after it.
    const sub = randomUUID();
    await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', ${sub}, ${person.id})`;
    const sid = randomUUID();
    const claims = { sub, sid, amr: ['pwd'], auth_time: now() };
    const asked = await exchange(await provider.token(claims));
    expect([asked.body.code, asked.body.factors]).toEqual(['second_factor_required', ['passkey', 'recovery_code']]);
    const wanted = (await send(copy.url, 'POST', '/api/auth/passkey/sign-in/options', { headers: own })).body;
    const response = key.get(wanted.options, { origin: API_URL });
    const signedIn = await send(copy.url, 'POST', '/api/auth/passkey/sign-in/verify', {
      json: { challenge: wanted.challenge, response },
      headers: own,
    });
    expect(signedIn.status, signedIn.text).toBe(200);
    const carried = await exchange(await provider.token({ ...claims, jti: 'next' }), cookieOf(signedIn));
    expect([carried.status, carried.body.session?.id]).toEqual([200, signedIn.body.session.id]);
    const legacySessions =
      await harness.rows`SELECT 1 FROM legacy_sessions WHERE user_id = ${person.id} AND ended_at IS NULL`;
    expect(legacySessions).toHaveLength(1);
  });

  test('whose token proves two factors goes on without a question', async () => {
    const who = await victim();
    const carried = await exchange(await oldToken(who, { amr: ['pwd', 'otp'] }));
    expect([carried.status, claimsIn(carried.body.tokens.access_token).acr]).toEqual([200, 'aal2']);
  });
});

describe('what a session of one factor may change in an account that has another', () => {
  type Came = { readonly userId: string; readonly credential: Readonly<Record<string, string>> };
  const byCookie = (cookie: string) => ({ cookie, origin: API_URL });
  const byToken = (token: string) => ({ authorization: `Bearer ${token}` });
  /** A session or pair of each kind, as it is without a second factor. */
  const KINDS: Readonly<Record<string, () => Promise<Came>>> = {
    'by the password': async () => {
      const { id: userId, cookie } = await newSignedIn(copy);
      return { userId, credential: byCookie(cookie) };
    },
    'by the password, as a token': async () => {
      const { id: userId, tokens: pair } = await newSignedIn(copy);
      return { userId, credential: byToken(pair.access_token) };
    },
    'carried over': async () => {
      const { id: userId } = await newSignedIn(copy);
      const sub = randomUUID();
      await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', ${sub}, ${userId})`;
      const carried = await exchange(await provider.token({ sub, sid: randomUUID(), auth_time: now() }));
      return { userId, credential: byCookie(cookieOf(carried)) };
    },
    'as a pair of an embedding application': async () => {
      const { id: userId } = await newSignedIn(copy);
      const pair = await tokens.generateTokenPair(userId, 'user', AT_HOME);
      return { userId, credential: byToken(pair.accessToken) };
    },
  };
  /** Every operation that a recent sign-in protects and that acts on the caller's own account, by its declaration. */
  const protectedOnes = (): Endpoint[] =>
    copy.bound.filter(
      ({ auth }) =>
        auth !== 'public' &&
        auth.permission === undefined &&
        auth.subject === 'own' &&
        (auth.stepUp === true || auth.stepUp === 'two_factors'),
    );
  /** Plants a second factor and leaves the sessions, as a defect would: the rule must not rest on their end. */
  const plantFactor = (userId: string) =>
    harness.rows`WITH plain AS MATERIALIZED (SELECT set_config('session_replication_role', 'replica', true))
      INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      SELECT gen_random_uuid(), ${userId}, 'x', 'x', true FROM plain`;
  const credentialsOf = async (userId: string): Promise<Json> =>
    harness.rows`SELECT u.email, u.name IS NULL AS "isGone",
      (SELECT jsonb_agg(to_jsonb(f)) FROM two_factors f WHERE f."userId" = u.id) AS codes,
        (SELECT count(*) FROM passkeys p WHERE p."userId" = u.id) AS passkeys,
        (SELECT jsonb_agg(a.password || a."providerId") FROM accounts a WHERE a."userId" = u.id) AS accounts,
        (SELECT count(*) FROM api_keys k WHERE k.user_id = u.id) AS keys
      FROM users u WHERE u.id = ${userId}`;

  test('the operations are those that change factors, recovery codes, address, password, passkeys, keys and accounts (CVE-2023-3597, Keycloak: a session of one factor could register a second one in place of the user’s)', () =>
    expect(protectedOnes().map(({ operation }) => operation)).toEqual(
      expect.arrayContaining([
        ...['changeEmail', 'changePassword', 'confirmTotp', 'createApiKey', 'deleteOwnUser', 'enrolTotp', 'linkSocial'],
        ...['registerPasskey', 'removePasskey', 'removeTotp', 'renewRecoveryCodes', 'rotateApiKey', 'unlinkAccount'],
      ]),
    ));

  test.each(Object.entries(KINDS))('a session that came %s changes nothing', async (_name, come) => {
    const { userId, credential } = await come();
    await plantFactor(userId);
    const before = await credentialsOf(userId);
    const answers: Json = {};
    for (const endpoint of protectedOnes()) {
      const accepts = endpoint.auth !== 'public' && endpoint.auth.accepts;
      if (accepts && !accepts.includes('cookie' in credential ? 'session' : 'bearer')) continue;
      for (const request of sampleRequests(endpoint, {}))
        answers[endpoint.operation] = (await ask(copy.url, endpoint, { ...request, isNaming: false }, credential)).code;
    }
    expect(Object.keys(answers).length).toBeGreaterThan(12);
    expect(new Set(Object.values(answers)), JSON.stringify(answers)).toEqual(new Set(['step_up_required']));
    expect(await credentialsOf(userId)).toEqual(before);
  });
});
