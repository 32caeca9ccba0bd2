import { oneSpellingOf } from './address-spelling.ts';

/**
 * The prefix that counts as one client: an IPv4 address, however it is written, or an IPv6 /64, which one household or
 * host has to itself.
 */
export function clientPrefixOf(ip: string): string {
  const one = oneSpellingOf(ip);
  return one.includes(':') ? `${one.split(':').slice(0, 4).join(':')}::/64` : one;
}
