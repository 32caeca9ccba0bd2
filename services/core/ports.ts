import type { LanguageTag } from '../platform/define/languages.ts';
import type { Statement } from '../platform/define/statement.ts';

export type Row = Record<string, unknown>;

/** Runs one statement. Throws `storeUnavailable` (503) when Postgres is unreachable or exceeds its deadline. */
export type Sql = { query<R = Row>(statement: Statement, values?: readonly unknown[]): Promise<R[]> };

/** An open transaction (READ COMMITTED). Short: no network, hashing or signing inside. */
export type Tx = Sql & {
  /** Runs once, after COMMIT; never after a rollback. The only way to enqueue or push from inside a transaction. */
  afterCommit(action: () => void | Promise<void>): void;
};

export type Transact = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

/**
 * Redis: a cache, never the source of truth. Every call rejects within its deadline when Redis is unreachable; callers
 * decide what that means. Caches hash-tag their keys.
 */
export type Redis = {
  get(key: string): Promise<string | null>;
  getMany(keys: readonly string[]): Promise<(string | null)[]>;
  set(key: string, value: string, ttlSeconds: number): Promise<void>;
  /** Reads many keys at once. */
  setMany(
    entries: readonly { readonly key: string; readonly value: string; readonly ttlSeconds: number }[],
  ): Promise<void>;
  /** True when the key did not exist. */
  setIfAbsent(key: string, value: string, ttlSeconds: number): Promise<boolean>;
  delete(...keys: string[]): Promise<void>;
  getAndDelete(key: string): Promise<string | null>;
  /** The count after the increment; the first increment starts the window. */
  increment(key: string, ttlSeconds: number): Promise<number>;
  /** Appends to a capped stream. */
  append(stream: string, fields: Readonly<Record<string, string>>, maxLength: number): Promise<void>;
  /** Calls `onEntry` for entries appended from now on; reconnects by itself. Returns a function that stops it. */
  follow(stream: string, onEntry: (fields: Readonly<Record<string, string>>) => void): () => Promise<void>;
  ping(): Promise<void>;
};

/** A limit by name. `shared` is counted in Redis before the answer; `here` in this copy, which sends it to the others later. */
export type RateBucket = {
  readonly name: string;
  /** Requests allowed in a window; a window begins with its first request. */
  readonly limit: number;
  readonly windowSeconds: number;
  readonly counting: 'shared' | 'here';
  /** A local count is sent to the other copies each time it has grown by this many. */
  readonly sentEvery: number;
};

/** Requests of one key in its window, including those just counted, and when the window ends. */
export type RateCount = { readonly used: number; readonly resetMs: number };

/** Counts requests. Never fails: without Redis each copy counts alone. Keys never leave the process in clear. */
export type RateCounters = {
  /** Counts in memory, including what other copies have sent. */
  countHere(bucket: RateBucket, key: string, requests?: number): RateCount;
  /** Counts in Redis, for all copies; in memory when Redis does not answer. */
  countShared(bucket: RateBucket, key: string): Promise<RateCount>;
};

/** Wall time is for claims and rows, monotonic time for ages and deadlines. */
export type Clock = {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds; never goes backwards. */
  monotonic(): number;
};

export type Random = {
  bytes(count: number): Buffer;
  /** UUIDv7 (RFC 9562 §5.7). */
  uuid(): string;
};

/** AES-256-GCM under the key-encryption key. `context` is authenticated: a value opens only where it was sealed. */
export type Vault = { seal(plain: Uint8Array, context: string): string; open(sealed: string, context: string): Buffer };

export type HashAdmission = {
  readonly clientPrefix: string;
  readonly knownDevice: boolean;
  readonly signal?: AbortSignal;
};

/** Password hashing in child processes behind a bounded queue. Throws when full (503 + Retry-After). */
export type PasswordHasher = {
  hash(password: string, admission: HashAdmission): Promise<string>;
  verify(password: string, digest: string, admission: HashAdmission): Promise<boolean>;
  /** The error that a job with this admission would fail with now, if any. */
  refusalOf(admission: HashAdmission): Error | undefined;
  needsUpgrade(digest: string): boolean;
  /** A digest that no password has, as costly to verify as any. */
  readonly dummyDigest: string;
};

/** High-water marks, kept outside the database: a restored database must not be behind them. */
export type Marks = { readonly incarnation: string; readonly revocationEpoch: number; readonly beat: number };

export type ShownState = Marks & {
  /** Incarnations whose loss an operator accepted. */
  readonly replaced: readonly string[];
};

/** Ensures that writes go to a database no older than this process has seen. */
export type DatabaseGuard = {
  /** What the database must report now; null before anything was seen. Rejects (503) while that is unknown. */
  expected(): Promise<Marks | null>;
  /** Throws `state_rewound` (503) when a database reports less than expected, or another history. */
  check(shown: ShownState | undefined, expected: Marks | null): void;
};

export type MarkStore = {
  read(): Promise<Marks | null>;
  /**
   * Never lowers an epoch or beat of the same incarnation, even with concurrent writers; marks of another incarnation
   * are replaced only if `replaced` names it. Returns the resulting marks.
   */
  raise(marks: Marks, replaced?: readonly string[]): Promise<Marks>;
};

/** The newest head of the sealed log. */
export type LogHead = {
  readonly origin: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
};

/** High-water mark of the log: its newest head, kept outside the database, so that a restored one cannot sign another history. */
export type LogHighWaterStore = {
  read(): Promise<LogHead | null>;
  /** The last head of each log that was continued, oldest first. */
  readEarlier(): Promise<readonly LogHead[]>;
  /**
   * Moves the mark within its log. Durable once it resolves. False, without a change, when the stored mark is not
   * `expected`. Throws when `next` is of another log.
   */
  swap(expected: LogHead | null, next: LogHead): Promise<boolean>;
  /** As `swap`, to the log that continues the one of `expected`, which is kept. For an operator's command only. */
  follow(expected: LogHead | null, next: LogHead): Promise<boolean>;
};

/** A signed head of the sealed log, to be published outside. */
export type OutgoingCheckpoint = LogHead & {
  /** The signed note. */
  readonly note: string;
  /** Proof that this tree extends the tree of `oldSize` leaves. */
  consistencyProof(oldSize: number): Promise<readonly Uint8Array[]>;
};

/** A place outside the database that receives checkpoints: a digest is evidence only when stored elsewhere. */
export type CheckpointSink = {
  readonly name: string;
  readonly kind: 'file' | 'witness' | 's3';
  /** Minimum time between two checkpoints; the next one covers what comes between. */
  readonly intervalMs: number;
  /** Verifier key of the cosigner; without its valid cosignature the checkpoint is not accepted. */
  readonly cosigner?: string;
  /**
   * Idempotent: a checkpoint it already has changes nothing.
   * @returns signature lines to add to the note; not verified
   * @throws CheckpointForkError, SinkAheadError, SinkRefusedError; any other error means that the sink is unreachable
   */
  publish(checkpoint: OutgoingCheckpoint, signal: AbortSignal): Promise<readonly string[]>;
};

/** Two histories of one log: the sink has another root for this size, or a head that this one does not extend. */
export class CheckpointForkError extends Error {
  /** The sink's answer, as proof. */
  readonly held: string;
  constructor(held: string) {
    super('the sink has another history of this log');
    this.name = 'CheckpointForkError';
    this.held = held;
  }
}

/** The sink has a later head: another worker was faster, or this database has lost leaves. */
export class SinkAheadError extends Error {
  readonly size: number;
  constructor(size: number) {
    super('the sink has a later head of this log');
    this.name = 'SinkAheadError';
    this.size = size;
  }
}

/** The sink answered and refused: wrong credentials, or an origin or key it does not know. */
export class SinkRefusedError extends Error {
  readonly code: string;
  constructor(code: string) {
    super('the sink refuses the checkpoint');
    this.name = 'SinkRefusedError';
    this.code = code;
  }
}

export type OutgoingMail = {
  /** UUIDv7; the same at every attempt. */
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
};

/** Sends mail: to an SMTP server, or to files where there is none. */
export type MailTransport = {
  /** Resolves once the mail was accepted. @throws MailRefusedError when a retry would not help */
  send(mail: OutgoingMail): Promise<void>;
  close(): Promise<void>;
};

/** The server refused this mail permanently. */
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
 * Fences a run of a job. A job that writes calls `hold` first in each of its transactions, so that a worker that stalled
 * past its lock changes nothing when it resumes.
 */
export type Fence = {
  readonly number: number;
  /** Throws `runSuperseded` when a newer run has begun; none begins before this transaction ends. */
  hold(tx: Tx): Promise<void>;
};

/** One run of a job, as its use-case sees it. */
export type JobRun = {
  readonly jobId: string;
  /** From 1. */
  readonly attempt: number;
  readonly fence: Fence;
  /** Aborts when the run must end: timed out, lock lost, or the process stops. Check it between batches. */
  readonly signal: AbortSignal;
  /** Shown with the job; 0 to 100. */
  progress(percent: number): Promise<void>;
  /** The job as an actor, in its trace. */
  readonly caller: Caller & { readonly kind: 'system' };
};

/** Everything outside the process, injected. Everything else is imported. */
export type Ports = {
  readonly transact: Transact;
  readonly sql: Sql;
  /** A small separate pool for the hot statements: generic plans, no sequential scans, short timeouts. */
  readonly hotSql: Sql;
  readonly redis: Redis;
  readonly clock: Clock;
  readonly random: Random;
  readonly vault: Vault;
  readonly hasher: PasswordHasher;
  readonly marks: MarkStore;
  readonly log: Log;
};

/** Keyed hash of an address or user agent, with the version of its key; null for ''. */
export type HashIdentifier = (label: 'ip' | 'agent', value: string) => string | null;

/** How a request reached us, as far as rules and audit rows may know. */
export type RequestContext = {
  /** Resolved through trusted proxies only; '' when there is no peer (CLI, job). */
  readonly ip: string;
  readonly userAgent: string;
  /** Language that the client prefers for pages and mails; undefined where nothing was read from a request. */
  readonly language?: LanguageTag | undefined;
  /**
   * SHA-256 thumbprint of the connection's client certificate (RFC 8705 §3.1), forwarded by trusted proxies only;
   * null when it cannot be read, undefined when there is none.
   */
  readonly certificate?: string | null | undefined;
  readonly traceId: string;
  readonly traceparent: string;
  /** How this process hashes the address and the agent for the audit log; undefined stores neither. */
  readonly hashIdentifier?: HashIdentifier | undefined;
  /** Earliest possible arrival, monotonic milliseconds; undefined where nothing was read from a connection. */
  readonly arrivedAt?: number | undefined;
  /** Whether its connection has closed: no answer can be delivered, and the caller may have repeated it elsewhere. */
  readonly hasLeft?: boolean | undefined;
};

/**
 * How a caller was authenticated: `session` by cookie, whose writes pass the CSRF check; `bearer` by an access token, `mcp`
 * by one at the MCP server; a client or agent also by its own credentials.
 */
type CallerBy = 'session' | 'bearer' | 'mcp' | 'api_key' | ClientCredential;

/** A client's own credentials: a secret, an assertion that it signed, or the certificate of its connection. */
export type ClientCredential = 'secret' | 'assertion' | 'certificate';

/**
 * The actor. A parameter of every use-case: an audit event without an actor does not compile. `permissions` are what this
 * credential may do, already narrowed by scope. What a kind of caller may do is decided in `authority/` and nowhere else.
 */
export type Caller = { readonly request: RequestContext } & (
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user';
      readonly userId: string;
      readonly sessionId: string | null;
      readonly clientId: string;
      readonly permissions: ReadonlySet<string>;
      /** What the user granted, space separated (RFC 6749 §3.3); at the MCP server only. */
      readonly scope?: string | undefined;
      /** Roles of the user; empty where the credential names no user. */
      readonly roles?: readonly string[];
      readonly by: Exclude<CallerBy, ClientCredential>;
      readonly tokenId: string | null;
      readonly familyId: string | null;
      /** Unix seconds of the sign-in behind the credential. */
      readonly authTime: number;
      /** Assurance level of that sign-in: `aal2` with two factors. */
      readonly acr?: string;
      /** The party that acts for the user by a delegated token (RFC 8693 §4.1). */
      readonly actingId?: string;
      /** The agent that holds the token, or that a chain of delegations names: not the user in person acts. */
      readonly agentId?: string;
    }
  | {
      readonly kind: 'client';
      readonly clientId: string;
      readonly permissions: ReadonlySet<string>;
      readonly by: Exclude<CallerBy, 'session'>;
      /** Created by a client administrator; anyone can create any number of self-registered clients. */
      readonly isVetted: boolean;
      readonly isBound?: true;
    }
  /** Software that acts for a person, registered by an administrator. It never has a permission that its owner lacks. */
  | {
      readonly kind: 'agent';
      readonly clientId: string;
      readonly ownerId: string;
      readonly permissions: ReadonlySet<string>;
      readonly by: Exclude<CallerBy, 'session'>;
      /** By an access token whose key the request proved (RFC 9449, RFC 8705): without the key it is worth nothing. */
      readonly isBound?: true;
    }
  | { readonly kind: 'system'; readonly name: string }
);
