import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FormerPasswords } from '#services/domain/identity/passwords/take-former-password.ts';
import { type SignInPorts, signIn } from '#services/domain/identity/sign-in/sign-in.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import { openPeopledHarness, type PeopledHarness } from '#testing/harness/people.ts';
import { callerAt } from '#testing/harness/ports.ts';
import { createFormerPasswords } from './former-passwords.ts';

const SECRET = 'a secret of the old provider alone';
const PASSWORD = 'correct horse battery staple';
let harness: PeopledHarness;
let url: string;
/** What the old provider does with a request. */
let behave: (request: IncomingMessage, response: ServerResponse, body: Record<string, string>) => void;
const asked: { readonly authorization: string | undefined; readonly body: Record<string, string> }[] = [];
const server = createServer(async (request, response) => {
  let text = '';
  for await (const part of request) text += part;
  const body = JSON.parse(text);
  asked.push({ authorization: request.headers.authorization, body });
  behave(request, response, body);
});
let aheadMs = 0;
const clock = { monotonic: () => performance.now() + aheadMs };

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/password`;
  harness = await openPeopledHarness();
});
afterAll(async () => {
  await harness?.close();
  await new Promise<void>((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
});

const answers = (status: number, body: unknown) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const decides: typeof behave = (request, response, { password }) =>
  answers(200, { valid: password === PASSWORD })(request, response);

let ports: SignInPorts;
const fresh = (): SignInPorts => {
  const { legacy } = loadConfig({ LEGACY_PASSWORD_URL: url, LEGACY_PASSWORD_SECRET: SECRET });
  return {
    ...harness.deps,
    formerPasswords: createFormerPasswords(legacy, { sql: harness.deps.sql, clock }, guardedFetch),
  };
};
beforeEach(() => {
  asked.length = 0;
  behave = decides;
  ports = fresh();
});

let networks = 0;
const newcomer = () => callerAt(`198.51.100.${++networks}`);
const enter = (email: string, password = PASSWORD) => signIn(ports, { email, password }, newcomer());
async function lazyUser() {
  const person = await harness.newUser();
  const sub = randomUUID();
  await harness.rows(`INSERT INTO legacy_users (provider, legacy_id, user_id, lazy) VALUES ('cognito', $1, $2, true)`, [
    sub,
    person.id,
  ]);
  return { ...person, sub };
}
const UNAVAILABLE = { code: 'legacy_provider_unavailable' };

test('without an address no provider is asked', () => {
  const { legacy } = loadConfig({});
  expect(createFormerPasswords(legacy, { sql: harness.deps.sql, clock }, guardedFetch)).toBeNull();
});

describe('a user who was imported without a password', () => {
  test('signs in with the one at the old provider, which is asked once: then it is ours', async () => {
    const { id, email, sub } = await lazyUser();
    expect((await enter(email)).body.user.id).toBe(id);
    expect(asked).toEqual([{ authorization: `Bearer ${SECRET}`, body: { id: sub, email, password: PASSWORD } }]);
    expect(await harness.isPasswordOf(id, PASSWORD)).toBe(true);
    expect((await enter(email)).body.user.id).toBe(id);
    expect(asked).toHaveLength(1);
    expect(await harness.rows('SELECT lazy FROM legacy_users WHERE user_id = $1', [id])).toEqual([{ lazy: false }]);
    expect((await harness.eventsOf(id)).map(({ type }) => type)).toContain('account.password_taken_over');
  });

  test('with a wrong password is refused and counted as everywhere', async () => {
    const { id, email } = await lazyUser();
    await expect(enter(email, 'wrong password')).rejects.toMatchObject({ code: 'login_refused' });
    expect(asked).toHaveLength(1);
    const refused = (await harness.eventsOf(id)).filter(({ outcome }) => outcome === 'refused');
    expect(refused).toHaveLength(1);
    await expect(enter(email, '')).rejects.toMatchObject({ code: 'login_refused' });
    expect(asked).toHaveLength(1);
  });

  test('a password that another sign-in took over before the provider was asked, or after it answered, lets this one in, and a wrong one not', async () => {
    const former = ports.formerPasswords as FormerPasswords;
    const overtaken = async (password: string, isAskedFirst = false) => {
      const { id, email } = await lazyUser();
      const isRight: FormerPasswords['isRight'] = async (who, sent) => {
        const asked = isAskedFirst && (await former.isRight(who, sent));
        await enter(email);
        return asked || former.isRight(who, sent);
      };
      const signedIn = signIn({ ...ports, formerPasswords: { ...former, isRight } }, { email, password }, newcomer());
      return signedIn.then(({ body }) => body.user.id === id);
    };
    expect([await overtaken(PASSWORD), await overtaken(PASSWORD, true)]).toEqual([true, true]);
    await expect(overtaken('not that one')).rejects.toMatchObject({ code: 'login_refused' });
  });

  test('who signs in twice at once has one password', async () => {
    const { id, email } = await lazyUser();
    const [one, two] = await Promise.all([enter(email), enter(email)]);
    expect([one.body.user.id, two.body.user.id]).toEqual([id, id]);
    expect(await harness.rows(`SELECT 1 FROM accounts WHERE "userId" = $1`, [id])).toHaveLength(1);
  });
});

test('the provider is not asked for a user with a password here, without an import, disabled, or unknown', async () => {
  const own = await harness.newUser({ hasPassword: true });
  expect((await enter(own.email, harness.password)).body.user.id).toBe(own.id);
  const social = await harness.newUser();
  const disabled = await lazyUser();
  await harness.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [disabled.id]);
  for (const email of [social.email, disabled.email, `${randomUUID()}@people.test`])
    await expect(enter(email)).rejects.toMatchObject({ code: 'login_refused' });
  expect(asked).toEqual([]);
});

describe('an old provider that does not answer', () => {
  test.each([
    ['fails', answers(500, {})],
    ['refuses our secret', answers(401, { valid: false })],
    ['answers something else', answers(200, { valid: 'yes' })],
    ['hangs up', (_request: IncomingMessage, response: ServerResponse) => void response.destroy()],
  ])('because it %s is a 503 for its users, and ours sign in', async (_what, does) => {
    behave = does;
    const { email } = await lazyUser();
    await expect(enter(email)).rejects.toMatchObject({ ...UNAVAILABLE, options: { retryAfterSeconds: 30 } });
    const own = await harness.newUser({ hasPassword: true });
    expect((await enter(own.email, harness.password)).body.user.id).toBe(own.id);
  });

  test('is asked no more after five failures, once after half a minute, and again when it answers', async () => {
    behave = answers(503, {});
    const { id, email } = await lazyUser();
    for (let attempt = 0; attempt < 7; attempt += 1) await expect(enter(email)).rejects.toMatchObject(UNAVAILABLE);
    expect(asked).toHaveLength(5);
    // Every refusal is this answer meanwhile: an attacker learns of no address whether it is one of those users.
    const ours = await harness.newUser({ hasPassword: true });
    for (const [address, password] of [
      [`${randomUUID()}@people.test`, PASSWORD],
      [ours.email, 'wrong password'],
      [(await harness.newUser()).email, PASSWORD],
    ] as const)
      await expect(enter(address, password)).rejects.toMatchObject({
        ...UNAVAILABLE,
        options: { retryAfterSeconds: 30 },
      });
    expect((await harness.eventsOf(ours.id)).filter(({ outcome }) => outcome === 'refused')).toHaveLength(1);
    expect((await enter(ours.email, harness.password)).body.user.id).toBe(ours.id);
    expect(asked).toHaveLength(5);
    aheadMs += 31_000;
    for (let attempt = 0; attempt < 3; attempt += 1) await expect(enter(email)).rejects.toMatchObject(UNAVAILABLE);
    expect(asked).toHaveLength(6);
    aheadMs += 31_000;
    behave = decides;
    expect((await enter(email)).body.user.id).toBe(id);
  });

  test.each([400, 413, 422, 423, 429])(
    'only for one of its users (%i), as a stranger who guesses can make it, stays in use for the others',
    async (status) => {
      const [victim, other, later] = [await lazyUser(), await lazyUser(), await lazyUser()];
      behave = (request, response, body) =>
        body.email === victim.email ? answers(status, {})(request, response) : decides(request, response, body);
      for (let attempt = 0; attempt < 7; attempt += 1)
        await expect(enter(victim.email, `guess ${attempt}`)).rejects.toMatchObject(UNAVAILABLE);
      expect((await enter(other.email)).body.user.id).toBe(other.id);
      // As the trial after an outage it ends the pause: the provider answers again.
      const decide = behave;
      behave = answers(503, {});
      const lost = await lazyUser();
      for (let attempt = 0; attempt < 5; attempt += 1)
        await expect(enter(lost.email)).rejects.toMatchObject(UNAVAILABLE);
      behave = decide;
      aheadMs += 31_000;
      await expect(enter(victim.email)).rejects.toMatchObject(UNAVAILABLE);
      expect((await enter(later.email)).body.user.id).toBe(later.id);
    },
  );

  test('is asked by sixteen sign-ins at once and no more', async () => {
    const held: (() => void)[] = [];
    behave = (request, response, body) => void held.push(() => decides(request, response, body));
    const people = await Promise.all(Array.from({ length: 17 }, () => lazyUser()));
    const { formerPasswords } = ports;
    const check = ({ id, email }: (typeof people)[number]) => formerPasswords?.isRight({ userId: id, email }, PASSWORD);
    const running = people.slice(0, 16).map(check);
    await expect.poll(() => held.length, { timeout: 10_000 }).toBe(16);
    await expect(check(people[16] as (typeof people)[number])).rejects.toMatchObject(UNAVAILABLE);
    for (const answer of held) answer();
    expect(await Promise.all(running)).toEqual(Array(16).fill(true));
  });
});
