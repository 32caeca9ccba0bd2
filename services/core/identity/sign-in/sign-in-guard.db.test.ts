import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { clientPrefixOf } from '#services/core/shared/client-prefix.ts';
import { admitted, insertPerson } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import type { OpenedSession } from '../sessions/live-session.ts';
import { deviceSetCookie } from './device-cookie.ts';
import { isClosedTo, lockedOut } from './refuse-stepped-up.ts';
import { accountKeyOf, counterKey, PASSWORD_FAILURES_EVER } from './sign-in-counters.ts';
import {
  admitSignIn,
  clearSignInFailures,
  countSignInFailure,
  disablePasswordSignIn,
  forgiveSignIn,
  mayBeKnownDevice,
  STUFFING_NAMES,
} from './sign-in-guard.ts';
import { forgetDevices, isFromKnownDevice, readSignInOrigin, readSignInOriginOf } from './sign-in-origin.ts';
import { readSignInStatus } from './sign-in-status.ts';

const LOCKED = { code: 'login_locked' };
const harness = opened(() => openPeopleHarness());
const ports = partOf(() => harness.deps);

const rows: PeopleHarness['rows'] = (...asked) => harness.rows(...asked);
const newName = (): string => `${randomUUID()}@people.test`;
let homes = 0;
/** A network for each account, so that a test that locks one does not affect another test. */
const newHome = (): Caller => callerAt(`10.1.${homes >> 8}.${homes++ & 255}`);
const deviceOf = (email: string): string =>
  deviceSetCookie(ports, { email, cookie: undefined, isSecure: false }).split(';', 1)[0] as string;

type Guess = { readonly home?: Caller; readonly cookie?: string | undefined; readonly userId?: string };
/** One wrong password. @returns seconds for which it was already locked */
async function fail(email: string, { home = newHome(), cookie, userId }: Guess = {}): Promise<number> {
  const admitted = await admitSignIn(ports, { email, cookie }, home);
  return ports.transact((tx) => countSignInFailure(tx, admitted, userId, home));
}
async function failTimes(times: number, email: string, guess?: Guess): Promise<void> {
  for (let n = 0; n < times; n += 1) await fail(email, guess);
}
/** A correct password. */
async function succeed(email: string, home = newHome(), cookie?: string) {
  const admitted = await admitSignIn(ports, { email, cookie }, home);
  return ports.transact((tx) => forgiveSignIn(tx, admitted));
}
const statusOf = (email: string) => readSignInStatus(ports, email);
const events = (): Promise<{ type: string; outcome: string; target_id: string | null; detail: object }[]> =>
  rows`SELECT type, outcome, target_id, detail FROM audit_outbox WHERE type LIKE 'user.login%' ORDER BY id`;

describe('a guessed password', () => {
  test('five wrong passwords lock the account: the sixth is refused before it is verified', async () => {
    const email = newName();
    await failTimes(4, email);
    expect(await statusOf(email)).toEqual({ failedLogins: 4, lockedUntil: null, isSpent: false });
    await fail(email);
    const { failedLogins, lockedUntil, isSpent } = await statusOf(email.toUpperCase());
    expect([failedLogins, isSpent]).toEqual([5, false]);
    expect(Date.parse(lockedUntil as string)).toBeGreaterThan(ports.clock.now());
    const refused = await admitSignIn(ports, { email }, newHome()).catch((err) => err);
    expect(refused).toMatchObject(LOCKED);
    expect(refused.options.retryAfterSeconds).toBeGreaterThan(0);
    expect(refused.options.retryAfterSeconds).toBeLessThanOrEqual(900);
  });

  test('of concurrent attempts, five learn whether the password was right, the others only that the account is locked', async () => {
    const email = newName();
    const home = newHome();
    const admitted = await Promise.all(Array.from({ length: 8 }, () => admitSignIn(ports, { email }, home)));
    const lockedSeconds = await Promise.all(
      admitted.map((each) => ports.transact((tx) => countSignInFailure(tx, each, undefined, home))),
    );
    expect(lockedSeconds.filter((seconds) => seconds === 0)).toHaveLength(5);
    expect(await statusOf(email)).toMatchObject({ failedLogins: 8 });
  });

  test('each attempt writes one event and the lock another one, with a hash of the address and the id of the user', async () => {
    const email = newName();
    const userId = await insertPerson({ stores: { pools: { main: harness.pool } } }, email);
    const before = await events();
    await failTimes(5, email, { userId });
    await fail(email, { userId }).catch(() => {});
    const written = (await events()).slice(before.length);
    const about = { identifier: expect.stringMatching(/^1\./) };
    const refused = {
      type: 'user.login',
      outcome: 'refused',
      target_id: userId,
      detail: { ...about, factor: 'password', known_device: false },
    };
    expect(written).toEqual([
      ...Array.from({ length: 5 }, () => refused),
      {
        type: 'user.login_locked',
        outcome: 'refused',
        target_id: userId,
        detail: { ...about, of: 'account', failures: 5, seconds: 900 },
      },
      { ...refused, outcome: 'locked', target_id: null },
    ]);
    expect(JSON.stringify(written)).not.toContain(email);
  });

  test('the events of an unknown address name no account', async () => {
    const before = await events();
    await failTimes(5, newName());
    const written = (await events()).slice(before.length);
    expect(written.map(({ type }) => type)).toEqual([...Array(5).fill('user.login'), 'user.login_locked']);
    expect(written.map(({ target_id }) => target_id)).toEqual(Array(6).fill(null));
  });

  test('the hundredth wrong password disables the password alone, and waiting does not help', async () => {
    const email = newName();
    await fail(email);
    await rows`UPDATE login_failures SET failures = ${PASSWORD_FAILURES_EVER - 1}
      WHERE key = ${accountKeyOf(ports, email)}`;
    await fail(email);
    await rows`UPDATE login_failures SET locked_until = NULL WHERE key = ${accountKeyOf(ports, email)}`;
    expect(await statusOf(email)).toEqual({ failedLogins: PASSWORD_FAILURES_EVER, lockedUntil: null, isSpent: true });
    await expect(admitSignIn(ports, { email }, newHome())).rejects.toMatchObject({
      ...LOCKED,
      options: { retryAfterSeconds: 86_400 },
    });
  });

  test('a guess for an unused address comes from an unknown device', async () =>
    expect(await statusOf(newName())).toEqual({ failedLogins: 0, lockedUntil: null, isSpent: false }));
});

describe('a correct password', () => {
  test('clears the counted failures', async () => {
    const email = newName();
    await failTimes(4, email);
    expect(await succeed(email)).toEqual({ suspectNetwork: false });
    expect(await statusOf(email)).toMatchObject({ failedLogins: 0 });
  });

  test('is refused if a lock began while it was being verified, and clears nothing', async () => {
    const email = newName();
    const admitted = await admitSignIn(ports, { email }, newHome());
    await failTimes(5, email);
    await expect(ports.transact((tx) => forgiveSignIn(tx, admitted))).rejects.toMatchObject(LOCKED);
    expect(await statusOf(email)).toMatchObject({ failedLogins: 5 });
  });

  test('from a network with failures for many other accounts is suspect, and from another network is not', async () => {
    const home = newHome();
    for (let n = 0; n < STUFFING_NAMES; n += 1) await fail(newName(), { home });
    const email = newName();
    expect(await succeed(email)).toEqual({ suspectNetwork: false });
    expect(await succeed(email, home)).toEqual({ suspectNetwork: true });
  });
});

describe('a network', () => {
  test('that failed a hundred times is refused for every account, except for known devices or if locking networks is disabled', async () => {
    const home = newHome();
    const { lockingKeys } = await admitSignIn(ports, { email: newName() }, home);
    await fail(newName(), { home });
    await rows`UPDATE login_failures SET failures = 99, recent = 99 WHERE key = ANY (${lockingKeys})`;
    const before = await events();
    await fail(newName(), { home });
    const [, lock] = (await events()).slice(before.length);
    expect(lock).toMatchObject({
      type: 'user.login_locked',
      target_id: null,
      detail: { of: 'network', failures: 100, identifier: expect.stringMatching(/^network:/) },
    });
    const email = newName();
    await expect(admitSignIn(ports, { email }, home)).rejects.toMatchObject(LOCKED);
    expect(await admitSignIn(ports, { email, cookie: deviceOf(email) }, home)).toMatchObject({ isKnownDevice: true });
    const unlocked = { ...ports, signInGuard: { locksNetworks: false } };
    expect(await admitSignIn(unlocked, { email }, home)).toMatchObject({ isKnownDevice: false });
  });

  test('without a known IP address has no counter, and only the counter of the account applies', async () => {
    const email = newName();
    const { lockingKeys, clearedKeys } = await admitSignIn(ports, { email }, callerAt(''));
    expect([lockingKeys, clearedKeys]).toEqual([[accountKeyOf(ports, email)], [accountKeyOf(ports, email)]]);
  });
});

describe('a known device', () => {
  test('is not locked out by guesses from other devices, and its own failures lock no other device', async () => {
    const [email, other] = [newName(), newName()];
    const cookie = deviceOf(email);
    await failTimes(5, email);
    expect(await admitSignIn(ports, { email, cookie }, newHome())).toMatchObject({ isKnownDevice: true });
    await failTimes(5, email, { cookie });
    await expect(admitSignIn(ports, { email, cookie }, newHome())).rejects.toMatchObject(LOCKED);
    expect(await statusOf(email)).toMatchObject({ failedLogins: 5 });
    expect(await admitSignIn(ports, { email: other, cookie }, newHome())).toMatchObject({ isKnownDevice: false });
  });

  test('is treated as unknown after ten consecutive failures', async () => {
    const email = newName();
    const cookie = deviceOf(email);
    const home = newHome();
    const { lockingKeys } = await admitSignIn(ports, { email, cookie }, home);
    await fail(email, { home, cookie });
    await rows`UPDATE login_failures SET failures = 10 WHERE key = ANY (${lockingKeys})`;
    expect(await admitSignIn(ports, { email, cookie }, home)).toMatchObject({ isKnownDevice: false });
  });

  test('is known until its account forgets its devices, which the cookie alone does not show', async () => {
    const email = newName();
    const userId = await insertPerson({ stores: { pools: { main: harness.pool } } }, email);
    const cookie = deviceOf(email);
    expect(mayBeKnownDevice(ports, { email, cookie })).toBe(true);
    expect(mayBeKnownDevice(ports, { email })).toBe(false);
    expect(await ports.transact((tx) => forgetDevices(tx, userId))).toBe(email);
    const [{ since }] = await rows`SELECT "devicesSince" AS since FROM users WHERE id = ${userId}`;
    const admitted = await admitSignIn(ports, { email, cookie, devicesSince: since }, newHome());
    expect(admitted.isKnownDevice).toBe(false);
    expect(mayBeKnownDevice(ports, { email, cookie, devicesSince: null })).toBe(true);
    expect(await ports.transact((tx) => forgetDevices(tx, randomUUID()))).toBeUndefined();
  });
});

test('clearing a lock (new password, mailed code, administrator) returns the number of failures', async () => {
  const email = newName();
  await failTimes(5, email);
  const clear = () => ports.transact((tx) => clearSignInFailures(tx, ports, email.toUpperCase()));
  expect([await clear(), await clear()]).toEqual([5, undefined]);
  expect(await fail(email)).toBe(0);
});

test('an incident locks an account once, and no number of correct passwords unlocks it', async () => {
  const email = newName();
  const userId = await insertPerson({ stores: { pools: { main: harness.pool } } }, email);
  const spend = () => ports.transact((tx) => disablePasswordSignIn(tx, ports, { userId, email }));
  expect([await spend(), await spend()]).toEqual([true, false]);
  expect(await statusOf(email)).toMatchObject({ failedLogins: PASSWORD_FAILURES_EVER, isSpent: true });
  await expect(succeed(email)).rejects.toMatchObject(LOCKED);
});

type Person = { readonly id: string; readonly email: string; readonly cookie: string };
/** A user with a known browser. */
async function newUser(): Promise<Person> {
  const email = `${randomUUID()}@people.test`;
  const id = await insertPerson({ stores: { pools: { main: harness.pool } } }, email);
  const cookie = deviceSetCookie(ports, { email, cookie: undefined, isSecure: false }).split(';', 1)[0] as string;
  return { id, email, cookie };
}
const open = ({ id }: Person, ip: string, userAgent: string): Promise<OpenedSession> =>
  ports.auth.transact(async (tx) =>
    ports.auth.openSession({ admission: await admitted(tx, ports, id) }, { ...callerAt(ip).request, userAgent }),
  );
/** Exhausts the failures of this browser only. */
async function spendDevice({ cookie }: Person): Promise<void> {
  const [, , id = ''] = cookie.slice(cookie.indexOf('=') + 1).split('.');
  await rows`INSERT INTO login_failures (key, failures) VALUES (${counterKey(ports.keyRing, 'device', id)}, 10)`;
}

describe('an account locked by an incident', () => {
  const isClosed = (userId: string, cookie?: string): Promise<boolean> =>
    ports.transact((tx) => isClosedTo(tx, ports, { userId, cookie }));
  async function closed(): Promise<Person> {
    const person = await newUser();
    await ports.transact((tx) => disablePasswordSignIn(tx, ports, { userId: person.id, email: person.email }));
    return person;
  }

  test('is locked for every browser except a known one', async () => {
    const person = await closed();
    expect(await isClosed(person.id)).toBe(true);
    expect(await isClosed(person.id, (await newUser()).cookie)).toBe(true);
    expect(await isClosed(person.id, person.cookie)).toBe(false);
    await spendDevice(person);
    expect(await isClosed(person.id, person.cookie), 'one that failed too often').toBe(true);
  });

  test('is locked for every browser once its devices are forgotten', async () => {
    const person = await closed();
    await ports.transact((tx) => forgetDevices(tx, person.id));
    expect(await isClosed(person.id, person.cookie)).toBe(true);
  });

  test('is not an account locked by wrong passwords only, nor a disabled or unknown one: other checks refuse those', async () => {
    const guessed = await newUser();
    await rows`INSERT INTO login_failures (key, failures) VALUES (${accountKeyOf(ports, guessed.email)}, 100)`;
    const disabled = await closed();
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    for (const id of [guessed.id, disabled.id, randomUUID()]) expect(await isClosed(id)).toBe(false);
  });

  test('refuses with login_locked for a day, in an event that names the user', async () => {
    const { id: userId } = await closed();
    const refused = await lockedOut(ports.sql, { userId, detail: { factor: 'social' } }, callerAt('192.0.2.1'));
    expect(refused).toMatchObject({ code: 'login_locked', options: { retryAfterSeconds: 86_400 } });
    const found =
      await rows`SELECT outcome, detail FROM audit_outbox WHERE type = 'user.login' AND target_id = ${userId}`;
    expect(found).toEqual([{ outcome: 'locked', detail: { factor: 'social', known_device: false } }]);
  });
});

describe('the recorded origin of a sign-in', () => {
  const sight = (person: Person, opened: OpenedSession, ip: string, cookie?: string) =>
    ports
      .transact((tx) => readSignInOriginOf(tx, ports, opened, cookie, callerAt(ip)))
      .then((seen) => ({ ...seen, person }));

  test('names a known browser, and then no other place', async () => {
    const person = await newUser();
    await open(person, '192.0.2.1', 'Firefox');
    const opened = await open(person, '203.0.113.1', 'Safari');
    expect(await sight(person, opened, '203.0.113.1', person.cookie)).toEqual({
      person,
      session_id: opened.session.id,
      known_device: true,
    });
  });

  test('from an unknown browser names the user’s recent session in another place', async () => {
    const person = await newUser();
    const other = await open(person, '192.0.2.1', 'Firefox');
    const opened = await open(person, '203.0.113.1', 'Safari');
    expect(await sight(person, opened, '203.0.113.1')).toMatchObject({
      known_device: false,
      elsewhere: other.session.id,
    });
    await rows`UPDATE sessions SET "createdAt" = now() - interval '11 minutes' WHERE id = ${other.session.id}`;
    expect(await sight(person, opened, '203.0.113.1'), 'ignores an earlier session').not.toHaveProperty('elsewhere');
  });

  test('ignores a session from the same network or with the same agent', async () => {
    const person = await newUser();
    await open(person, '203.0.113.1', 'Firefox');
    await open(person, '192.0.2.1', 'Safari');
    const opened = await open(person, '203.0.113.1', 'Safari');
    expect(await sight(person, opened, '203.0.113.1')).not.toHaveProperty('elsewhere');
  });

  test('of a user deleted in the meantime has no known browser', async () => {
    const person = await newUser();
    const opened = await open(person, '203.0.113.1', 'Safari');
    await rows`DELETE FROM users WHERE id = ${person.id}`;
    expect(await sight(person, opened, '203.0.113.1')).toMatchObject({ known_device: false });
  });

  test('flags a network with recent failures for many accounts, and no longer when they are old', async () => {
    const person = await newUser();
    const ip = '198.51.100.77';
    const key = counterKey(ports.keyRing, 'network', clientPrefixOf(ip));
    const names = Array.from({ length: STUFFING_NAMES }, (_, n) => `account:${n}`);
    await rows`INSERT INTO login_failures (key, failures, tried) VALUES (${key}, 50, ${names})`;
    const opened = await open(person, ip, 'Safari');
    expect(await sight(person, opened, ip)).toMatchObject({ suspect_network: true });
    await rows`UPDATE login_failures SET window_began_at = now() - interval '16 minutes' WHERE key = ${key}`;
    expect(await sight(person, opened, ip)).not.toHaveProperty('suspect_network');
  });

  test('of a password sign-in comes from its counters', async () => {
    const person = await newUser();
    const { session } = await open(person, '203.0.113.1', 'Safari');
    const said = (isKnownDevice: boolean, suspectNetwork: boolean) =>
      ports.transact((tx) => readSignInOrigin(tx, session, { isKnownDevice, suspectNetwork }, ports));
    expect(await said(true, true)).toEqual({ session_id: session.id, known_device: true, suspect_network: true });
    expect(await said(false, false)).toEqual({ session_id: session.id, known_device: false });
  });

  test('names the country of the address if the table knows it, and nothing else of the address', async () => {
    const person = await newUser();
    const { session } = await open(person, '194.25.2.129', 'Safari');
    const origin = await ports.transact((tx) =>
      readSignInOrigin(tx, session, { isKnownDevice: true, suspectNetwork: false }, ports),
    );
    expect(origin).toEqual({ session_id: session.id, known_device: true, is_placed: true, country: 'DE' });
  });
});

test('a browser is known for the address with which it signed in, until it has failed too often', async () => {
  const person = await newUser();
  const isKnown = (email: string, devicesSince: Date | null = null): Promise<boolean> =>
    isFromKnownDevice(ports.sql, ports, { email, devicesSince }, person.cookie);
  expect([await isKnown(person.email), await isKnown((await newUser()).email)]).toEqual([true, false]);
  expect(await isKnown(person.email, new Date(ports.clock.now() + 60_000))).toBe(false);
  await spendDevice(person);
  expect(await isKnown(person.email)).toBe(false);
});
