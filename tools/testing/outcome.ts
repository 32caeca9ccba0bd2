// For tests only: the outcome of some work.
const codeIn = (err: unknown): string => String((err as { code?: unknown }).code ?? err);

/** `ok`, or the code of the error that the work throws; without a code, its message. */
export const outcomeOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'ok', codeIn);

/** The same for synchronous work. */
export function outcomeOfCall(work: () => unknown): string {
  try {
    work();
    return 'ok';
  } catch (err) {
    return codeIn(err);
  }
}
