import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { HasherBusyError } from '../../../platform/hasher/errors.ts';
import { signIn, signUp } from '../../../platform/testing/flows/identity-flows.ts';
import { callerAt } from '../../../platform/testing/ports.ts';
import { crowd, deviceOf, type GuardWorld, openGuardWorld } from '../../../platform/testing/worlds/guard-world.ts';
import { type IdentityWorld, newPerson } from '../../../platform/testing/worlds/identity-world.ts';
import type { HashAdmission } from '../../ports.ts';
import { signIn as signInCase } from '../sign-in.ts';
import { countLoginFailure } from './count-login-failure.ts';
import { forgiveLogin } from './forgive-login.ts';
import { type AdmittedLogin, admitLogin } from './login-guard.ts';

vi.setConfig({ testTimeout: 120_000 });

let guard: GuardWorld;
let world: IdentityWorld;
let other: IdentityWorld;
beforeAll(async () => {
  guard = await openGuardWorld();
  ({ one: world, other } = guard);
});
afterAll(() => guard?.close());

describe('a full hashing queue', () => {
  test('turns a stranger away before anything is read of the account, and keeps the places of known devices', async () => {
    const person = newPerson();
    const cookie = deviceOf(await signUp(world, person));
    const ports = {
      ...world.deps,
      hasher: {
        ...guard.watched(world.deps.hasher),
        refusalOf: ({ knownDevice }: HashAdmission) => (knownDevice ? undefined : new HasherBusyError('full', 3)),
      },
    };
    const unread = new Proxy(ports.sql, {
      get: () => expect.fail('a statement was run'),
      apply: () => expect.fail('a statement was run'),
    });
    await expect(signInCase({ ...ports, sql: unread }, person, guard.homeOf(person.email))).rejects.toMatchObject({
      code: 'hashing_busy',
      options: { retryAfterSeconds: 3 },
    });
    await expect(signInCase(ports, { ...person, cookie }, guard.homeOf(person.email))).resolves.toMatchObject({
      body: { user: { email: person.email } },
    });
  });
});

describe('a known device', () => {
  test('has a small counter of its own: it locks, touches no other, and at ten it is a stranger', async () => {
    const person = newPerson();
    const cookie = deviceOf(await signUp(world, person));
    const seen: string[] = [];
    for (let n = 0; n < 6; n += 1)
      seen.push(await guard.fail(n % 2 ? world : other, person.email, guard.homeOf(person.email), cookie));
    expect(seen).toEqual(['refused', 'refused', 'refused', 'refused', 'refused', 'locked']);
    expect((await signIn(other, person, { cookie })).status, 'even if right').toBe(429);
    expect(await guard.standing(person.email)).toMatchObject({ failedLogins: 0 });
    expect(await guard.fail(world, person.email), 'others may go on trying').toBe('refused');

    await guard.rows(
      `UPDATE login_failures SET failures = 10, locked_until = NULL WHERE key LIKE 'device:%' AND failures = 5`,
    );
    const admitted = await admitLogin(world.deps, { email: person.email, cookie }, guard.homeOf(person.email));
    expect(admitted.isKnownDevice).toBe(false);
    const answer = await signIn(world, person, { cookie });
    expect(answer.status).toBe(200);
    expect(deviceOf(answer)).not.toBe('');
    expect(await guard.rows(`SELECT 1 FROM login_failures WHERE key LIKE 'device:%'`)).toEqual([]);
  });
});

describe('a network', () => {
  test('that has tried a hundred names is refused for every one, but for devices known to theirs', async () => {
    const caller = callerAt('198.51.100.7');
    const person = newPerson();
    const cookie = deviceOf(await signUp(world, person));
    await crowd(100, (n) => guard.fail(n % 2 ? world : other, newPerson().email, caller));
    await expect(admitLogin(world.deps, { email: newPerson().email }, caller)).rejects.toMatchObject({
      code: 'login_locked',
    });
    await expect(admitLogin(world.deps, { email: person.email, cookie }, caller)).resolves.toMatchObject({
      isKnownDevice: true,
    });
    await expect(admitLogin(world.deps, { email: person.email }, callerAt('198.51.100.8'))).resolves.toBeDefined();
    const loadTest = { ...world.deps, loginGuard: { locksNetworks: false } };
    await expect(admitLogin(loadTest, { email: newPerson().email }, caller)).resolves.toBeDefined();
    const [network] = await guard.rows(
      `SELECT cardinality(tried) AS tried, successes FROM login_failures WHERE locked_until IS NOT NULL AND key LIKE 'network:%'`,
    );
    expect(network).toEqual({ tried: 64, successes: 0 });
  });

  test('failures and successes in one network at once never wait for each other in a circle', async () => {
    const caller = callerAt('198.51.100.20');
    const names = Array.from({ length: 8 }, () => newPerson().email);
    const each = async (email: string, isRight: boolean, at: IdentityWorld): Promise<void> => {
      const admitted: AdmittedLogin | null = await admitLogin(at.deps, { email }, caller).catch(() => null);
      if (admitted === null) return;
      const work = at.deps.transact(async (tx) => {
        if (isRight) await forgiveLogin(tx, admitted);
        else await countLoginFailure(tx, admitted, undefined, caller);
      });
      await work.catch((err: Error & { code: string }) => expect(err.code, String(err.cause)).toBe('login_locked'));
    };
    await crowd(160, (n) => each(names[n % 8] as string, n % 3 === 0, n % 2 ? world : other));
    const [{ successes }] = await guard.rows(
      `SELECT max(successes) AS successes FROM login_failures WHERE key LIKE 'network:%'`,
    );
    expect(successes).toBeGreaterThan(0);
  });
});
