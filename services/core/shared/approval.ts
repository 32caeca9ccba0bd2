import type { Caller } from '../ports.ts';

/** An act with exactly these arguments, as people sign it off. */
export type SignedAct = { readonly act: string; readonly arguments: unknown };

/** That people have approved an act of the caller; or why it is not approved, and what the caller lacks (RFC 9396). */
export type Approval =
  | {
      /** The sign-off. */
      readonly id: string;
      /** Unix seconds. */
      readonly expiresAt: number;
    }
  | { readonly why: string; readonly lacks: Readonly<Record<string, unknown>> };

/** Asks the wing with which people sign off acts. */
export type HasApprovals = { readonly readApproval: (asked: SignedAct, caller: Caller) => Promise<Approval> };
