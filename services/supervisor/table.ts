/** One kind of child process. */
export interface ChildSpec {
  name: string;
  /** Absolute path of its TypeScript or JavaScript entry. */
  entry: string;
  copies: number;
  /** A start that is not ready by then counts as a crash. */
  readyTimeoutSeconds: number;
  /** From SIGTERM to SIGKILL. */
  drainSeconds: number;
}

type ChildSettings = { readonly apiCopies: number; readonly drainSeconds: number };

const entryOf = (path: string): string => new URL(`../${path}`, import.meta.url).pathname;

/** The children in the order they start; they stop one kind after the other in the same order. */
export function childTable({ apiCopies, drainSeconds }: ChildSettings): readonly ChildSpec[] {
  return [
    {
      name: 'api',
      entry: entryOf('api/main.ts'),
      copies: apiCopies,
      readyTimeoutSeconds: 60,
      drainSeconds: drainSeconds + 3,
    },
  ];
}
