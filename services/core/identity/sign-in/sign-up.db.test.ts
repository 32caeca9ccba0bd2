import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { signingUnavailable } from '#services/core/keys/errors.ts';
import type { Caller } from '#services/core/ports.ts';
import { earlierResult, idempotentRequest, keepResult } from '#services/core/tokens/issue/idempotency.ts';
import { HasherBusyError } from '#services/platform/hasher/errors.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { cookieOf, openFactorsHarness } from '../factors/factors-harness.ts';
import type { SignInAnswer, SignInDraft } from '../sessions/open-session.ts';
import { type SignUpInput, type SignUpPending, type SignUpPorts, signUp } from './sign-up.ts';

const harness = opened(openFactorsHarness);

const home = callerAt('198.51.100.7');
const newPerson = (): { readonly email: string; readonly password: string; readonly name: string } => ({
  email: newEmail(),
  password: newPassword(),
  name: 'Ada',
});
const join = (input: SignUpInput, ports: Partial<SignUpPorts> = {}, caller: Caller = home) =>
  signUp({ ...harness.deps, ...ports }, input, caller);
const sessionIn = (answer: SignInAnswer | SignUpPending): SignInAnswer => {
  if ('status' in answer.body) throw new Error('nothing was opened');
  return answer as SignInAnswer;
};
const hashesNothing = () => ({
  hasher: { ...harness.deps.hasher, hash: () => Promise.reject(new Error('this is not to be hashed')) },
});
const unsigned = () => ({
  keyRing: { ...harness.deps.keyRing, sign: () => Promise.reject(signingUnavailable({ retryAfterSeconds: 1 })) },
});
const usersOf = (email: string) => harness.rows`SELECT id FROM users WHERE email = ${email}`;
const sessionsOf = async (email: string): Promise<string[]> =>
  (await harness.rows`SELECT s.id FROM sessions s JOIN users u ON u.id = s."userId" WHERE u.email = ${email}`).map(
    ({ id }) => id,
  );
const mailsSince = async (work: () => Promise<unknown>): Promise<string[]> => {
  const before = (await harness.rows`SELECT id FROM mail_outbox`).map(({ id }) => id);
  await work();
  const after = await harness.rows`SELECT template FROM mail_outbox WHERE NOT (id = ANY (${before}))`;
  return after.map(({ template }) => template);
};

describe('signing up', () => {
  test('creates user, account, session and token family, queues a verification mail, and stores no password', async () => {
    const person = newPerson();
    let answer: SignInAnswer | undefined;
    const mails = await mailsSince(async () => {
      answer = sessionIn(await join({ ...person, email: person.email.toUpperCase() }));
    });
    const { body, setCookie } = answer as SignInAnswer;
    expect(mails).toEqual(['verify_email']);
    expect(body).toMatchObject({
      user: { email: person.email, name: 'Ada', emailVerified: false },
      session: { ipAddress: '198.51.100.7', userAgent: 'guess' },
      tokens: { token_type: 'Bearer' },
    });
    expect((await harness.callerBy(cookieOf({ setCookie }))).userId).toBe(body.user.id);
    const [account] = await harness.rows`SELECT password FROM accounts WHERE "userId" = ${body.user.id}`;
    expect(account.password).toMatch(/^\$2b\$12\$/);
    const [family] =
      await harness.rows`SELECT user_id, revoked_at FROM refresh_families WHERE sid = ${body.session.id}`;
    expect(family).toEqual({ user_id: body.user.id, revoked_at: null });
    const types =
      await harness.rows`SELECT type FROM audit_outbox WHERE target_id = ANY (${[body.user.id, body.session.id]})`;
    expect(types.map(({ type }) => type)).toEqual(expect.arrayContaining(['user.created', 'session.created']));
  });

  test('is allowed without a name', async () => {
    const { email, password } = newPerson();
    expect(sessionIn(await join({ email, password })).body.user.name).toBe('');
  });

  test('ends the browser’s previous session (session fixation)', async () => {
    const before = await harness.person();
    const person = newPerson();
    const { body } = sessionIn(await join({ ...person, cookie: before.cookie }));
    expect([await sessionsOf(before.email), await sessionsOf(person.email)]).toEqual([[], [body.session.id]]);
    const [family] = await harness.rows`SELECT revoke_reason FROM refresh_families WHERE sid = ${before.sessionId}`;
    expect(family).toEqual({ revoke_reason: 'sign_up' });
  });

  test('with the address of an account is refused, and the account keeps its password', async () => {
    const { id, email } = await harness.person();
    await expect(join({ ...newPerson(), email })).rejects.toMatchObject({ code: 'email_taken' });
    const accounts = await harness.rows`SELECT password FROM accounts WHERE "userId" = ${id}`;
    expect(accounts).toEqual([{ password: harness.digest }]);
    expect(await sessionsOf(email)).toHaveLength(1);
  });

  test('of two concurrent sign-ups with one address, the first to commit succeeds and the other leaves nothing', async () => {
    const person = newPerson();
    const first = randomUUID();
    const insert = `INSERT INTO users (id, email) VALUES ($1, '${person.email}')`;
    expect(await outcomeOf(overtaken(harness.pool, first, insert, () => join(person)))).toBe('email_taken');
    expect(await usersOf(person.email)).toEqual([{ id: first }]);
    expect(await sessionsOf(person.email)).toEqual([]);
    expect(await harness.rows`SELECT 1 FROM accounts WHERE "userId" = ${first}`).toEqual([]);
  });

  test.each([
    ['a password that is too short', { password: 'elevenchars' }, 'password_too_short'],
    ['a common password', { password: 'password1234' }, 'password_common'],
    ['a guessable key', { idempotencyKey: 'guessed' }, 'request_invalid'],
  ])('with %s is rejected before it is hashed', async (_what, unfit, code) => {
    const person = newPerson();
    await expect(join({ ...person, ...unfit }, hashesNothing())).rejects.toMatchObject({ code });
    expect(await usersOf(person.email)).toEqual([]);
  });

  test('while the hashing queue is full returns Retry-After, and creates nothing', async () => {
    const person = newPerson();
    const hasher = { ...harness.deps.hasher, hash: () => Promise.reject(new HasherBusyError('full', 2)) };
    await expect(join(person, { hasher })).rejects.toMatchObject({
      code: 'hashing_busy',
      options: { retryAfterSeconds: 2 },
    });
    expect(await usersOf(person.email)).toEqual([]);
  });

  test('is refused by a copy with a rewound database', async () => {
    const { revocations: real } = harness.deps;
    const revocations = { ...real, issuingRefusal: () => 'state_rewound' as const };
    await expect(join(newPerson(), { revocations })).rejects.toMatchObject({ code: 'state_rewound' });
  });

  test('that fails halfway leaves no user, session or mail', async () => {
    const person = newPerson();
    await harness.rows`CREATE FUNCTION refuse_mail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE 'no room'; END $$`;
    await harness.rows`
      CREATE TRIGGER refuse_mail BEFORE INSERT ON mail_outbox FOR EACH ROW EXECUTE FUNCTION refuse_mail()`;
    try {
      await expect(join(person)).rejects.toThrow('no room');
    } finally {
      await harness.rows`DROP FUNCTION refuse_mail CASCADE`;
    }
    expect([await usersOf(person.email), await sessionsOf(person.email)]).toEqual([[], []]);
  });
});

describe('with required verification', () => {
  const strict = () => ({ verificationRequired: true, ...hashesNothing() });

  test('only a mail is queued for known and unknown addresses alike, and no password is hashed', async () => {
    const { email } = await harness.person();
    const unknown = newPerson();
    for (const person of [unknown, { ...newPerson(), email }])
      expect(
        await mailsSince(async () => {
          const answer = await join(person, strict());
          expect(answer).toEqual({ body: { status: 'verification_required' }, setCookie: [] });
        }),
      ).toEqual(['sign_up']);
    expect(await usersOf(unknown.email)).toEqual([]);
    expect(await sessionsOf(email)).toHaveLength(1);
  });

  test('a retry with the same key sends no second mail; the same key with another body is refused', async () => {
    const person = newPerson();
    const idempotencyKey = randomUUID();
    const mails = await mailsSince(async () => {
      for (let tries = 0; tries < 2; tries += 1) await join({ ...person, idempotencyKey }, strict());
      expect(await outcomeOf(join({ ...newPerson(), idempotencyKey }, strict()))).toBe('idempotency_key_reused');
    });
    expect(mails).toEqual(['sign_up']);
  });
});

describe('a retry with the same Idempotency-Key', () => {
  test('gets the first session, and makes no browser known: the account may have another owner by now', async () => {
    const person = { ...newPerson(), idempotencyKey: randomUUID() };
    const first = sessionIn(await join(person));
    const again = sessionIn(await join(person));
    expect(again.body).toMatchObject({ user: { id: first.body.user.id }, session: { id: first.body.session.id } });
    const isDevice = (line: string): boolean => line.startsWith('sallyport.device=');
    expect([first.setCookie.filter(isDevice).length, again.setCookie.some(isDevice)]).toEqual([1, false]);
    expect(again.setCookie).toEqual(first.setCookie.filter((line) => !isDevice(line)));
    expect(await sessionsOf(person.email)).toEqual([first.body.session.id]);
  });

  test('gets the refresh token of a draft that the release before stored', async () => {
    const [person, idempotencyKey] = [newPerson(), randomUUID()];
    await join({ ...person, idempotencyKey });
    const { sql, random } = harness.deps;
    const request = idempotentRequest(harness.deps, home, idempotencyKey, 'signUp', person);
    const kept = await earlierResult<SignInDraft>(sql, request);
    const family = { refreshToken: 'of the release before', refreshExpiresInSeconds: 61 };
    await keepResult(sql, random, request, 201, { ...kept, family });
    const { tokens } = sessionIn(await join({ ...person, idempotencyKey })).body;
    expect([tokens.refresh_token, tokens.refresh_expires_in]).toEqual(['of the release before', 61]);
    expect(Object.keys(kept?.family ?? {})).toEqual(Object.keys(family));
  });

  test('from another network is another request: the address is taken', async () => {
    const person = { ...newPerson(), idempotencyKey: randomUUID() };
    await join(person);
    await expect(join(person, {}, callerAt('203.0.113.99'))).rejects.toMatchObject({ code: 'email_taken' });
  });

  test('completes a sign-up whose tokens could not be signed; without a key its session ends, and the account stays', async () => {
    const [kept, lost] = [{ ...newPerson(), idempotencyKey: randomUUID() }, newPerson()];
    for (const person of [kept, lost])
      await expect(join(person, unsigned())).rejects.toMatchObject({ code: 'signing_unavailable' });
    const { body, setCookie } = sessionIn(await join(kept));
    expect(await sessionsOf(kept.email)).toEqual([body.session.id]);
    expect((await harness.callerBy(cookieOf({ setCookie }))).sessionId).toBe(body.session.id);
    expect([await usersOf(lost.email), await sessionsOf(lost.email)]).toEqual([[expect.anything()], []]);
  });

  test('gets a new token of its family if the first was issued by a clock that was then corrected', async () => {
    const person = { ...newPerson(), idempotencyKey: randomUUID() };
    const now = (): number => Date.now() + 3_600_000;
    expect(await outcomeOf(join(person, { clock: { ...harness.deps.clock, now } }))).toBe('signing_unavailable');
    const { body } = sessionIn(await join(person));
    expect(Math.abs((decodeJwt(body.tokens.access_token).iat as number) - Date.now() / 1_000)).toBeLessThan(60);
    expect(await sessionsOf(person.email)).toEqual([body.session.id]);
  });

  test('is refused once its session has ended, if its token has expired', async () => {
    const person = { ...newPerson(), idempotencyKey: randomUUID() };
    const now = (): number => Date.now() - 3_600_000;
    await join(person, { clock: { ...harness.deps.clock, now } });
    await harness.rows`DELETE FROM sessions WHERE id = ANY (${await sessionsOf(person.email)})`;
    await expect(join(person)).rejects.toMatchObject({ code: 'session_ended' });
  });

  test('creates the account if the first request failed before creating it, because the copy could not sign', async () => {
    const person = { ...newPerson(), idempotencyKey: randomUUID() };
    const assertSigns = (): void => {
      throw signingUnavailable({ retryAfterSeconds: 1 });
    };
    const keyRing = { ...harness.deps.keyRing, assertSigns };
    await expect(join(person, { keyRing })).rejects.toMatchObject({ code: 'signing_unavailable' });
    expect(await usersOf(person.email)).toEqual([]);
    sessionIn(await join(person));
  });
});
