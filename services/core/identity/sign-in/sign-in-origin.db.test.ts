import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientPrefixOf } from '#services/core/limits/client-prefix.ts';
import { admitted, insertPerson } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import type { OpenedSession } from '../sessions/live-session.ts';
import { deviceSetCookie } from './device-cookie.ts';
import { isClosedTo, lockedOut } from './refuse-stepped-up.ts';
import { accountKeyOf, counterKey } from './sign-in-counters.ts';
import { disablePasswordSignIn, STUFFING_NAMES } from './sign-in-guard.ts';
import { forgetDevices, isFromKnownDevice, readSignInOrigin, readSignInOriginOf } from './sign-in-origin.ts';

let harness: PeopleHarness;
let ports: PeopleHarness['deps'];
beforeAll(async () => {
  harness = await openPeopleHarness();
  ports = harness.deps;
});
afterAll(() => harness?.close());

const rows: PeopleHarness['rows'] = (text, values) => harness.rows(text, values);
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
  await rows('INSERT INTO login_failures (key, failures) VALUES ($1, 10)', [counterKey(ports.keyRing, 'device', id)]);
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
    await rows('INSERT INTO login_failures (key, failures) VALUES ($1, 100)', [accountKeyOf(ports, guessed.email)]);
    const disabled = await closed();
    await rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [disabled.id]);
    for (const id of [guessed.id, disabled.id, randomUUID()]) expect(await isClosed(id)).toBe(false);
  });

  test('refuses with login_locked for a day, in an event that names the user', async () => {
    const { id: userId } = await closed();
    const refused = await lockedOut(ports.sql, { userId, detail: { factor: 'social' } }, callerAt('192.0.2.1'));
    expect(refused).toMatchObject({ code: 'login_locked', options: { retryAfterSeconds: 86_400 } });
    expect(
      await rows(`SELECT outcome, detail FROM audit_outbox WHERE type = 'user.login' AND target_id = $1`, [userId]),
    ).toEqual([{ outcome: 'locked', detail: { factor: 'social', known_device: false } }]);
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
    await rows(`UPDATE sessions SET "createdAt" = now() - interval '11 minutes' WHERE id = $1`, [other.session.id]);
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
    await rows('DELETE FROM users WHERE id = $1', [person.id]);
    expect(await sight(person, opened, '203.0.113.1')).toMatchObject({ known_device: false });
  });

  test('flags a network with recent failures for many accounts, and no longer when they are old', async () => {
    const person = await newUser();
    const ip = '198.51.100.77';
    const key = counterKey(ports.keyRing, 'network', clientPrefixOf(ip));
    const names = Array.from({ length: STUFFING_NAMES }, (_, n) => `account:${n}`);
    await rows('INSERT INTO login_failures (key, failures, tried) VALUES ($1, 50, $2)', [key, names]);
    const opened = await open(person, ip, 'Safari');
    expect(await sight(person, opened, ip)).toMatchObject({ suspect_network: true });
    await rows(`UPDATE login_failures SET window_began_at = now() - interval '16 minutes' WHERE key = $1`, [key]);
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
  expect(await isKnown(person.email)).toBe(true);
  expect(await isKnown((await newUser()).email)).toBe(false);
  expect(await isKnown(person.email, new Date(ports.clock.now() + 60_000))).toBe(false);
  await spendDevice(person);
  expect(await isKnown(person.email)).toBe(false);
});
