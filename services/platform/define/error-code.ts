/** An error code or class name; messages may hold what must not be stored. */
export function errorCodeOf(failure: unknown): string {
  if (!(failure instanceof Error)) return typeof failure;
  const { code } = failure as { code?: unknown };
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : failure.name.slice(0, 64);
}
