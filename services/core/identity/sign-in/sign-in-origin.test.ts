import { expect, test } from 'vitest';
import { noCountry } from '#services/platform/geo/country-table.ts';
import { isAnotherPlace } from './sign-in-origin.ts';

test('another place is another network together with another user agent; a difference in only one is ordinary', () => {
  const own = { ipAddress: '192.0.2.1', userAgent: 'Firefox' };
  const is = (ip: string | null, agent: string | null, at = own) => isAnotherPlace(at, { ip, agent }, noCountry);
  expect(is('203.0.113.1', 'Safari')).toBe(true);
  expect(is('203.0.113.1', null)).toBe(true);
  expect(is('192.0.2.1', 'Safari')).toBe(false);
  expect(is('203.0.113.1', 'Firefox')).toBe(false);
  expect(is(null, 'Safari')).toBe(false);
  expect(isAnotherPlace({ ...own, ipAddress: null }, { ip: '203.0.113.1', agent: 'Safari' }, noCountry)).toBe(false);
  const v6 = { ...own, ipAddress: '2001:db8:0:1::1' };
  expect(is('2001:db8:0:1::9', 'Safari', v6), 'one /64 is one network').toBe(false);
  expect(is('2001:db8:0:2::9', 'Safari', v6)).toBe(true);
});

test('both loopback addresses are one place: a browser and curl on one machine', () => {
  for (const [one, other] of [
    ['127.0.0.1', '::1'],
    ['::1', '127.0.0.1'],
    ['127.0.0.1', '0000:0000:0000:0000:0000:0000:0000:0000'],
  ] as const)
    expect(isAnotherPlace({ ipAddress: one, userAgent: 'curl/8' }, { ip: other, agent: 'Chrome' }, noCountry)).toBe(
      false,
    );
  const outside = { ip: '203.0.113.1', agent: 'Chrome' };
  expect(isAnotherPlace({ ipAddress: '::1', userAgent: 'curl/8' }, outside, noCountry)).toBe(true);
});

test('where both countries are known, their distance is compared instead', () => {
  const countryOf = (ip: string | null) => ({ '192.0.2.1': 'DE', '203.0.113.1': 'DE' })[ip ?? ''] ?? null;
  const own = { ipAddress: '192.0.2.1', userAgent: 'Firefox' };
  expect(isAnotherPlace(own, { ip: '203.0.113.1', agent: 'Safari' }, countryOf)).toBe(false);
  expect(isAnotherPlace(own, { ip: '198.51.100.1', agent: 'Safari' }, countryOf)).toBe(true);
});
