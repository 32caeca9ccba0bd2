/** The error's code or class name, for storage; a message may hold secrets or personal data. */
export function errorCodeOf(failure: unknown): string {
  if (!(failure instanceof Error)) return typeof failure;
  const { code } = failure as { code?: unknown };
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : failure.name.slice(0, 64);
}
