import { STORE_TLS_EXIT } from '#services/platform/process/exit-codes.ts';

export const exitCodes = {
  ok: 0,
  checkFailed: 1,
  usage: 2,
  unreachable: 3,
  waitsForHuman: 4,
  refused: 5,
  /** Of the offline verifier: no fault was found, but it had no key to trust. */
  notAuthenticated: 6,
  /** TLS to PostgreSQL or Redis failed: the store offers none, or its certificate is not to be trusted. */
  storeTls: STORE_TLS_EXIT,
} as const satisfies Record<string, number>;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends the command with this exit code and prints its message to stderr; `fix` is one exact action. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  readonly fix: string | undefined;

  constructor(exitCode: ExitCode, message: string, fix?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.fix = fix;
  }
}
