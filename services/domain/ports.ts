import type { Statement } from '../platform/define/statement.ts';

export type Row = Record<string, unknown>;

/** Runs one statement. Throws `storeUnavailable` (503) when Postgres is out of reach or past its deadline. */
export type Sql = {
  query<R = Row>(statement: Statement, values?: readonly unknown[]): Promise<R[]>;
};

/** An open transaction (READ COMMITTED). Short: no network, hashing or signing inside. */
export type Tx = Sql & {
  /** Runs once, after COMMIT; never when rolled back. The only way to enqueue or push from inside a transaction. */
  afterCommit(action: () => void | Promise<void>): void;
};

export type Transact = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

/**
 * Redis: speed, never truth. Every call rejects within its deadline when Redis is out of reach;
 * callers decide what that means. Keys are hash-tagged by their caches.
 */
export type Redis = {
  get(key: string): Promise<string | null>;
  getMany(keys: readonly string[]): Promise<(string | null)[]>;
  set(key: string, value: string, ttlSeconds: number): Promise<void>;
  /** Many at once. */
  setMany(
    entries: readonly { readonly key: string; readonly value: string; readonly ttlSeconds: number }[],
  ): Promise<void>;
  /** True when the key was not there before. */
  setIfAbsent(key: string, value: string, ttlSeconds: number): Promise<boolean>;
  delete(...keys: string[]): Promise<void>;
  getAndDelete(key: string): Promise<string | null>;
  /** The count after the step; the first step starts the window. */
  increment(key: string, ttlSeconds: number): Promise<number>;
  /** Appends to a capped stream. */
  append(stream: string, fields: Readonly<Record<string, string>>, maxLength: number): Promise<void>;
  /** Calls `onEntry` for entries appended from now on; reconnects by itself. Returns the end of it. */
  follow(stream: string, onEntry: (fields: Readonly<Record<string, string>>) => void): () => Promise<void>;
  ping(): Promise<void>;
};

/** A limit by name. `shared` is counted in Redis before the answer; `here` in this copy, which tells the others later. */
export type RateBucket = {
  readonly name: string;
  /** Requests allowed in a window; a window begins with its first request. */
  readonly limit: number;
  readonly windowSeconds: number;
  readonly counting: 'shared' | 'here';
  /** A count kept here is told to the other copies when it has grown by this many. */
  readonly toldEvery: number;
};

/** Requests of one key in its window, those just counted among them, and when the window ends. */
export type RateCount = { readonly used: number; readonly resetMs: number };

/** Counts requests. Never fails: without Redis each copy counts alone. Keys never leave the process in clear. */
export type RateCounters = {
  /** In memory, with what other copies have told. */
  countHere(bucket: RateBucket, key: string, requests?: number): RateCount;
  /** In Redis, for all copies at once; in memory where Redis does not answer. */
  countShared(bucket: RateBucket, key: string): Promise<RateCount>;
};

/** Wall time is for claims and rows, monotonic time for ages and deadlines. */
export type Clock = {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds, never backwards. */
  monotonic(): number;
};

export type Random = {
  bytes(count: number): Buffer;
  /** UUIDv7 (RFC 9562 §5.7). */
  uuid(): string;
};

/** AES-256-GCM under the key-encryption key. `context` is authenticated: a value opens only where it was sealed. */
export type Vault = {
  seal(plain: Uint8Array, context: string): string;
  open(sealed: string, context: string): Buffer;
};

export type HashAdmission = {
  readonly clientPrefix: string;
  readonly knownDevice: boolean;
  readonly signal?: AbortSignal;
};

/** Password hashing in child processes behind a bounded queue. Throws when full (503 + Retry-After). */
export type PasswordHasher = {
  hash(password: string, admission: HashAdmission): Promise<string>;
  verify(password: string, digest: string, admission: HashAdmission): Promise<boolean>;
  /** The error that a job with this admission would meet now, if it would. */
  refusalOf(admission: HashAdmission): Error | undefined;
  needsUpgrade(digest: string): boolean;
  /** Resolves once the hashing processes are ready. */
  dummyDigest(): Promise<string>;
};

/** What a restored database must not fall behind, kept outside the database. */
export type Marks = {
  readonly incarnation: string;
  readonly revocationEpoch: number;
  readonly beat: number;
};

/** What a database shows of itself. */
export type ShownState = Marks & {
  /** Incarnations whose loss was accepted. */
  readonly replaced: readonly string[];
};

/** Holds what is written to a database that is no older than what this process has seen of it. */
export type DatabaseGuard = {
  /** What the database must show now; null before anything was seen. Rejects (503) while that cannot be told. */
  expected(): Promise<Marks | null>;
  /** Throws `state_rewound` (503) where a database shows less than was expected, or another history. */
  check(shown: ShownState | undefined, expected: Marks | null): void;
};

export type MarkStore = {
  read(): Promise<Marks | null>;
  /**
   * Never lowers an epoch or beat of the same incarnation, whoever else writes; marks of another incarnation
   * give way only where `replaced` names it. Returns what then holds.
   */
  raise(marks: Marks, replaced?: readonly string[]): Promise<Marks>;
};

/** The newest head of the sealed log. */
export type LogMark = {
  readonly origin: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
};

/** Where the newest head is kept outside the database, so that a restored one cannot sign another history. */
export type LogMarkStore = {
  read(): Promise<LogMark | null>;
  /** The last head of each log that was continued, oldest first. */
  readEarlier(): Promise<readonly LogMark[]>;
  /**
   * Moves the mark within its log. Durable once it resolves. False, and nothing changed, when another mark than
   * `expected` is held. Throws where `next` is of another log.
   */
  swap(expected: LogMark | null, next: LogMark): Promise<boolean>;
  /** As `swap`, to the log that continues the one of `expected`, which is kept. For an operator's command alone. */
  follow(expected: LogMark | null, next: LogMark): Promise<boolean>;
};

/** A signed head of the sealed log, on its way outside. */
export type OutgoingCheckpoint = LogMark & {
  /** The signed note. */
  readonly note: string;
  /** That the tree of `oldSize` leaves begins this one. */
  consistencyProof(oldSize: number): Promise<readonly Uint8Array[]>;
};

/** A place outside the database that is told of checkpoints: the digest must leave it to be worth something. */
export type CheckpointSink = {
  readonly name: string;
  readonly kind: 'file' | 'witness' | 's3';
  /** It is told this often at most; what comes between is covered by the next. */
  readonly intervalMs: number;
  /** Verifier key of who cosigns; without a good cosignature of it the checkpoint counts as not taken. */
  readonly cosigner?: string;
  /**
   * Told again of what it has, it changes nothing.
   * @returns signature lines to add to the note; not verified
   * @throws CheckpointForkError, SinkAheadError, SinkRefusedError; anything else is a sink out of reach
   */
  publish(checkpoint: OutgoingCheckpoint, signal: AbortSignal): Promise<readonly string[]>;
};

/** Two histories of one log: the sink holds another root for this size, or a head that this one does not extend. */
export class CheckpointForkError extends Error {
  /** What the sink says, as proof. */
  readonly held: string;
  constructor(held: string) {
    super('another history of this log is known outside');
    this.name = 'CheckpointForkError';
    this.held = held;
  }
}

/** The sink has a later head: another worker was faster, or this database has lost leaves. */
export class SinkAheadError extends Error {
  readonly size: number;
  constructor(size: number) {
    super('a later head of this log is known outside');
    this.name = 'SinkAheadError';
    this.size = size;
  }
}

/** The sink is there and will not have it: wrong credentials, an origin or key it does not know. */
export class SinkRefusedError extends Error {
  readonly code: string;
  constructor(code: string) {
    super('the sink refuses the checkpoint');
    this.name = 'SinkRefusedError';
    this.code = code;
  }
}

/** One mail, ready to leave. */
export type OutgoingMail = {
  /** UUIDv7; the same at every try. */
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
};

/** Where mails leave: an SMTP server, or files where there is none. */
export type MailTransport = {
  /** Resolves once the mail was taken. @throws MailRefusedError where another try would not help */
  send(mail: OutgoingMail): Promise<void>;
  close(): Promise<void>;
};

/** The server will not have this mail, now or later. */
export class MailRefusedError extends Error {
  readonly code: string;
  constructor(code: string) {
    super('the mail was refused');
    this.name = 'MailRefusedError';
    this.code = code;
  }
}

export type Log = {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

/**
 * Which run of a job this is. A job that writes calls `hold` first in each of its transactions, so that a worker that
 * stalled past its lock changes nothing when it wakes up.
 */
export type Fence = {
  readonly number: number;
  /** Throws `runSuperseded` when a newer run has begun; none begins before this transaction ends. */
  hold(tx: Tx): Promise<void>;
};

/** One run of a job, as its use-case may know it. */
export type JobRun = {
  readonly jobId: string;
  /** From 1. */
  readonly attempt: number;
  readonly fence: Fence;
  /** Aborts when the run must end: past its time, lock lost, or the process stops. Look at it between batches. */
  readonly signal: AbortSignal;
  /** Shown with the job; 0 to 100. */
  progress(percent: number): Promise<void>;
  /** The job as an actor, in its trace. */
  readonly caller: Caller & { readonly kind: 'system' };
};

/** The outside world, injected. Everything else is imported. */
export type Ports = {
  readonly transact: Transact;
  readonly sql: Sql;
  /** Own small pool for the hot statements: generic plans, no sequential scans, short timeouts. */
  readonly hotSql: Sql;
  readonly redis: Redis;
  readonly clock: Clock;
  readonly random: Random;
  readonly vault: Vault;
  readonly hasher: PasswordHasher;
  readonly marks: MarkStore;
  readonly log: Log;
};

/** How a request reached us, as far as a rule or an audit row may know it. */
/** Keyed hash of an address or user agent, with the version of its key; null for ''. */
export type HashIdentifier = (label: 'ip' | 'agent', value: string) => string | null;

export type RequestContext = {
  /** Resolved through trusted proxies only; '' when there is no peer (CLI, job). */
  readonly ip: string;
  readonly userAgent: string;
  /**
   * SHA-256 thumbprint of the connection's client certificate (RFC 8705 §3.1), as trusted proxies alone may name it;
   * null for one that cannot be read, undefined for none.
   */
  readonly certificate?: string | null | undefined;
  readonly traceId: string;
  readonly traceparent: string;
  /** How this process hashes the address and the agent for the audit log; undefined stores neither. */
  readonly hashIdentifier?: HashIdentifier | undefined;
  /** Monotonic milliseconds before which it cannot have arrived; undefined where nothing was read from a connection. */
  readonly arrivedAt?: number | undefined;
  /** Whether its connection has closed: no answer can be delivered, and its caller may have repeated it elsewhere. */
  readonly hasLeft?: boolean | undefined;
};

/**
 * Who acts. A parameter of every use-case: an audit event without an actor does not compile.
 * `permissions` are what this credential may do, already narrowed by scope.
 */
export type Caller = { readonly request: RequestContext } & (
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user';
      readonly userId: string;
      readonly sessionId: string | null;
      readonly clientId: string;
      readonly permissions: ReadonlySet<string>;
      /** Of the user; none where the credential names none. */
      readonly roles?: readonly string[];
      /** How the user was recognised; `session` came by cookie and its writes pass the CSRF check. */
      readonly by: 'bearer' | 'session' | 'api_key';
      readonly tokenId: string | null;
      readonly familyId: string | null;
      /** Unix seconds of the login behind the credential. */
      readonly authTime: number;
      /** Assurance of that login: `aal2` when two factors proved it. */
      readonly acr?: string;
    }
  | {
      readonly kind: 'client';
      readonly clientId: string;
      readonly permissions: ReadonlySet<string>;
      readonly by: 'client' | 'bearer' | 'api_key';
      /** Whoever manages clients made it; of those that anybody can make there are as many as anybody wants. */
      readonly isVetted: boolean;
    }
  | { readonly kind: 'system'; readonly name: string }
);
