import type { NoteSigner } from '../log/note.ts';

/** Signs checkpoints. The module `keys` owns the keys, and this module may not import it: the process passes it in. */
export type LogSigner = {
  /** The keys that sign this log now, by the log's name; none before the first start of an API. */
  signers(origin: string): Promise<readonly NoteSigner[]>;
};

export type HasLogSigner = { readonly logSigner: LogSigner };
