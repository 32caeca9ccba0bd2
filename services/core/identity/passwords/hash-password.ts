import { clientPrefixOf } from '#services/core/limits/client-prefix.ts';
import type { Caller, HashAdmission, PasswordHasher } from '#services/core/ports.ts';
import { HasherBusyError } from '#services/platform/hasher/errors.ts';
import { hashingBusy } from '../contracts/sign-in-errors.ts';

/** Longest password, bytes of its normal form. */
export const BYTES_MAX = 1_024;

/** @param knownDevice whether the browser has signed in before; the queue then keeps a place for it under a flood */
export const admissionOf = ({ request }: Caller, signal?: AbortSignal, knownDevice = false): HashAdmission => ({
  clientPrefix: clientPrefixOf(request.ip),
  knownDevice,
  ...(signal ? { signal } : {}),
});

/** Throws `hashing_busy` (503) if the queue is full; called before any work that a full queue would waste. */
export function assertQueueHasPlace(hasher: Pick<PasswordHasher, 'refusalOf'>, admission: HashAdmission): void {
  const refusal = hasher.refusalOf(admission);
  if (refusal !== undefined) throw asBusy(refusal);
}

/** Runs a hashing job; a full queue throws `hashing_busy` (503). Never call it inside a transaction. */
export async function inQueue<T>(work: Promise<T>): Promise<T> {
  return work.catch((err: unknown) => {
    throw asBusy(err);
  });
}

const asBusy = (err: unknown): unknown =>
  err instanceof HasherBusyError ? hashingBusy({ retryAfterSeconds: err.retryAfterSeconds, cause: err }) : err;

/** Whether a password can be hashed; a password that cannot be hashed belongs to no account. */
export function isHashable(password: string): boolean {
  return password !== '' && password.isWellFormed() && Buffer.byteLength(password.normalize('NFKC')) <= BYTES_MAX;
}
