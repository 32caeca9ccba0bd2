import type { NoteSigner } from '../log/note.ts';

/** What an event `key.*` says: which key, and what about it. */
export type KeyClaim = {
  readonly type: string;
  readonly kid: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
};

/** Signs checkpoints. The module `keys` owns the keys, and this module may not import it: the process passes it in. */
export type LogSigner = {
  /** The keys that sign this log now, by the log's name; none before the first start of an API. */
  signers(origin: string): Promise<readonly NoteSigner[]>;
  /** Whether the vault has the key that an event names, and what the event says about the key is true. */
  ownsKey(claim: KeyClaim): Promise<boolean>;
};

export type HasLogSigner = { readonly logSigner: LogSigner };
