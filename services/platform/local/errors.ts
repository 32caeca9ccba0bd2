/** A start-up problem that the operator can fix: what is wrong, and one exact fix. */
export class StartError extends Error {
  readonly code: string;
  readonly fix: string;

  constructor(code: string, message: string, fix: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartError';
    this.code = code;
    this.fix = fix;
  }
}
