import { expect, test } from 'vitest';
import { clientPrefixOf } from './client-prefix.ts';

test('an IPv6 /64 is one client, however its addresses are written', () => {
  for (const ip of ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::9', '2001:0DB8:0001:0002::', '2001:db8:1:2:ffff::1'])
    expect(clientPrefixOf(ip)).toBe('2001:db8:1:2::/64');
  expect(clientPrefixOf('2001:db8:1:3::9')).toBe('2001:db8:1:3::/64');
  expect(clientPrefixOf('2001:db8::9')).toBe('2001:db8:0:0::/64');
  expect(clientPrefixOf('::1')).toBe('0:0:0:0::/64');
  expect(clientPrefixOf('::')).toBe('0:0:0:0::/64');
});

test('IPv4 is counted by address, also when a dual-stack socket reports it as IPv6', () => {
  for (const ip of ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:192.0.2.7', '0:0:0:0:0:ffff:192.0.2.7', '::ffff:c000:207'])
    expect(clientPrefixOf(ip)).toBe('192.0.2.7');
  expect(clientPrefixOf('::ffff:192.0.2.8')).not.toBe('192.0.2.7');
  expect(clientPrefixOf('')).toBe('');
});
