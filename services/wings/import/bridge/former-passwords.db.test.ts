import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { beforeEach, describe, expect, test } from 'vitest';
import type { FormerPasswords } from '#services/core/identity/passwords/take-former-password.ts';
import { deviceSetCookie } from '#services/core/identity/sign-in/device-cookie.ts';
import { type SignInPorts, signIn } from '#services/core/identity/sign-in/sign-in.ts';
import { admitSignIn, clearSignInFailures, forgiveUncompared } from '#services/core/identity/sign-in/sign-in-guard.ts';
import { readSignInStatus } from '#services/core/identity/sign-in/sign-in-status.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { createFormerPasswords } from './former-passwords.ts';

const SECRET = 'a secret of the old provider alone';
const PASSWORD = 'correct horse battery staple';
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
let nowMs = 0;
const clock = { monotonic: () => nowMs };

const provider = opened(() => listening(server));
const harness = opened(openPeopledHarness);

const answers = (status: number, body: unknown) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const decides: typeof behave = (request, response, { password }) =>
  answers(200, { valid: password === PASSWORD })(request, response);

let ports: SignInPorts;
const fresh = (fetch = guardedFetch): SignInPorts => {
  const { legacy } = loadConfig({ LEGACY_PASSWORD_URL: `${provider.url}/password`, LEGACY_PASSWORD_SECRET: SECRET });
  return { ...harness.deps, formerPasswords: createFormerPasswords(legacy, { ...harness.deps, clock }, fetch) };
};
beforeEach(() => {
  asked.length = 0;
  behave = decides;
  ports = fresh();
});

let networks = 0;
const newcomer = () => callerAt(`10.9.${++networks >> 8}.${networks & 255}`);
const enter = (email: string, password = PASSWORD) => signIn(ports, { email, password }, newcomer());
async function lazyUser() {
  const person = await harness.newUser();
  const sub = randomUUID();
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id, lazy)
    VALUES ('cognito', ${sub}, ${person.id}, true)`;
  return { ...person, sub };
}
const UNAVAILABLE = { code: 'legacy_provider_unavailable' };
const LOCKED = { code: 'login_locked' };
const unknown = () => `${randomUUID()}@people.test`;

test('without an address no provider is asked', () => {
  const { legacy } = loadConfig({});
  expect(createFormerPasswords(legacy, { ...harness.deps, clock }, guardedFetch)).toBeNull();
});

describe('a user who was imported without a password', () => {
  test('signs in with the one at the old provider, which is asked once: then it is ours', async () => {
    const { id, email, sub } = await lazyUser();
    expect((await enter(email)).body.user.id).toBe(id);
    expect(asked).toEqual([{ authorization: `Bearer ${SECRET}`, body: { id: sub, email, password: PASSWORD } }]);
    expect(await harness.isPasswordOf(id, PASSWORD)).toBe(true);
    expect((await enter(email)).body.user.id).toBe(id);
    expect(asked).toHaveLength(1);
    expect(await harness.rows`SELECT lazy FROM legacy_users WHERE user_id = ${id}`).toEqual([{ lazy: false }]);
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
    expect(await harness.rows`SELECT 1 FROM accounts WHERE "userId" = ${id}`).toHaveLength(1);
  });
});

test('the provider is not asked for a user with a password here, without an import, disabled, or unknown', async () => {
  const own = await harness.newUser({ hasPassword: true });
  expect((await enter(own.email, harness.password)).body.user.id).toBe(own.id);
  const social = await harness.newUser();
  const disabled = await lazyUser();
  await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
  for (const email of [social.email, disabled.email, unknown()])
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
    await expect(enter(email)).rejects.toMatchObject({ ...UNAVAILABLE, options: { retryAfterSeconds: 1 } });
    const own = await harness.newUser({ hasPassword: true });
    expect((await enter(own.email, harness.password)).body.user.id).toBe(own.id);
  });

  test('is asked once after pauses of 1 s, 2 s … half a minute, about a made-up user, and again when it answers', async () => {
    behave = answers(503, {});
    const { id, email } = await lazyUser();
    await expect(enter(email)).rejects.toMatchObject({ ...UNAVAILABLE, options: { retryAfterSeconds: 1 } });
    const others = await Promise.all(Array.from({ length: 7 }, () => lazyUser()));
    for (const [at, seconds] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      nowMs += seconds * 1_000 - 500;
      await expect(enter(unknown())).rejects.toMatchObject({ ...UNAVAILABLE, options: { retryAfterSeconds: 1 } });
      expect(asked).toHaveLength(1 + at);
      nowMs += 500;
      const both = [unknown(), others[at]?.email as string].map((address) => enter(address).catch((err) => err));
      const retryAfterSeconds = [2, 4, 8, 16, 30, 30, 30][at];
      for (const refused of await Promise.all(both))
        expect(refused).toMatchObject({ ...UNAVAILABLE, options: { retryAfterSeconds } });
      expect(asked).toHaveLength(2 + at);
      expect(asked.at(-1)?.body.email).toMatch(/@trial\.invalid$/);
    }
    const ours = await harness.newUser({ hasPassword: true });
    await expect(enter(ours.email, 'wrong password')).rejects.toMatchObject(UNAVAILABLE);
    expect((await harness.eventsOf(ours.id)).filter(({ outcome }) => outcome === 'refused')).toHaveLength(1);
    expect((await enter(ours.email, harness.password)).body.user.id).toBe(ours.id);
    expect(asked).toHaveLength(8);
    nowMs += 30_000;
    behave = decides;
    expect((await enter(email)).body.user.id).toBe(id);
  });

  test('at several requests at once has failed once', async () => {
    const held: (() => void)[] = [];
    behave = (request, response) => void held.push(() => answers(503, {})(request, response));
    const people = await Promise.all(Array.from({ length: 4 }, () => lazyUser()));
    const { formerPasswords } = ports;
    const checks = people.map(({ id, email }) => formerPasswords?.isRight({ userId: id, email }, PASSWORD));
    await expect.poll(() => held.length, { timeout: 10_000 }).toBe(4);
    for (const answer of held) answer();
    for (const answer of await Promise.all(checks))
      expect(answer).toMatchObject({ ...UNAVAILABLE, options: { retryAfterSeconds: 1 } });
    nowMs += 1_000;
    behave = decides;
    await expect(enter(unknown())).rejects.toMatchObject({ code: 'login_refused' });
  });

  test('and then does not know the user of the trial is back', async () => {
    behave = answers(503, {});
    const { id, email } = await lazyUser();
    await expect(enter(email)).rejects.toMatchObject(UNAVAILABLE);
    nowMs += 1_000;
    behave = (request, response, body) =>
      body.email?.endsWith('.invalid') ? answers(404, {})(request, response) : decides(request, response, body);
    expect((await enter(email)).body.user.id).toBe(id);
  });

  test.each([400, 413, 422, 423, 429])(
    'only for one of its users (%i), as a stranger who guesses can make it, stays in use for the others',
    async (status) => {
      const [victim, other, later] = [await lazyUser(), await lazyUser(), await lazyUser()];
      behave = (request, response, body) =>
        body.email === victim.email ? answers(status, {})(request, response) : decides(request, response, body);
      for (let attempt = 0; attempt < 5; attempt += 1)
        await expect(enter(victim.email, `guess ${attempt}`)).rejects.toMatchObject(UNAVAILABLE);
      await expect(enter(victim.email)).rejects.toMatchObject(LOCKED);
      expect((await enter(other.email)).body.user.id).toBe(other.id);
      // To the trial after an outage it ends the pause: the provider answers again.
      behave = answers(503, {});
      await expect(enter(later.email)).rejects.toMatchObject(UNAVAILABLE);
      behave = (request, response, body) =>
        body.email?.endsWith('.invalid') ? answers(status, {})(request, response) : decides(request, response, body);
      nowMs += 31_000;
      expect((await enter(later.email)).body.user.id).toBe(later.id);
    },
  );

  test('is asked by sixteen sign-ins at once and no more', async () => {
    const held: (() => void)[] = [];
    behave = (request, response, body) => void held.push(() => decides(request, response, body));
    const all = await Promise.all(Array.from({ length: 17 }, () => lazyUser()));
    ports = fresh((rules, ...sent) => guardedFetch({ ...rules, deadlineMs: 60_000 }, ...sent));
    const ask = ({ id, email }: (typeof all)[0]) => ports.formerPasswords?.isRight({ userId: id, email }, PASSWORD);
    const running = all.slice(0, 16).map(ask);
    await expect.poll(() => held.length).toBe(16);
    expect(await ask(all[16] as (typeof all)[number])).toMatchObject(UNAVAILABLE);
    await expect(enter(unknown())).rejects.toMatchObject(UNAVAILABLE);
    for (const answer of held) answer();
    expect(await Promise.all(running)).toEqual(Array(16).fill(true));
  });
});

describe('an outsider, while the old provider is away,', () => {
  const goAway = async (): Promise<void> => {
    behave = answers(503, {});
    await expect(enter((await lazyUser()).email)).rejects.toMatchObject(UNAVAILABLE);
  };
  const comeBack = (): void => {
    behave = decides;
    nowMs += 31_000;
  };
  type Trio = { readonly former: string; readonly stranger: string; readonly local: string };
  const trio = async (): Promise<Trio & { readonly formerId: string; readonly localId: string }> => {
    const [former, local] = [await lazyUser(), await harness.newUser({ hasPassword: true })];
    return { former: former.email, stranger: unknown(), local: local.email, formerId: former.id, localId: local.id };
  };
  /** All that an answer is made of: code and Retry-After, that of a lock as the quarter of an hour that it began with. */
  const wrong = (email: string): Promise<string> =>
    enter(email, 'wrong password').then(
      () => 'signed in',
      ({ code, options: { retryAfterSeconds: seconds = 0 } }) =>
        `${code} ${code === 'login_locked' ? Math.ceil(seconds / 900) * 900 : seconds}`,
    );
  /** Ten wrong passwords of each in turns, with pauses. What they were answered, if it is the same for all. */
  const tenEach = async ({ former, stranger, local }: Trio): Promise<string[]> => {
    const seen: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const answers = [await wrong(former), await wrong(stranger), await wrong(local)];
      expect(answers, `round ${round}`).toEqual(Array(3).fill(answers[0]));
      seen.push(answers[0] as string);
      nowMs += 2_500;
    }
    return seen;
  };
  const five = (text: unknown): unknown[] => Array(5).fill(text);
  const locked = five('login_locked 900');

  test('reads the same ten answers for a former user, an unknown address and a user with a password here, also when it is back and away again', async () => {
    const [one, two] = [await trio(), await trio()];
    await goAway();
    const away = await tenEach(one);
    expect(away.slice(0, 5)).toEqual(five(expect.stringMatching(/^legacy_provider_unavailable \d+$/)));
    expect(away.slice(5)).toEqual(locked);
    await tenEach(two);
    const outcomes = async (id: string) =>
      (await harness.eventsOf(id)).filter(({ type }) => type === 'user.login').map(({ outcome }) => outcome);
    expect((await outcomes(one.formerId)).filter((outcome) => outcome === 'uncompared')).toHaveLength(5);
    expect((await outcomes(one.localId)).filter((outcome) => outcome === 'refused')).toHaveLength(5);
    expect(await readSignInStatus(harness.deps, one.local)).toMatchObject({ failedLogins: 5, lockedUntil: null });
    comeBack();
    expect(await tenEach(one)).toEqual([...five('login_refused 0'), ...locked]);
    await goAway();
    expect([await tenEach(one), await tenEach(two)]).toEqual([
      [...locked, ...locked],
      [...locked, ...locked],
    ]);
  });

  test('locks no user out: a right password here signs in meanwhile, a former one as soon as the provider is back', async () => {
    const [{ former, formerId, local, localId }, other] = [await trio(), await lazyUser()];
    await goAway();
    for (let at = 0; at < 4; at += 1) await wrong(local);
    expect((await enter(local, harness.password)).body.user.id).toBe(localId);
    for (let at = 0; at < 4; at += 1) await wrong(local);
    expect((await enter(local, harness.password)).body.user.id).toBe(localId);
    for (let at = 0; at < 7; at += 1) await wrong(former);
    await expect(enter(former)).rejects.toMatchObject(LOCKED);
    await expect(enter(other.email)).rejects.toMatchObject(UNAVAILABLE);
    comeBack();
    expect((await enter(former)).body.user.id).toBe(formerId);
    expect((await enter(other.email)).body.user.id).toBe(other.id);
  });

  test('who locked a user here locks neither a known device nor one that is unlocked, and guesses at once no further', async () => {
    const { local: email, localId } = await trio();
    await goAway();
    for (let at = 0; at < 5; at += 1) await wrong(email);
    await expect(enter(email, harness.password)).rejects.toMatchObject(LOCKED);
    const cookie = deviceSetCookie(harness.deps, { email, cookie: undefined, isSecure: false }).split(';', 1)[0];
    const at = newcomer();
    const attempt = (password: string) => signIn(ports, { email, password, cookie }, at);
    await expect(attempt('wrong password')).rejects.toMatchObject(UNAVAILABLE);
    const admitted = await admitSignIn(harness.deps, { email }, newcomer());
    const forgive = (isKnownDevice: boolean) =>
      ports.transact((tx) => forgiveUncompared(tx, ports, { email, admitted: { ...admitted, isKnownDevice } }));
    // The lock began while the password was being verified.
    await expect(forgive(false)).rejects.toMatchObject(LOCKED);
    expect((await attempt(harness.password)).body.user.id).toBe(localId);
    for (let tries = 0; tries < 5; tries += 1) await wrong(email);
    await expect(enter(email, harness.password)).rejects.toMatchObject(LOCKED);
    await harness.deps.transact((tx) => clearSignInFailures(tx, harness.deps, email));
    expect((await enter(email, harness.password)).body.user.id).toBe(localId);
  });

  test('who tries many passwords from one network is counted there for those that were compared', async () => {
    const { former, stranger, local } = await trio();
    await goAway();
    const home = newcomer();
    const tryFrom = (email: string) =>
      signIn(ports, { email, password: 'wrong password' }, home).catch(() => undefined);
    const { lockingKeys } = await admitSignIn(harness.deps, { email: local }, home);
    const counted = () =>
      harness.rows`SELECT failures FROM login_failures WHERE key = ANY (${lockingKeys}) AND key LIKE 'network:%'`;
    for (const email of [former, stranger]) await tryFrom(email);
    expect(await counted()).toEqual([]);
    await tryFrom(local);
    expect(await counted()).toEqual([{ failures: 1 }]);
  });
});
