import type { KeyObject } from 'node:crypto';

/** To a thread that signs: inputs of one key. */
export type ToSigner = { readonly key: KeyObject; readonly inputs: readonly string[] };

/** Back: once, that it listens; then base64url signatures in the order of the inputs, or null where the key signs nothing. */
export type FromSigner = 'ready' | readonly string[] | null;
