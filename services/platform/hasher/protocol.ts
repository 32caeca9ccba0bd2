import type { HashAlgorithm } from './schemes.ts';

/** Messages between the hasher and one child. A child has one request at a time, so replies carry no id. */

type InitMessage = {
  readonly kind: 'init';
  readonly pepperBase64: string;
  /** Algorithm of new digests; bcrypt by default. */
  readonly algorithm?: HashAlgorithm;
};

export type HashRequest =
  | { readonly kind: 'hash'; readonly password: string }
  | {
      readonly kind: 'verify';
      readonly password: string;
      /** The password as it was typed, if that is another text: other systems do not normalise. */
      readonly typed?: string;
      readonly digest: string;
      /** The key that the digest names. */
      readonly keyBase64?: string;
    };

/** Sent once: the time that a first hash took. It also shows that the child can hash. */
export type ReadyMessage = { readonly kind: 'ready'; readonly hashSeconds: number };

export type HashResult =
  | { readonly kind: 'hashed'; readonly digest: string }
  | { readonly kind: 'verified'; readonly matches: boolean }
  | { readonly kind: 'failed' };

export type HashReply = HashResult & {
  /** Processor time of the job: less than it took, if other processes wanted the processor. */
  readonly processorSeconds: number;
};

export type ToChild = InitMessage | HashRequest;
export type FromChild = ReadyMessage | HashReply;
