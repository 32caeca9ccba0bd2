import { expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { createOpenRequests, mostOpenRequests, shareOf } from './open-requests.ts';

/** Throws if a count is requested that the test does not set. */
const counting = (waiting: { readonly share?: number; readonly client?: number }) => {
  const asked: string[] = [];
  const countUpTo = (what: 'share' | 'client', limit: number): number => {
    const count = waiting[what];
    if (count === undefined) throw new Error(`the ${what} is not to be counted`);
    asked.push(what);
    return Math.min(limit, count);
  };
  return {
    asked,
    ofShare: async (_share: string, limit: number) => countUpTo('share', limit),
    ofClient: async (limit: number) => countUpTo('client', limit),
  };
};
const full = { code: 'open_requests_full', options: { retryAfterSeconds: 60 } };
const clock = { now: 0, monotonic: () => clock.now };

test.each([
  ['admin', 10_000],
  ['registration', 1_000],
  ['document', 1_000],
] as const)('a client of origin %s can have at most %i open requests', async (origin, most) => {
  expect(mostOpenRequests({ origin })).toBe(most);
  const room = (client: number) =>
    createOpenRequests({ clock }).assertRoom('pushed', { clientId: 'a', origin }, null, counting({ client }));
  await expect(room(most - 1)).resolves.toBeUndefined();
  await expect(room(most)).rejects.toMatchObject(full);
});

test.each([
  ['admin', 500],
  ['registration', 50],
] as const)(
  'one address can have a twentieth (%s: %i); a refusal for that counts nothing else',
  async (origin, most) => {
    const client = { clientId: 'a', origin };
    const { assertRoom } = createOpenRequests({ clock });
    await assertRoom('pushed', client, 's', counting({ share: most - 1, client: 0 }));
    const spent = counting({ share: most });
    await expect(assertRoom('pushed', client, 's', spent)).rejects.toMatchObject(full);
    expect(spent.asked).toEqual(['share']);
    // An authenticated client uses no share.
    await assertRoom('pushed', client, null, counting({ client: 0 }));
  },
);

test('many open requests are counted once a second, per client and kind; few at every request', async () => {
  const { assertRoom } = createOpenRequests({ clock });
  const [a, b] = [{ clientId: 'a', origin: 'admin' } as const, { clientId: 'b', origin: 'admin' } as const];
  const counted = counting({ client: 500 });
  await assertRoom('pushed', a, null, counted);
  await assertRoom('pushed', a, null, counted);
  expect(counted.asked).toHaveLength(1);
  await assertRoom('device', a, null, counted);
  await assertRoom('pushed', b, null, counted);
  expect(counted.asked).toHaveLength(3);
  clock.now += 1_000;
  await assertRoom('pushed', a, null, counted);
  expect(counted.asked).toHaveLength(4);
  const few = counting({ client: 499 });
  for (const _twice of [1, 2]) await assertRoom('pushed', { ...a, clientId: 'c' }, null, few);
  expect(few.asked).toHaveLength(2);
});

test('a share is a keyed hash of an address or IPv6 /64; an authenticated client uses none', () => {
  const keyRing = { secret: () => ({ version: 3, key: Buffer.alloc(32, 7) }) };
  const by = (ip: string): Caller => ({ ...testCaller, request: { ...testCaller.request, ip } });
  const share = (ip: string, isAuthenticated = false) =>
    shareOf({ keyRing }, { clientId: 'a', isAuthenticated }, by(ip));
  expect(share('2001:db8:1:2::1')).toBe(share('2001:db8:1:2:ffff::9'));
  expect(share('2001:db8:1:3::1')).not.toBe(share('2001:db8:1:2::1'));
  expect(share('192.0.2.7')).toMatch(/^3\.[\w-]{22}$/);
  expect(share('192.0.2.7', true)).toBeNull();
});
