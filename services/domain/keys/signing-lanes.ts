import { createHmac, type KeyObject, sign as signBytes } from 'node:crypto';
import { tokenSignDuration } from '../../../observability/metrics/tokens.ts';
import { signEs256 } from './ecdsa-signature.ts';
import { signingUnavailable } from './errors.ts';
import type { KeyAlgorithm } from './key-timeline.ts';

/**
 * RS256 runs in libuv's pool, which has four threads. One more waits for each, so that a thread that ends begins the
 * next and need not be put to sleep and woken; more would only wait there, before file and DNS work.
 */
const RSA_IN_FLIGHT = 8;
/** ES256 and EdDSA sign in place, about 20 µs each: this many hold the event loop under a millisecond. */
const IN_PLACE_PER_TURN = 32;
/** A queue longer than this is longer than any caller's patience. */
const WAITING_LIMIT = 8_192;

type Work = {
  readonly input: string;
  readonly key: KeyObject;
  readonly alg: KeyAlgorithm;
  readonly startedAt: number;
  readonly resolve: (token: string) => void;
  readonly reject: (reason: unknown) => void;
};

/** First in, first out, without moving what waits. */
class Queue {
  #items: (Work | undefined)[] = [];
  #head = 0;
  get length(): number {
    return this.#items.length - this.#head;
  }
  push(work: Work): void {
    this.#items.push(work);
  }
  shift(): Work | undefined {
    const work = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    }
    return work;
  }
}

const durations = {
  RS256: tokenSignDuration.at({ algorithm: 'RS256' }),
  ES256: tokenSignDuration.at({ algorithm: 'ES256' }),
  EdDSA: tokenSignDuration.at({ algorithm: 'EdDSA' }),
  HS256: tokenSignDuration.at({ algorithm: 'HS256' }),
};

function finish(work: Work, signature: string): void {
  durations[work.alg].record((performance.now() - work.startedAt) / 1_000);
  work.resolve(`${work.input}.${signature}`);
}

function signatureOf({ alg, input, key }: Work): string {
  if (alg === 'HS256') return createHmac('sha256', key).update(input).digest('base64url');
  const data = Buffer.from(input, 'latin1');
  if (alg === 'EdDSA') return signBytes(null, data, key).toString('base64url');
  return signEs256(data, key).toString('base64url');
}

function signInPlace(work: Work): void {
  try {
    finish(work, signatureOf(work));
  } catch (err) {
    work.reject(err);
  }
}

export type SigningLanes = {
  /** `<input>.<signature>`. Rejects with `signingUnavailable` when too many wait. */
  sign(input: string, alg: KeyAlgorithm, key: KeyObject): Promise<string>;
};

/** Signing that never holds the event loop: RSA in threads, a few at a time; the rest in place, a few a turn. */
export function createSigningLanes(): SigningLanes {
  const waitingRsa = new Queue();
  const waitingInPlace = new Queue();
  let inFlight = 0;
  let thisTurn = 0;
  let turnBooked = false;

  function startRsa(work: Work): void {
    inFlight += 1;
    let underWay: Work | undefined = work;
    const end = (err: Error | null, signature?: Buffer): void => {
      const ended = underWay as Work;
      // Node's job, and its callback with it, lives until the whole heap is collected: it must not hold the request.
      underWay = undefined;
      inFlight -= 1;
      const next = waitingRsa.shift();
      if (next) startRsa(next);
      if (err || !signature) ended.reject(err);
      else finish(ended, signature.toString('base64url'));
    };
    try {
      signBytes('sha256', Buffer.from(work.input, 'latin1'), work.key, end);
    } catch (err) {
      // A key it cannot use throws at once, before any callback.
      end(err as Error);
    }
  }

  function nextTurn(): void {
    turnBooked = false;
    thisTurn = 0;
    while (waitingInPlace.length > 0 && thisTurn < IN_PLACE_PER_TURN) startInPlace(waitingInPlace.shift() as Work);
    if (waitingInPlace.length > 0) bookTurn();
  }

  function bookTurn(): void {
    if (turnBooked) return;
    turnBooked = true;
    setImmediate(nextTurn);
  }

  function startInPlace(work: Work): void {
    thisTurn += 1;
    bookTurn();
    signInPlace(work);
  }

  function accept(work: Work): void {
    const queue = work.alg === 'RS256' ? waitingRsa : waitingInPlace;
    if (work.alg === 'RS256' && inFlight < RSA_IN_FLIGHT) startRsa(work);
    else if (work.alg !== 'RS256' && thisTurn < IN_PLACE_PER_TURN && queue.length === 0) startInPlace(work);
    else if (queue.length < WAITING_LIMIT) queue.push(work);
    else work.reject(signingUnavailable({ retryAfterSeconds: 2 }));
  }

  return {
    sign: (input, alg, key) =>
      new Promise((resolve, reject) => accept({ input, key, alg, startedAt: performance.now(), resolve, reject })),
  };
}
