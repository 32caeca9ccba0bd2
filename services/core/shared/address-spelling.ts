const MAPPED_DOTTED = /^(?:0{0,4}:){2,6}ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/** One spelling per address, IPv4-mapped IPv6 as IPv4: proxies may write the same address differently. */
export function oneSpellingOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  const dotted = MAPPED_DOTTED.exec(ip)?.[1];
  if (dotted !== undefined) return dotted;
  const [head = '', tail] = ip.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    while (groups.length + after.length < 8) groups.push('0');
    groups.push(...after);
  }
  return mappedHex(groups) ?? groups.map(shortest).join(':');
}

const shortest = (group: string): string => group.replace(/^0+(?=.)/, '');

/** RFC 4291 §2.5.5.2 in hexadecimal: all IPv4-mapped addresses share one /64. */
function mappedHex(groups: readonly string[]): string | undefined {
  const isMapped = groups.slice(0, 5).every((group) => /^0+$/.test(group)) && groups[5] === 'ffff';
  if (!isMapped) return undefined;
  const [high = 0, low = 0] = groups.slice(6, 8).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
