/** Facts about surfaces of the product, in the ledger beside those about tokens. */
import type { Access, CopyName, Revocation } from './token-facts.ts';

/** What clients use. Gates say of each of them whether it served, and what it acknowledged is there. */
export const SURFACES = [
  'validation',
  'refresh',
  'issuing',
  'revocation',
  'accounts',
  'keys',
  'agents',
  'sign-offs',
  'consents',
  'health data',
  'retention',
  'reports',
  'API keys',
  'applications',
  'imports',
  'old sessions',
  'second factors',
  'MCP',
  'MCP tasks',
  'alerts',
  'signals',
  'queues',
] as const;
export type SurfaceName = (typeof SURFACES)[number];

/** Something that can be used until it is ended: a secret, a token, an API key, an encrypted value, a consent. */
export type Usable = {
  readonly surface: SurfaceName;
  /** As a reader of a finding knows it: `secret of an agent`. */
  readonly kind: string;
  readonly id: string;
  readonly madeAtMs: number;
  /** Of a token its signing key, with which it ends too. */
  readonly kid?: string;
  /** A loss of the database that was accepted ends it too: tokens and API keys, not secrets. */
  readonly endsWithLoss?: boolean;
  /** The user's token that it was exchanged for. */
  readonly origin?: Access;
  /** Shared by all that ends together, as an agent's secret and tokens. */
  readonly revocations: Revocation[];
  readonly history: string[];
};

/** A usable thing shown to a copy, which accepted or refused it. What was not answered is no use. */
export type Use = {
  readonly of: Usable;
  readonly copy: CopyName;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly isAccepted: boolean;
  /** Status and code, for a reader. */
  readonly said: string;
};

/** Something that the product was asked to keep, by a key that the request has or its answer gave. */
export type Entry = {
  readonly surface: SurfaceName;
  /** Which statement of the surface finds it. */
  readonly kind: string;
  readonly key: string;
  readonly sentAtMs: number;
  ackedAtMs?: number;
};

/** A sign-off as its clients know it. */
export type SignOffFacts = {
  readonly id: string;
  readonly quorum: number;
  /** Requests that were sent to approve it: one without an answer may count. */
  readonly approvals: { readonly role: string; readonly sentAtMs: number }[];
  readonly starts: { readonly copy: CopyName; readonly answeredAtMs: number; readonly status: number }[];
  readonly requestedAtMs: number;
};

/** The answers to one challenge of a second factor, and how many of them opened a session. */
export type Opening = { readonly challenge: string; readonly sessions: number };

/** An account with passkeys, as its owner finds it when all is well. */
export type PasskeyAccount = {
  readonly id: string;
  /** Of the passkeys that were asked to be registered, with an answer or without: how many open a session. */
  readonly opening: number;
  /** Whether the password alone is answered with a challenge. */
  readonly isChallenged: boolean;
  /** Whether a recovery code answers it; undefined where the owner has none. */
  readonly isCodeTaken?: boolean;
};

/** A signal that is beyond a bound of the receiver, and its answer. */
export type BoundedSignal = { readonly beyond: 'age' | 'size' | 'number'; readonly status: number };

/** The address of a target of alerts that was removed, or moved elsewhere. */
export type LeftAddress = { readonly address: string; readonly ackedAtMs: number };

/** A request as it ended for its client. */
export type Exchange = {
  readonly surface: SurfaceName;
  readonly copy: CopyName;
  /** True where the product limits how long it waits for PostgreSQL in all: for what may write, at the API. */
  readonly isLimited: boolean;
  readonly path: string;
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  /** 0: no answer came. */
  readonly status: number;
  /** Of a refusal. */
  readonly code?: string;
  /** How long the client waited in vain; undefined when it had an answer, hung up early or had no connection. */
  readonly waitedMs?: number;
};

/** An event that arrived at the receiver, and was accepted. */
export type Arrival = {
  readonly seq: number;
  readonly id: string;
  readonly subject: string;
  readonly atMs: number;
};

/** An arrival that does not say its place. */
export type Unplaced = Omit<Arrival, 'seq'>;

/** An alert that the target was told of, and the message that said so. */
export type Told = Unplaced & { readonly messageId: string };
