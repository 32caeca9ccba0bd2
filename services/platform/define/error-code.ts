/** The error's code or class name, for storage; a message may hold secrets or personal data. Of an end, its reason's. */
export function errorCodeOf(failure: unknown): string {
  if (!(failure instanceof Error)) return typeof failure;
  const { code, cause } = failure as { code?: unknown; cause?: unknown };
  if (code === 'ABORT_ERR' && cause instanceof Error) return errorCodeOf(cause);
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : failure.name.slice(0, 64);
}
