/** What clients are given, and what ends it. */

/** Something that ends tokens. From `sentAtMs` on they may be refused, after `ackedAtMs` they must be. */
export type Revocation = { readonly cause: string; readonly sentAtMs: number; ackedAtMs?: number };

export type CopyName = 'A' | 'B';

/** An access token that a client was given. */
export type Access = {
  readonly token: string;
  readonly jti: string;
  readonly kid: string;
  readonly family: TokenFamily;
  readonly issuedAtMs: number;
  readonly revocations: Revocation[];
};

/** A refresh token family as its client knows it. */
export type TokenFamily = {
  readonly id: string;
  readonly userId: string;
  readonly issuedAtMs: number;
  /** The newest refresh token that the client has; older ones by generation. */
  refreshToken: string;
  readonly older: Map<number, string>;
  readonly revocations: Revocation[];
  readonly access: Access[];
  /** What happened to it, for a reader of a failed run. */
  readonly history: string[];
  /** A client asks for it now. */
  isBusy: boolean;
  /** Its client gave up: what becomes of it is no concern of the gates. */
  isAbandoned: boolean;
};
