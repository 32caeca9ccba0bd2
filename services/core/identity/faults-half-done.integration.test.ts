import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { beforeEach, describe, expect, test } from 'vitest';
import { readSession, signIn, signOut, signUp } from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson, openIdentityHarness } from '#tools/testing/harness/identity.ts';
import { opened } from '#tools/testing/opened.ts';
import { signingUnavailable } from '../keys/errors.ts';
import type { KeyRing } from '../keys/key-ring.ts';

const harness = opened(() => openIdentityHarness({ around: { keyRing: sometimesSigning } }));
let canSign = true;

const sometimesSigning = (real: KeyRing): KeyRing => ({
  ...real,
  sign: (header, claims, options) =>
    canSign ? real.sign(header, claims, options) : Promise.reject(signingUnavailable({ retryAfterSeconds: 1 })),
});

beforeEach(() => {
  canSign = true;
});

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);
async function cachedSessions(): Promise<string[]> {
  const client = new Redis(harness.redisUrl);
  const keys = await client.keys('auth:*');
  client.disconnect();
  return keys.sort();
}
const DISK_FULL = `EXCEPTION USING ERRCODE = '53100'`;
/** While `work` runs, inserting an event of this type raises `error`. */
async function whileRefused(type: string, error: string, work: () => Promise<void>): Promise<void> {
  await rows(`CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.type = '${type}' THEN RAISE ${error}; END IF; RETURN NEW; END $$`);
  await rows`CREATE TRIGGER refuse_event BEFORE INSERT ON audit_outbox FOR EACH ROW EXECUTE FUNCTION refuse_event()`;
  try {
    await work();
  } finally {
    await rows`DROP FUNCTION refuse_event CASCADE`;
  }
}

describe('half-done sign-ins', () => {
  const known = newPerson();
  const signUpNew = () => signUp(harness);
  const signInKnown = () => signIn(harness, known);
  test.each([
    ['session.created', 'signing up', signUpNew],
    ['session.created', 'signing in', signInKnown],
    ['user.created', 'signing up', signUpNew],
    ['account.linked', 'signing up', signUpNew],
    ['user.login', 'signing in', signInKnown],
    ['token.family_created', 'signing up', signUpNew],
    ['token.family_created', 'signing in', signInKnown],
  ])(
    'a failing outbox insert of %s while %s leaves no user, account, session, family or event',
    async (type, _doing, attempt) => {
      await signUp(harness, known);
      const counts = () =>
        rows`SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM accounts) AS accounts,
          (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM refresh_families) AS families,
          (SELECT count(*) FROM audit_outbox) AS events`;
      const before = await counts();
      const cached = await cachedSessions();
      await whileRefused(type, `'no room'`, async () => {
        const answer = await attempt();
        expect([answer.status, answer.body.code, answer.headers.getSetCookie()]).toEqual([500, 'internal_error', []]);
        expect(await counts()).toEqual(before);
        expect(await cachedSessions()).toEqual(cached);
      });
    },
  );

  test('a session whose end cannot be recorded stays, and the sign-out is not 200', async () => {
    const { cookie, body } = await signUp(harness);
    await whileRefused('session.ended', DISK_FULL, async () => {
      expect((await signOut(harness, cookie)).status).toBe(503);
    });
    expect((await readSession(harness, cookie)).status).toBe(200);
    expect(await rows`SELECT revoked_at FROM refresh_families WHERE sid = ${body.session.id}`).toEqual([
      { revoked_at: null },
    ]);
  });

  test('a failed sign-in that cannot be recorded is not 401', () =>
    whileRefused('user.login', DISK_FULL, async () => {
      const answer = await signIn(harness, newPerson());
      expect([answer.status, answer.body.code]).toEqual([503, 'store_unavailable']);
    }));

  test('if the tokens cannot be signed, answers 503 without a cookie and ends the session', async () => {
    const person = newPerson();
    await signUp(harness, person);
    canSign = false;
    const refused = await signIn(harness, person);
    expect([refused.status, refused.body.code]).toEqual([503, 'signing_unavailable']);
    expect(refused.headers.getSetCookie()).toEqual([]);
    const newcomer = newPerson();
    expect((await signUp(harness, newcomer)).status).toBe(503);
    canSign = true;
    const sessions = await rows`SELECT u.email, count(s.id)::int FROM users u LEFT JOIN sessions s ON s."userId" = u.id
      WHERE u.email = ANY (${[person.email, newcomer.email]}) GROUP BY 1 ORDER BY 2`;
    expect(sessions).toEqual([
      { email: newcomer.email, count: 0 },
      { email: person.email, count: 1 },
    ]);
    expect((await signIn(harness, newcomer)).status).toBe(200);
  });

  test('if that session cannot be ended either, still answers the signing failure without a cookie', async () => {
    const person = newPerson();
    await signUp(harness, person);
    canSign = false;
    await whileRefused('session.ended', DISK_FULL, async () => {
      const refused = await signIn(harness, person);
      expect([refused.status, refused.body.code]).toEqual([503, 'signing_unavailable']);
      expect(refused.headers.getSetCookie()).toEqual([]);
    });
  });

  test('a sign-up whose tokens could not be signed is completed by its retry with the same Idempotency-Key', async () => {
    const person = newPerson();
    const headers = { 'idempotency-key': randomUUID() };
    canSign = false;
    expect((await signUp(harness, person, { headers })).status).toBe(503);
    canSign = true;
    const opened = await signUp(harness, person, { headers });
    expect(opened.status).toBe(201);
    expect((await readSession(harness, opened.cookie)).body.session.id).toBe(opened.body.session.id);
  });

  test.each([
    ['whose password has changed since', `UPDATE accounts SET password = password || ' ' WHERE "userId" = $1`],
    ['disabled since', `UPDATE users SET "disabledAt" = now() WHERE id = $1`],
    ['deleted since', `DELETE FROM users WHERE id = $1`],
  ])('refuses a correct password of an account %s like a wrong password', async (_what, change) => {
    const person = newPerson();
    const { body } = await signUp(harness, person);
    const { verify } = harness.deps.hasher;
    Object.assign(harness.deps.hasher, {
      verify: async (...args: Parameters<typeof verify>) => {
        const matches = await verify(...args);
        await rows(change, [body.user.id]);
        return matches;
      },
    });
    try {
      const answer = await signIn(harness, person);
      expect([answer.status, answer.body.code]).toEqual([401, 'login_refused']);
    } finally {
      Object.assign(harness.deps.hasher, { verify });
    }
    const events =
      await rows`SELECT outcome FROM audit_outbox WHERE type = 'user.login' AND target_id = ${body.user.id}`;
    expect(events).toEqual([{ outcome: 'refused' }]);
    expect(await rows`SELECT 1 FROM sessions WHERE "userId" = ${body.user.id} AND id <> ${body.session.id}`).toEqual(
      [],
    );
  });

  test('deleting and disabling users while their sessions sign out causes no deadlock and leaves nothing alive', async () => {
    const opened = await Promise.all(Array.from({ length: 6 }, () => signUp(harness)));
    const answers = await Promise.all(
      opened.flatMap(({ cookie, body }, index) => [
        signOut(harness, cookie).then(({ status }) => status),
        rows(index % 2 ? 'DELETE FROM users WHERE id = $1' : 'UPDATE users SET "disabledAt" = now() WHERE id = $1', [
          body.user.id,
        ]).then(() => 200),
      ]),
    );
    expect(answers.filter((status) => status !== 200 && status !== 401)).toEqual([]);
    const ids = opened.map(({ body }) => body.user.id);
    expect(await rows`SELECT 1 FROM sessions WHERE "userId" = ANY (${ids})`).toEqual([]);
    expect(await rows`SELECT 1 FROM refresh_families WHERE user_id = ANY (${ids}) AND revoked_at IS NULL`).toEqual([]);
  });
});
