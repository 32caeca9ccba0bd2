import type { NoteSigner } from '../log/note.ts';

/** Who signs checkpoints. The keys belong to the module on the right of this one: the process hands the signer in. */
export type LogSigner = {
  /** Every key that signs at this moment, under the name of the log; none before the first start of an API. */
  signers(origin: string): Promise<readonly NoteSigner[]>;
};

export type HasLogSigner = { readonly logSigner: LogSigner };
