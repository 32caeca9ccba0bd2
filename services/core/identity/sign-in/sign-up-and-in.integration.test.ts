import { describe, expect, test } from 'vitest';
import type { PasswordHasher } from '#services/core/ports.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { readSession, redisKeyOf, sessionTokenOf, signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson, openIdentityHarness, send } from '#tools/testing/harness/identity.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openIdentityHarness({ around: { hasher: watched } }));

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);

/** For each hash, the transactions of the API that are open for as long as it has not begun. */
const idleInTransaction: number[] = [];
const LOOKS = 200;
const watched = (real: PasswordHasher): PasswordHasher => {
  const look = async (left = LOOKS): Promise<void> => {
    const [open] = await rows`
      SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test'
      AND state LIKE 'idle in transaction%'`;
    // Others' work is between two statements for a moment; a transaction around this hash stays.
    if (open.count === 0 || left === 1) idleInTransaction.push(open.count);
    else await look(left - 1);
  };
  return {
    hash: (password, admission) => look().then(() => real.hash(password, admission)),
    verify: (password, digest, admission) => look().then(() => real.verify(password, digest, admission)),
    refusalOf: (admission) => real.refusalOf(admission),
    needsUpgrade: (digest) => real.needsUpgrade(digest),
    dummyDigest: real.dummyDigest,
  };
};

describe('signing up', () => {
  test('returns user, session, tokens and a signed HttpOnly cookie, and stores a bcrypt-12 digest', async () => {
    const person = newPerson();
    const answer = await signUp(harness, person);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store']);
    expect(answer.body.user).toMatchObject({ email: person.email, emailVerified: false, name: 'Ada' });
    expect(answer.body.session).toMatchObject({ userId: answer.body.user.id });
    expect(Object.keys(answer.body.tokens).sort()).toEqual(
      ['access_token', 'expires_in', 'refresh_expires_in', 'refresh_token', 'scope', 'token_type'].sort(),
    );
    const claims = claimsIn(answer.body.tokens.access_token);
    expect(claims).toMatchObject({ sub: answer.body.user.id, sid: answer.body.session.id, client_id: 'sallyport' });
    const [line] = answer.headers.getSetCookie();
    expect(line).toMatch(/^better-auth\.session_token=.+; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/);
    const [account] = await rows`SELECT password, "providerId" FROM accounts WHERE "userId" = ${answer.body.user.id}`;
    expect(account.providerId).toBe('credential');
    expect(account.password).toMatch(/^\$2b\$12\$/);
    expect((await readSession(harness, answer.cookie)).body).toEqual({
      user: answer.body.user,
      session: answer.body.session,
    });
  });

  test('stores emailVerified as a nullable timestamp and returns a boolean', async () => {
    const answer = await signUp(harness, newPerson());
    const { id } = answer.body.user;
    expect(await rows`SELECT "emailVerified" FROM users WHERE id = ${id}`).toEqual([{ emailVerified: null }]);
    await rows`UPDATE users SET "emailVerified" = now() WHERE id = ${id}`;
    const again = await signIn(harness, { email: answer.body.user.email, password: 'not the password' });
    expect(again.status).toBe(401);
    await harness.redis.delete(redisKeyOf(answer.cookie));
    expect((await readSession(harness, answer.cookie)).body.user.emailVerified).toBe(true);
  });

  test('treats an address as the same in any case; the second is 409 and changes nothing', async () => {
    const person = newPerson();
    await signUp(harness, person);
    const again = await signUp(harness, { ...person, email: person.email.toUpperCase(), password: 'another password' });
    expect([again.status, again.body.code]).toEqual([409, 'email_taken']);
    expect(again.headers.getSetCookie()).toEqual([]);
    expect((await signIn(harness, { ...person, email: person.email.toUpperCase() })).status).toBe(200);
  });

  test('four concurrent requests with one address create one account, one session and one token family', async () => {
    const person = newPerson();
    const answers = await Promise.all(Array.from({ length: 4 }, () => signUp(harness, person)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409]);
    const counts = await rows`SELECT (SELECT count(*)::int FROM users u WHERE u.email = ${person.email}) AS users,
      (SELECT count(*)::int FROM accounts a JOIN users u ON u.id = a."userId"
        WHERE u.email = ${person.email}) AS accounts,
      (SELECT count(*)::int FROM sessions s JOIN users u ON u.id = s."userId"
        WHERE u.email = ${person.email}) AS sessions,
      (SELECT count(*)::int FROM refresh_families f JOIN users u ON u.id = f.user_id
        WHERE u.email = ${person.email}) AS families`;
    expect(counts).toEqual([{ users: 1, accounts: 1, sessions: 1, families: 1 }]);
  });

  test.each([
    ['password_too_short', { password: 'eleven char' }],
    ['password_too_long', { password: 'x'.repeat(257) }],
    ['password_too_long', { password: '𝒜'.repeat(200) + '\u{10348}'.repeat(57) }],
    ['password_ill_formed', { password: `twelve chars\ud800` }],
    ['request_invalid', { password: 12 }],
    ['request_invalid', { password: undefined }],
    ['request_invalid', { email: 'no address' }],
    ['request_invalid', { email: `${'a'.repeat(64)}@${'b'.repeat(190)}.test` }],
    ['request_invalid', { email: `${'a'.repeat(100_00)}!` }],
    ['request_invalid', { email: { not: '' } }],
    ['request_invalid', { name: 'x'.repeat(129) }],
    ['request_invalid', { name: 'a\r\nSet-Cookie: b' }],
    ['request_invalid', { name: '\u001b[31m' }],
    ['request_invalid', { role: 'admin' }],
    ['request_invalid', { emailVerified: true }],
    ['request_invalid', { roles: ['admin'] }],
    ['request_invalid', { callbackURL: 'https://evil.test' }],
  ])('rejects with %s and stores nothing: %o', async (code, change) => {
    const person = { ...newPerson(), ...change };
    const answer = await send(harness, 'POST', '/api/auth/signup', { body: person });
    expect([answer.status, answer.body.code]).toEqual([400, code]);
    expect(answer.headers.getSetCookie()).toEqual([]);
    expect(await rows`SELECT 1 FROM users WHERE email = ${String(person.email)}`).toEqual([]);
  });

  test('accepts 256 characters of up to 1,024 bytes, hashes every byte, and treats NFKC-equal forms as equal', async () => {
    const long = { ...newPerson(), password: `${'p'.repeat(99)}1` };
    await signUp(harness, long);
    expect((await signIn(harness, { ...long, password: `${'p'.repeat(99)}2` })).status).toBe(401);
    expect((await signIn(harness, long)).status).toBe(200);
    const widest = { ...newPerson(), password: '\u{20000}'.repeat(256) };
    expect((await signUp(harness, widest)).status).toBe(201);
    expect((await signIn(harness, widest)).status).toBe(200);
    const composed = { ...newPerson(), password: 'ﬁnancé financé' };
    await signUp(harness, composed);
    expect((await signIn(harness, { ...composed, password: 'finance\u0301 finance\u0301' })).status).toBe(200);
  });
});

describe('signing in', () => {
  test('renews the session that the request carried: a new cookie, and the former one is refused', async () => {
    const person = newPerson();
    const first = await signUp(harness, person);
    const second = await signIn(harness, person, { cookie: first.cookie });
    expect(second.status).toBe(200);
    expect(second.body.session.id).toBe(first.body.session.id);
    expect(sessionTokenOf(second.cookie)).not.toBe(sessionTokenOf(first.cookie));
    expect((await readSession(harness, first.cookie)).status).toBe(401);
    expect((await readSession(harness, second.cookie)).status).toBe(200);
    const families =
      await rows`SELECT revoke_reason FROM refresh_families WHERE sid = ${first.body.session.id} ORDER BY created_at`;
    expect(families).toEqual([{ revoke_reason: 'superseded' }, { revoke_reason: null }]);
  });

  test('answers a wrong or unhashable password, an unknown account and a disabled account the same', async () => {
    const person = newPerson();
    await signUp(harness, person);
    const disabled = newPerson();
    const { body } = await signUp(harness, disabled);
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${body.user.id}`;
    const answers = await Promise.all([
      signIn(harness, { ...person, password: 'not the password' }),
      signIn(harness, newPerson()),
      signIn(harness, disabled),
      signIn(harness, { ...person, password: '' }),
      signIn(harness, { ...person, password: 'x'.repeat(2_000) }),
      signIn(harness, { ...newPerson(), password: 'x'.repeat(2_000) }),
    ]);
    const alike = answers.map(({ status, headers, body: { trace_id: _, ...rest } }) => ({
      status,
      rest,
      headers: [...headers].filter(([name]) => !['date', 'content-length'].includes(name)),
      length: headers.get('content-length'),
    }));
    expect(alike[0]).toMatchObject({ status: 401, rest: { code: 'login_refused' } });
    for (const answer of alike) expect(answer).toEqual(alike[0]);
  });

  test('writes one event for each success and each failure, the failure committed before its 401, without the address in clear', async () => {
    const person = newPerson();
    const { body } = await signUp(harness, person);
    const events = () =>
      rows`SELECT outcome, actor_kind, actor_id, target_id, detail FROM audit_outbox
        WHERE type = 'user.login' ORDER BY id`;
    const before = await events();
    await signIn(harness, { ...person, password: 'not the password' });
    await signIn(harness, { ...newPerson(), password: 'not the password' });
    const opened = await signIn(harness, person);
    const added = (await events()).slice(before.length);
    expect(added).toMatchObject([
      { outcome: 'refused', actor_kind: 'anonymous', target_id: body.user.id },
      { outcome: 'refused', actor_kind: 'anonymous', target_id: null },
      {
        outcome: 'ok',
        actor_kind: 'user',
        actor_id: body.user.id,
        target_id: body.user.id,
        detail: { session_id: opened.body.session.id },
      },
    ]);
    expect(added[0].detail.identifier).toBe(added[2].detail.identifier);
    expect(added[0].detail.identifier).not.toBe(added[1].detail.identifier);
    const [{ everything }] = await rows`SELECT string_agg(o::text, '') AS everything FROM audit_outbox o`;
    expect(everything).not.toContain(person.email);
    expect(everything).not.toContain(sessionTokenOf(opened.cookie));
  });

  test('session, token family and sign-in event carry the trace of the response', async () => {
    const person = newPerson();
    await signUp(harness, person);
    const traceId = 'c0ffee00c0ffee00c0ffee00c0ffee00';
    const opened = await signIn(harness, person, { headers: { traceparent: `00-${traceId}-1234567890abcdef-01` } });
    const traced = await rows`SELECT type FROM audit_outbox WHERE traceparent LIKE ${`%${traceId}%`} ORDER BY id`;
    expect(opened.status).toBe(200);
    expect(traced.map((row) => row.type)).toEqual([
      'session.created',
      'user.login',
      expect.stringContaining('family_created'),
    ]);
  });

  test('hashes no password inside a transaction', async () => {
    const person = newPerson();
    idleInTransaction.length = 0;
    await signUp(harness, person);
    await signIn(harness, person);
    await signIn(harness, { ...person, password: 'not the password' });
    expect(idleInTransaction).toEqual([0, 0, 0]);
  });
});
