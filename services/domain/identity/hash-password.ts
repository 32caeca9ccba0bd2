import { HasherBusyError } from '../../platform/hasher/errors.ts';
import type { Caller, HashAdmission } from '../ports.ts';
import { hashingBusy } from './errors.ts';

/** Addresses that share a queue: one IPv4 address, or an IPv6 /64, which one household or host holds whole. */
export function clientPrefixOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  const [head = '', tail] = ip.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    while (groups.length + after.length < 8) groups.push('0');
    groups.push(...after);
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}

export const admissionOf = ({ request }: Caller, signal?: AbortSignal): HashAdmission => ({
  clientPrefix: clientPrefixOf(request.ip),
  knownDevice: false,
  ...(signal ? { signal } : {}),
});

/** Runs a hashing job; a full queue is `hashing_busy` (503). Never call it inside a transaction. */
export async function inQueue<T>(work: Promise<T>): Promise<T> {
  return work.catch((err: unknown) => {
    if (err instanceof HasherBusyError) throw hashingBusy({ retryAfterSeconds: err.retryAfterSeconds, cause: err });
    throw err;
  });
}
