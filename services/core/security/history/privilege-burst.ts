/** A change that gives rights. `isStrong`: rights to administer this installation. */
export type PrivilegeChange = {
  readonly at: number;
  readonly type: string;
  readonly isStrong: boolean;
  /** Who or what got the rights. */
  readonly subject: string | null;
};

const WINDOW_MS = 10 * 60_000;
const STRONG_CHANGES = 3;

/**
 * Counts the strong changes of one actor within ten minutes: a role that administers, a role or key that is given such
 * rights, a client whose scopes change. Ordinary roles and narrow keys count nothing, however many: that is how a team
 * begins. Null below the limit.
 * @param changes of one actor, the newest last
 */
export function burstOf(
  changes: readonly PrivilegeChange[],
): { readonly changes: number; readonly kinds: number } | null {
  const newest = changes.at(-1);
  if (newest === undefined || !newest.isStrong) return null;
  const strong = changes.filter(({ at, isStrong }) => isStrong && newest.at - at < WINDOW_MS);
  const distinct = new Set(strong.map(({ type, subject }) => `${type} ${subject}`));
  if (distinct.size < STRONG_CHANGES) return null;
  return { changes: distinct.size, kinds: new Set(strong.map(({ type }) => type)).size };
}
