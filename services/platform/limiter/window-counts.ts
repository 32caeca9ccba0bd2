/** Counts of one key in its current window, which began with its first request. */
export type WindowCount = {
  /** Requests counted by this copy. */
  own: number;
  /** Of these, already sent to the other copies. */
  sent: number;
  /** Counts received from the other copies. */
  others: number;
  /** Monotonic milliseconds. */
  endsAtMs: number;
  /** True for the count that all keys beyond the bound share; it says nothing about a single key. */
  readonly isCrowd: boolean;
};

/** Keys beyond this number share one count: memory stays bounded, and every request is counted. */
const KEYS_MAX = 50_000;
const CROWD = '\0crowd';

/**
 * Counts of many keys in fixed windows, in bounded memory and without timers: two generations of keys, of which the
 * older is dropped when every window in it has ended.
 */
export class WindowCounts {
  readonly #windowMs: number;
  readonly #keysMax: number;
  #young = new Map<string, WindowCount>();
  #old = new Map<string, WindowCount>();
  #dropsAtMs: number;

  constructor(windowMs: number, nowMs: number, keysMax = KEYS_MAX) {
    this.#windowMs = windowMs;
    this.#keysMax = keysMax;
    this.#dropsAtMs = nowMs + windowMs;
  }

  get keys(): number {
    return this.#young.size + this.#old.size;
  }

  /** The count of a key after one more request, or several. */
  add(key: string, nowMs: number, requests = 1): WindowCount {
    const held = this.#of(key, nowMs);
    if (held.endsAtMs <= nowMs) {
      held.own = 0;
      held.sent = 0;
      held.others = 0;
      held.endsAtMs = nowMs + this.#windowMs;
    }
    held.own += requests;
    return held;
  }

  #of(key: string, nowMs: number): WindowCount {
    if (nowMs >= this.#dropsAtMs) this.#dropEndedGeneration(nowMs);
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.#young.set(key, old);
      return old;
    }
    if (this.keys >= this.#keysMax && key !== CROWD) return this.#of(CROWD, nowMs);
    const endsAtMs = nowMs + this.#windowMs;
    const made: WindowCount = { own: 0, sent: 0, others: 0, endsAtMs, isCrowd: key === CROWD };
    this.#young.set(key, made);
    return made;
  }

  /** A window not read for its whole length has ended. */
  #dropEndedGeneration(nowMs: number): void {
    this.#old = nowMs >= this.#dropsAtMs + this.#windowMs ? new Map() : this.#young;
    this.#young = new Map();
    this.#dropsAtMs = nowMs + this.#windowMs;
  }
}
