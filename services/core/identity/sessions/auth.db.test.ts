import { hash, randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createAccessDirectory } from '#services/core/access/access-directory.ts';
import type { RevocationSet } from '#services/core/revocations/revocation-set.ts';
import { noCountry } from '#services/platform/geo/country-table.ts';
import { createPrismaDatabase } from '#services/platform/postgres/prisma.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import {
  admitted,
  insertPerson,
  openSessionFor,
  type TestAssurance,
  TWO_FACTORS,
} from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { type Auth, createAuth } from './auth.ts';
import { createSessionFamily } from './open-session.ts';

const authSecret = randomBytes(32).toString('base64url');
const IDLE_SECONDS = 3_600;
const harness = opened(() => openPeopleHarness({ authSecret }));
const auth = opened(() => harness.deps.auth);
const authDatabase = opened(() => createPrismaDatabase(harness.pool, () => {}));

const { request } = testCaller;
const tokenOf = (cookie: string): string => decodeURIComponent(/session_token=([^;.]+)/.exec(cookie)?.[1] ?? '');
/** The Redis key of the session of a cookie. */
const redisKeyOf = (cookie: string): string => `auth:{${hash('sha256', tokenOf(cookie), 'base64url')}}`;
const rows: PeopleHarness['rows'] = (...asked) => harness.rows(...asked);
/** Another copy on the same stores with different knowledge of revocations. */
const otherCopy = (
  changes: Partial<RevocationSet>,
  secureCookies = false,
  ports: Partial<Parameters<typeof createAuth>[0]> = {},
): Auth =>
  createAuth(
    { ...harness.deps, revocations: { ...harness.revocations, ...changes }, authDatabase, ...ports },
    {
      authSecret,
      baseUrl: harness.deps.mailer.publicUrl,
      sessionSeconds: 86_400,
      twoFactorSeconds: 43_200,
      twoFactorIdleSeconds: IDLE_SECONDS,
      origins: new Set([harness.deps.mailer.publicUrl, 'https://app.example.test']),
      secureCookies,
      countryOf: noCountry,
    },
  );
const newPerson = async (digest?: string): Promise<{ readonly id: string; readonly email: string }> => {
  const email = newEmail();
  return { id: await insertPerson({ stores: { pools: { main: harness.pool } } }, email, digest), email };
};
const newSession = async (assurance?: TestAssurance) => {
  const { id } = await newPerson();
  const { sessionId, cookie } = await openSessionFor({ ports: harness.deps }, id, assurance);
  return { userId: id, sessionId, cookie };
};
const sessionsOf = (userId: string) => rows`SELECT id FROM sessions WHERE "userId" = ${userId}`;
const rename = (userId: string) => rows`UPDATE users SET name = 'Grace' WHERE id = ${userId}`;
const nameBy = async (copy: Auth, cookie: string) => (await copy.findSession(cookie, false))?.user.name;

describe('Better Auth behind our interface', () => {
  test('opening a session for an unknown user is an internal error, not a 4xx', async () => {
    const open = auth.transact(async (tx) =>
      auth.openSession({ admission: await admitted(tx, harness.deps, randomUUID()) }, request),
    );
    await expect(open).rejects.toThrow('a required value is missing');
  });

  test('an error of Better Auth that is not the client’s fault becomes an internal error, whatever its status', async () => {
    const join = auth.transact(() => auth.signUp({ email: 'no address', name: '', digest: 'a digest' }, request));
    await expect(join).rejects.toMatchObject({ code: 'internal_error' });
  });

  test('a copy that has not loaded its clients yet refuses sign-ins, because their tokens would have no scope', async () => {
    const { id } = await newPerson();
    const access = createAccessDirectory(harness.deps);
    const login = auth.transact(async (tx) => {
      const opened = await auth.openSession({ admission: await admitted(tx, harness.deps, id) }, request);
      return createSessionFamily(tx, { ...harness.deps, access }, opened, testCaller);
    });
    await expect(login).rejects.toThrow('a required value is missing');
    expect(await sessionsOf(id)).toEqual([]);
  });

  test('a failed transaction leaves nothing in Redis; a committed one leaves its session there', async () => {
    const { id } = await newPerson();
    let cookie = '';
    const open = (then: () => void) =>
      auth.transact(async (tx) => {
        const { setCookie } = await auth.openSession({ admission: await admitted(tx, harness.deps, id) }, request);
        cookie = setCookie[0]?.split(';', 1)[0] ?? '';
        expect(await harness.redis.get(redisKeyOf(cookie))).toBeNull();
        then();
      });
    const undone = open(() => {
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await harness.redis.get(redisKeyOf(cookie))).toBeNull();
    await open(() => {});
    expect(await harness.redis.get(redisKeyOf(cookie))).not.toBeNull();
  });
});

describe('the session of a cookie', () => {
  test('is read from Redis, else from Postgres and then cached again', async () => {
    const { userId, sessionId, cookie } = await newSession();
    await rename(userId);
    expect(await nameBy(auth, cookie)).toBe('Ada');
    await harness.redis.delete(redisKeyOf(cookie));
    expect((await auth.findSession(cookie, true))?.session.id).toBe(sessionId);
    expect(await nameBy(auth, cookie)).toBe('Grace');
    await expect.poll(() => harness.redis.get(redisKeyOf(cookie))).not.toBeNull();
  });

  test.each<[string, Partial<RevocationSet>]>([
    ['that may have missed revocations', { refusal: () => 'revocation_state_stale' }],
    ['that knows the user’s tokens were revoked', { userEpoch: () => 1 }],
  ])('is not trusted from Redis by a copy %s: Postgres decides', async (_what, known) => {
    const { userId, cookie } = await newSession();
    await rename(userId);
    expect(await nameBy(otherCopy({ userEpoch: () => 0 }), cookie)).toBe('Ada');
    expect(await nameBy(otherCopy(known), cookie)).toBe('Grace');
  });

  test('is rejected if the copy knows that it has ended, even if both stores still have it', async () => {
    const { sessionId, cookie } = await newSession();
    expect(await otherCopy({ isSessionEnded: (sid) => sid === sessionId }).findSession(cookie, true)).toBeNull();
    expect(await otherCopy({ isSessionEnded: () => false }).findSession(cookie, true)).not.toBeNull();
  });

  test('is refused by a copy whose clock is wrong: 503, and the session stays', async () => {
    const { userId, cookie } = await newSession();
    const keyRing = { ...harness.deps.keyRing, isClockRight: () => false };
    const wrong = otherCopy({}, false, { keyRing });
    expect(await outcomeOf(wrong.findSession(cookie, true))).toBe('clock_wrong');
    expect(await sessionsOf(userId)).toHaveLength(1);
  });

  test('is not opened for a disabled user', async () => {
    const { id } = await newPerson();
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    const opened = await auth.transact(async (tx) =>
      auth.openSession({ admission: await admitted(tx, harness.deps, id) }, request),
    );
    expect(await sessionsOf(id)).toEqual([{ id: opened.session.id }]);
    expect(await auth.findSession(opened.setCookie.join('; '), true)).toBeNull();
    await rows`UPDATE users SET "disabledAt" = NULL WHERE id = ${id}`;
    await auth.forget(opened.session.token);
    expect((await auth.findSession(opened.setCookie.join('; '), true))?.user.id).toBe(id);
  });

  test('is rejected with a changed cookie or an expired session', async () => {
    const { sessionId, cookie } = await newSession();
    expect(await auth.findSession(cookie.replace(/session_token=./, 'session_token=!'), true)).toBeNull();
    await rows`UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE id = ${sessionId}`;
    await auth.forget(tokenOf(cookie));
    expect(await auth.findSession(cookie, true)).toBeNull();
  });

  test('with two factors ends after its idle limit; an earlier use is written to both stores', async () => {
    const [used, rested] = [await newSession(TWO_FACTORS), await newSession(TWO_FACTORS)];
    const restFor = async ({ sessionId, cookie }: { sessionId: string; cookie: string }, seconds: number) => {
      const past = `UPDATE sessions SET "updatedAt" = now() - make_interval(secs => $2) WHERE id = $1`;
      await rows(past, [sessionId, seconds]);
      await harness.redis.delete(redisKeyOf(cookie));
    };
    const usedAt = async (id: string): Promise<Date> =>
      (await rows`SELECT "updatedAt" AS at FROM sessions WHERE id = ${id}`)[0].at;
    await restFor(rested, IDLE_SECONDS + 60);
    expect(await otherCopy({}).findSession(rested.cookie, true)).toBeNull();
    await restFor(used, IDLE_SECONDS - 600);
    const before = await usedAt(used.sessionId);
    const found = await otherCopy({}).findSession(used.cookie, true);
    const after = await usedAt(used.sessionId);
    expect(after.getTime()).toBeGreaterThan(before.getTime());
    expect(found?.session.updatedAt).toEqual(after);
  });

  test('is refused by a copy with a rewound database, which may have lost revocations', async () => {
    const { cookie } = await newSession();
    const rewound = otherCopy({ issuingRefusal: () => 'state_rewound' });
    await expect(rewound.findSession(cookie, true)).rejects.toMatchObject({ code: 'state_rewound' });
  });
});

test('outside development only a Secure cookie with the prefix __Host- is set and read, and listed origins are trusted', async () => {
  const secure = otherCopy({}, true);
  const { id } = await newPerson();
  const opened = await secure.transact(async (tx) =>
    secure.openSession({ admission: await admitted(tx, harness.deps, id) }, request),
  );
  const [line = ''] = opened.setCookie;
  expect(line).toMatch(/^__Host-better-auth\.session_token=.+; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  const [cookie = ''] = line.split(';', 1);
  expect((await secure.findSession(cookie, true))?.session.id).toBe(opened.session.id);
  expect(await secure.findSession(cookie.replace('__Host-', ''), true)).toBeNull();
  expect([...secure.browser.trustedOrigins]).toEqual(
    expect.arrayContaining([harness.deps.mailer.publicUrl, 'https://app.example.test']),
  );
});
