import { HasherBusyError } from '../../platform/hasher/errors.ts';
import { clientPrefixOf } from '../limits/client-prefix.ts';
import type { Caller, HashAdmission } from '../ports.ts';
import { hashingBusy } from './errors.ts';

/** @param knownDevice the browser has signed in before, and keeps its place when others flood the queue */
export const admissionOf = ({ request }: Caller, signal?: AbortSignal, knownDevice = false): HashAdmission => ({
  clientPrefix: clientPrefixOf(request.ip),
  knownDevice,
  ...(signal ? { signal } : {}),
});

/** Runs a hashing job; a full queue is `hashing_busy` (503). Never call it inside a transaction. */
export async function inQueue<T>(work: Promise<T>): Promise<T> {
  return work.catch((err: unknown) => {
    if (err instanceof HasherBusyError) throw hashingBusy({ retryAfterSeconds: err.retryAfterSeconds, cause: err });
    throw err;
  });
}
