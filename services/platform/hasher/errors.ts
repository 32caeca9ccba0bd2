/** Why a job was not queued or was dropped. Nothing was hashed, and the same call may succeed later. */
export type HasherBusyReason = 'full' | 'waited_too_long' | 'client_left' | 'closing';

/** The queue is full, or the job was dropped from it. Callers answer 503 with `Retry-After`. */
export class HasherBusyError extends Error {
  override readonly name = 'HasherBusyError';
  readonly reason: HasherBusyReason;
  /** Whole seconds, at least one: the time the queued work takes at the measured speed. */
  readonly retryAfterSeconds: number;

  constructor(reason: HasherBusyReason, retryAfterSeconds: number) {
    super(`password hasher is busy (${reason})`);
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A child failed the job, or two children died during it. */
export class HasherFailedError extends Error {
  override readonly name = 'HasherFailedError';
}

/** The stored digest has an unknown scheme, or is malformed. It is secret, so no message repeats it. */
export class UnknownDigestError extends Error {
  override readonly name = 'UnknownDigestError';

  constructor() {
    super('stored password digest has an unknown scheme');
  }
}

type UnhashablePasswordReason = 'empty' | 'too_long' | 'ill_formed';

/** The password is outside what can be hashed at all (1 to 1,024 bytes of well-formed text after NFKC). */
export class UnhashablePasswordError extends Error {
  override readonly name = 'UnhashablePasswordError';
  readonly reason: UnhashablePasswordReason;

  constructor(reason: UnhashablePasswordReason) {
    super(`password cannot be hashed (${reason})`);
    this.reason = reason;
  }
}
