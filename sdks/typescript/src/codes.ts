import { CODES } from './generated/contract.ts';

/** Why a request or token is not accepted. The API's validate endpoint gives the same codes. */
export type VerifierCode = keyof typeof CODES;

/** A request or token that is not accepted. */
export type Refusal = {
  readonly ok: false;
  readonly code: VerifierCode;
  /** The status to answer with: 400, 401, 403 or 503. */
  readonly status: number;
  /** Public text for people. */
  readonly title: string;
  readonly fix: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
};

const refusals = Object.fromEntries(
  Object.entries(CODES).map(([code, { status, title, fix, retryable }]) => [
    code,
    Object.freeze({ ok: false, code, status, title, fix, retryable }),
  ]),
) as unknown as Readonly<Record<VerifierCode, Refusal>>;

export const refuse = (code: VerifierCode): Refusal => refusals[code];

/** Thrown by `verifyOrThrow`. */
export class VerifierError extends Error {
  readonly code: VerifierCode;
  readonly status: number;
  readonly retryable: boolean;
  constructor({ code, status, title, fix, retryable }: Refusal) {
    super(`${title}. ${fix}`);
    this.name = 'VerifierError';
    this.code = code;
    this.status = status;
    this.retryable = retryable;
  }
}
