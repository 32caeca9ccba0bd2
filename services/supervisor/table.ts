import { StartError } from '../platform/local/errors.ts';

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

const entryOf = (path: string): string => new URL(`../${path}`, import.meta.url).pathname;

function copiesFrom(value: string | undefined): number {
  const copies = Number(value || 1);
  if (Number.isInteger(copies) && copies >= 1 && copies <= 64) return copies;
  throw new StartError('bad_setting', `API_COPIES is "${value}"`, 'set it to a whole number from 1 to 64');
}

/**
 * The children in the order they start; they stop one kind after the other in the same order.
 *
 * @throws StartError when API_COPIES is no number of copies
 */
export function childTable(env: NodeJS.ProcessEnv, drainSeconds: number): readonly ChildSpec[] {
  return [
    {
      name: 'api',
      entry: entryOf('api/main.ts'),
      copies: copiesFrom(env.API_COPIES),
      readyTimeoutSeconds: 60,
      drainSeconds: drainSeconds + 3,
    },
  ];
}
