import type { KeyObject } from 'node:crypto';

/** To a thread that signs: inputs of one key, which is left out where it is the one of the message before. */
export type ToSigner = { readonly key?: KeyObject; readonly inputs: readonly string[] };

/** Back: base64url signatures in the order of the inputs; null where the key signs nothing. */
export type FromSigner = readonly string[] | null;
