import { createHmac, type KeyObject, sign as signBytes } from 'node:crypto';
import { runDetached } from '../../../observability/http-span.ts';
import { tokenSignDuration } from '../../../observability/metrics/tokens.ts';
import { answerInTurns } from '../few-a-turn.ts';
import type { RsaSigner } from '../ports.ts';
import { signEs256 } from './ecdsa-signature.ts';
import { signingUnavailable } from './errors.ts';
import type { KeyAlgorithm } from './key-timeline.ts';
import { poolSigner } from './pool-signer.ts';

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

/** So many places of what has left are given back at once. */
const PLACES_KEPT = 1_024;

/** First in, first out; what waits is moved only now and then. */
class Queue {
  #items: (Work | undefined)[] = [];
  #head = 0;
  get length(): number {
    return this.#items.length - this.#head;
  }
  get first(): Work | undefined {
    return this.#items[this.#head];
  }
  push(work: Work): void {
    this.#items.push(work);
  }
  shift(): Work | undefined {
    const work = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length || this.#head >= PLACES_KEPT) {
      this.#items = this.#items.slice(this.#head);
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

/**
 * Signing that never holds the event loop: RSA in threads, in batches as soon as they all have work; the rest in place,
 * a few a turn. What those threads fail to sign is signed in Node's own pool: a thread that dies costs nobody a token.
 */
export function createSigningLanes(rsaSigner: RsaSigner = poolSigner): SigningLanes {
  const waitingRsa = new Queue();
  const waitingInPlace = new Queue();
  let inFlight = 0;
  let thisTurn = 0;
  let turnBooked = false;

  /** What waits longest, and what waits behind it for the same key. */
  function takeBatch(): Work[] {
    const { key } = waitingRsa.first as Work;
    const batch: Work[] = [];
    while (batch.length < rsaSigner.maxBatch && waitingRsa.first?.key === key) batch.push(waitingRsa.shift() as Work);
    return batch;
  }

  async function signBatch(batch: readonly Work[]): Promise<readonly string[]> {
    const { key } = batch[0] as Work;
    const inputs = batch.map(({ input }) => input);
    try {
      return await rsaSigner.sign(inputs, key);
    } catch {
      return poolSigner.sign(inputs, key);
    }
  }

  async function startRsa(batch: readonly Work[]): Promise<void> {
    inFlight += 1;
    const signed = await signBatch(batch).catch((err: unknown) => {
      for (const work of batch) work.reject(err);
    });
    inFlight -= 1;
    pumpRsa();
    if (signed) await answerInTurns(batch.length, (index) => finish(batch[index] as Work, signed[index] as string));
  }

  function pumpRsa(): void {
    // A batch is part of no request, least of all of the one whose answer began it.
    while (inFlight < rsaSigner.lanes && waitingRsa.length > 0) void runDetached(() => startRsa(takeBatch()));
  }

  function takeTurn(): void {
    turnBooked = false;
    thisTurn = 0;
    while (waitingInPlace.length > 0 && thisTurn < IN_PLACE_PER_TURN) startInPlace(waitingInPlace.shift() as Work);
    if (waitingInPlace.length > 0) bookTurn();
  }

  function bookTurn(): void {
    if (turnBooked) return;
    turnBooked = true;
    setImmediate(takeTurn);
  }

  function startInPlace(work: Work): void {
    thisTurn += 1;
    bookTurn();
    signInPlace(work);
  }

  function accept(work: Work): void {
    const queue = work.alg === 'RS256' ? waitingRsa : waitingInPlace;
    if (work.alg !== 'RS256' && thisTurn < IN_PLACE_PER_TURN && queue.length === 0) startInPlace(work);
    else if (queue.length < WAITING_LIMIT) queue.push(work);
    else work.reject(signingUnavailable({ retryAfterSeconds: 2 }));
    pumpRsa();
  }

  return {
    sign: (input, alg, key) =>
      new Promise((resolve, reject) => accept({ input, key, alg, startedAt: performance.now(), resolve, reject })),
  };
}
