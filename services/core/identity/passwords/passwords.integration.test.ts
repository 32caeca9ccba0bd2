import { hash } from 'node:crypto';
import { createServer } from 'node:http';
import { hashSync } from '@node-rs/bcrypt';
import { describe, expect, test } from 'vitest';
import type { Caller, PasswordHasher } from '#services/core/ports.ts';
import { readSession, signIn, signUp } from '#tools/testing/flows/identity-flows.ts';
import { type IdentityHarness, newPerson, openIdentityHarness } from '#tools/testing/harness/identity.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { signIn as enter } from '../sign-in/sign-in.ts';
import { counterKey } from '../sign-in/sign-in-counters.ts';
import { STUFFING_NAMES } from '../sign-in/sign-in-guard.ts';

/** A breached-password list on this machine: its contents, and whether it answers. */
const stolen = new Set<string>();
let isListDown = false;
let failsToHash = false;

const failing = (real: PasswordHasher): PasswordHasher => ({
  ...real,
  hash: (password, admission) => (failsToHash ? Promise.reject(new Error('no child')) : real.hash(password, admission)),
});

const server = createServer((request, response) => {
  const prefix = request.url?.split('/').at(-1) ?? '';
  const digests = [...stolen].map((password) => hash('sha1', password).toUpperCase());
  const lines = digests.filter((digest) => digest.startsWith(prefix)).map((digest) => `${digest.slice(5)}:9`);
  response.writeHead(isListDown ? 503 : 200).end([...lines, `${'0'.repeat(35)}:0`].join('\r\n'));
});
const list = opened(() => listening(server));
const harness = opened(() =>
  openIdentityHarness({ around: { hasher: failing }, env: { BREACH_RANGE_URL: `${list.url}/range` } }),
);

const rows: IdentityHarness['rows'] = (...asked) => harness.rows(...asked);
const digestOf = async (userId: string): Promise<string> =>
  (await rows`SELECT password FROM accounts WHERE "userId" = ${userId}`)[0].password;
const eventsOf = async (userId: string): Promise<string[]> =>
  (await rows`SELECT type FROM audit_outbox WHERE target_id = ${userId} ORDER BY id`).map(
    ({ type }: { type: string }) => type,
  );

const IMPORTED = {
  'Better Auth':
    'ad0feb3a68d3b730848eb11ddd8ab35b:9d3165b5430e6502fab6e0b19d51d67c143bf44b659f760b1af475cfb64385dc40a68f3a430995d7f99bcaac4b6b81c106ba6fc58f2a271b0ab9e3592a920212',
  Django: 'pbkdf2_sha256$20000$Q2hhcmxpZTEy$ZyEWMavgIZKHBBFHf7c68knqkXkhxQCVXD3lmA61ZXw=',
} as const;

/** An account as an import creates it, with a digest of another service. */
async function importedAccount(digest: string): Promise<{ email: string; password: string; userId: string }> {
  const person = newPerson();
  const { body } = await signUp(harness, person);
  await rows`UPDATE accounts SET password = ${digest} WHERE "userId" = ${body.user.id}`;
  return { email: person.email, password: 'imported password', userId: body.user.id };
}

describe('imported digests', () => {
  test.each(Object.entries(IMPORTED))(
    '%s: a successful sign-in upgrades the digest, and sessions stay because the password is unchanged',
    async (_name, digest) => {
      const account = await importedAccount(digest);
      const before = await eventsOf(account.userId);
      const [{ changedAt }] =
        await rows`SELECT "passwordChangedAt" AS "changedAt" FROM users WHERE id = ${account.userId}`;
      const login = await signIn(harness, account);
      expect(login.status).toBe(200);
      await expect.poll(() => digestOf(account.userId)).toMatch(/^\$2b\$12\$/);
      expect((await readSession(harness, login.cookie)).status).toBe(200);
      const since = (await eventsOf(account.userId)).slice(before.length);
      expect(since.filter((type) => type.startsWith('account.'))).toEqual(['account.password_rehashed']);
      expect(since).not.toContain('user.tokens_revoked');
      const [{ changedAt: after }] =
        await rows`SELECT "passwordChangedAt" AS "changedAt" FROM users WHERE id = ${account.userId}`;
      expect(after).toEqual(changedAt);
      expect((await signIn(harness, account)).status).toBe(200);
    },
  );

  test('concurrent sign-ins all succeed, whichever upgrades the digest', async () => {
    const account = await importedAccount(IMPORTED.Django);
    const answers = await Promise.all(Array.from({ length: 3 }, () => signIn(harness, account)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    await expect.poll(() => digestOf(account.userId)).toMatch(/^\$2b\$12\$/);
    expect((await eventsOf(account.userId)).filter((type) => type === 'account.password_rehashed')).toHaveLength(1);
  });

  test('a wrong password is refused and upgrades nothing', async () => {
    const account = await importedAccount(IMPORTED.Django);
    const answer = await signIn(harness, { ...account, password: 'not the password' });
    expect(answer).toMatchObject({ status: 401, body: { code: 'login_refused' } });
    expect(await digestOf(account.userId)).toBe(IMPORTED.Django);
  });

  test('a failed upgrade does not fail the sign-in', async () => {
    const account = await importedAccount(IMPORTED.Django);
    failsToHash = true;
    expect((await signIn(harness, account)).status).toBe(200);
    failsToHash = false;
    expect(await digestOf(account.userId)).toBe(IMPORTED.Django);
  });
});

describe('new passwords', () => {
  test.each([
    ['password1234', 'password_common'],
    ['Sallyport-2026', 'password_has_product'],
    ['elevenchars', 'password_too_short'],
  ])('sign-up rejects %s: %s, and creates no account', async (password, code) => {
    const person = { ...newPerson(), password };
    expect(await signUp(harness, person)).toMatchObject({ status: 400, body: { code } });
    expect(await rows`SELECT 1 FROM users WHERE email = ${person.email}`).toEqual([]);
  });

  test('a breached password is rejected with the reason, the same for known and unknown addresses', async () => {
    const [known, unknown] = [newPerson(), newPerson()];
    expect((await signUp(harness, known)).status).toBe(201);
    stolen.add('stolen somewhere else');
    const refused = await Promise.all(
      [known, unknown].map((person) => signUp(harness, { ...person, password: 'stolen somewhere else' })),
    );
    for (const answer of refused) expect(answer).toMatchObject({ status: 400, body: { code: 'password_breached' } });
    expect((await signUp(harness, { ...newPerson(), password: 'not stolen anywhere' })).status).toBe(201);
  });

  test('an unreachable list blocks no user and is logged', async () => {
    isListDown = true;
    const answer = await signUp(harness, { ...newPerson(), password: 'stolen somewhere else' });
    isListDown = false;
    expect(answer.status).toBe(201);
    const [{ count }] = await rows`SELECT count(*)::int FROM audit_outbox WHERE type = 'password.breach_unchecked'`;
    expect(count).toBe(1);
  });
});

describe('after a correct password', () => {
  const from = (ip: string): Caller => ({ ...testCaller, kind: 'anonymous', request: { ...testCaller.request, ip } });
  const person = async () => {
    const { email, password } = newPerson();
    const { body } = await signUp(harness, { email, password });
    return { email, password, userId: body.user.id as string };
  };

  test('with required verification, an unverified address gets 403 and no session', async () => {
    const { email, password, userId } = await person();
    const strict = { ...harness.deps, verificationRequired: true };
    await expect(enter(strict, { email, password }, from('10.2.0.1'))).rejects.toMatchObject({
      code: 'email_unverified',
    });
    await rows`UPDATE users SET "emailVerified" = now() WHERE id = ${userId}`;
    expect((await enter(strict, { email, password }, from('10.2.0.1'))).body.user.id).toBe(userId);
  });

  test('a network with failures for fifty other accounts is flagged in the event', async () => {
    const { email, password, userId } = await person();
    const network = counterKey(harness.deps.keyRing, 'network', '10.2.0.2');
    const tried = Array.from({ length: STUFFING_NAMES }, (_, n) => `name-${n}`);
    await rows`INSERT INTO login_failures (key, failures, tried) VALUES (${network}, 50, ${tried})`;
    await enter(harness.deps, { email, password }, from('10.2.0.2'));
    const [{ detail }] = await rows`SELECT detail FROM audit_outbox
      WHERE type = 'user.login' AND target_id = ${userId} ORDER BY id DESC LIMIT 1`;
    expect(detail).toMatchObject({ factor: 'password', suspect_network: true });
  });

  test('verifies again when a concurrent sign-in upgraded the digest just verified, and opens the session', async () => {
    const { email, password, userId } = await person();
    const strong = await digestOf(userId);
    const put = (digest: string) =>
      rows`UPDATE accounts SET password = ${digest} WHERE "userId" = ${userId} AND "providerId" = 'credential'`;
    await put(hashSync(password, 4));
    let proofs = 0;
    const verify: PasswordHasher['verify'] = async (...given) => {
      const matches = await harness.deps.hasher.verify(...given);
      proofs += 1;
      if (proofs === 1) await put(strong);
      return matches;
    };
    const hasher = { ...harness.deps.hasher, verify };
    expect((await enter({ ...harness.deps, hasher }, { email, password }, from('10.2.0.3'))).body.user.id).toBe(userId);
    expect(proofs).toBe(2);
  });
});
