/** One use of a refresh token that did not end its family. */
type TokenUse = {
  readonly at: number;
  readonly outcome: string;
  readonly network: string | null;
  readonly agent: string | null;
};

/** A device that changes its network keeps its name, and an app that is updated does not go back. */
const WINDOW_MS = 3_600_000;
const REPEATS: ReadonlySet<string> = new Set(['grace', 'lost_answer']);

const isOther = (one: TokenUse, other: TokenUse): boolean =>
  one.network !== null &&
  other.network !== null &&
  one.agent !== null &&
  other.agent !== null &&
  one.network !== other.network &&
  one.agent !== other.agent;

/**
 * Whether two parties use the tokens of one family at the same time: another network _and_ another program repeats a token
 * within its grace window, or the two take turns within an hour.
 * @param earlier uses of the family before it, newest first
 */
export function isUsedByTwo(use: TokenUse, earlier: readonly TokenUse[]): boolean {
  const recent = earlier.filter(({ at }) => use.at - at < WINDOW_MS);
  const last = recent[0];
  if (last === undefined) return false;
  if (REPEATS.has(use.outcome) && isOther(use, last)) return true;
  const between = recent.findIndex((other) => isOther(use, other));
  return (
    between >= 0 &&
    recent.slice(between + 1).some(({ network, agent }) => network === use.network && agent === use.agent)
  );
}
