import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { isAnonymous } from '#services/core/authority/callers.ts';
import { credentialNameOf } from '#services/core/authority/names.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Sql } from '#services/core/ports.ts';
import { clientPrefixOf } from '#services/core/shared/client-prefix.ts';
import { idempotencyKeyReused, requestInvalid, storeUnavailable } from '#services/platform/errors.ts';
import { claimIdempotencyKey, readIdempotencyKey, writeIdempotencyAnswer } from './idempotency.store.ts';

/** An Idempotency-Key of one caller with one body. The stored response cannot be decrypted without the key itself. */
type IdempotentRequest = {
  readonly keyHash: Buffer;
  readonly requestHash: Buffer;
  readonly sealingKey: Buffer;
};

const KEY_FORM = /^[\x21-\x7e]{1,255}$/;
const INITIALISATION_BYTES = 12;
const TAG_BYTES = 16;

/** For an anonymous caller only an unguessable key protects the stored response, which may contain tokens. */
const UNKNOWN_KEY_CHARACTERS = 16;

/** Identifies the caller of a key; an anonymous caller from another network is another caller. */
const callerId = (caller: Caller): string =>
  credentialNameOf(caller) ?? `anonymous\0${clientPrefixOf(caller.request.ip)}`;

/** Throws `request_invalid` (400) unless the key is 1 to 255 (for an anonymous caller 16 to 255) visible ASCII characters. */
export function idempotentRequest(
  { keyRing }: HasKeyRing,
  caller: Caller,
  key: string,
  operation: string,
  body: object,
): IdempotentRequest {
  const least = isAnonymous(caller) ? UNKNOWN_KEY_CHARACTERS : 1;
  if (!KEY_FORM.test(key) || key.length < least) {
    const why = `${least} to 255 visible ASCII characters`;
    throw requestInvalid({ problems: [{ at: 'header/idempotency-key', why }] });
  }
  const secret = keyRing.secret('identifier').key;
  const scope = `idempotency\0${operation}\0${callerId(caller)}\0`;
  const sealingKey = Buffer.from(hkdfSync('sha256', key, secret, scope, 32));
  return {
    keyHash: createHmac('sha256', secret).update(scope).update(key).digest(),
    // A body may contain a password, so its stored hash is keyed by the Idempotency-Key.
    requestHash: createHmac('sha256', sealingKey).update('body\0').update(JSON.stringify(body)).digest(),
    sealingKey,
  };
}

function seal(random: Ports['random'], { sealingKey, keyHash }: IdempotentRequest, plain: string): Buffer {
  const iv = random.bytes(INITIALISATION_BYTES);
  const cipher = createCipheriv('aes-256-gcm', sealingKey, iv).setAAD(keyHash);
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

function open({ sealingKey, keyHash }: IdempotentRequest, sealed: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', sealingKey, sealed.subarray(0, INITIALISATION_BYTES));
  decipher.setAAD(keyHash);
  decipher.setAuthTag(sealed.subarray(INITIALISATION_BYTES, INITIALISATION_BYTES + TAG_BYTES));
  return decipher.update(sealed.subarray(INITIALISATION_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
}

/**
 * Claims the key for this transaction (null), or returns the result of the first request with it. A duplicate waits for
 * the first commit, so there is one effect. Throws `idempotency_key_reused` (422) when the bodies differ.
 */
export async function earlierResult<Result>(tx: Sql, request: IdempotentRequest): Promise<Result | null> {
  if (await claimIdempotencyKey(tx, request.keyHash, request.requestHash)) return null;
  const kept = await readIdempotencyKey(tx, request.keyHash);
  // The row expired and was deleted between the two statements.
  if (kept === undefined || kept.response === null) throw storeUnavailable({ retryAfterSeconds: 1 });
  if (!timingSafeEqual(kept.request_hash, request.requestHash)) throw idempotencyKeyReused();
  return JSON.parse(open(request, kept.response)) as Result;
}

/** Stores the result of a request in the transaction that made it. */
export async function keepResult(
  tx: Sql,
  random: Ports['random'],
  request: IdempotentRequest,
  status: number,
  result: object,
): Promise<void> {
  await writeIdempotencyAnswer(tx, request.keyHash, status, seal(random, request, JSON.stringify(result)));
}

type OnceOptions<Result> = {
  readonly request: IdempotentRequest | null;
  readonly status: number;
  /** Renews a stored result that is too old for a retry. Returns the same object when it is not. */
  readonly renew?: (kept: Result) => Promise<Result>;
};

/**
 * Runs the work once for each key and stores its result in the same transaction; a retry gets the stored result. With a
 * null request it runs every time. Errors are not stored. Throws `idempotency_key_reused` (422).
 */
export async function workOnce<Result extends object>(
  tx: Sql,
  random: Ports['random'],
  { request, status, renew }: OnceOptions<Result>,
  work: () => Promise<Result>,
): Promise<Result> {
  if (request === null) return work();
  const earlier = await earlierResult<Result>(tx, request);
  const result = earlier === null ? await work() : ((await renew?.(earlier)) ?? earlier);
  if (result !== earlier) await keepResult(tx, random, request, status, result);
  return result;
}
