import { compareVersions } from '#services/platform/advisories/advisories.ts';
import type { Finding } from './advisories.ts';

/** Days that a dependency of authentication may be behind; CONTRIBUTING.md has the rule. */
const DAYS_BEHIND_MAX = 14;
const DAY_MS = 86_400_000;
const STABLE = /^\d+(\.\d+)*$/;

/** What signs users in, and tokens: each is at most 14 days behind its newest release. */
export const OF_AUTHENTICATION = /^(?:better-auth|@better-auth\/.+|@simplewebauthn\/server|jose|@node-rs\/.+)$/;

type View = { readonly time?: Readonly<Record<string, string>>; readonly 'dist-tags.latest'?: string };

/**
 * A finding if releases up to the latest one are newer than ours, and the first of them is older than the bound.
 * @param text the answer of `npm view <name> time dist-tags.latest --json`
 * @returns undefined if npm could not ask
 */
export function lagOf(name: string, ours: string, text: string, now: Date): readonly Finding[] | undefined {
  let view: View;
  try {
    view = JSON.parse(text) as View;
  } catch {
    return undefined;
  }
  const latest = view['dist-tags.latest'];
  if (view.time === undefined || latest === undefined) return undefined;
  const newer = Object.entries(view.time).filter(
    ([version]) => STABLE.test(version) && compareVersions(version, ours) > 0 && compareVersions(version, latest) <= 0,
  );
  const days = Math.floor((now.getTime() - Math.min(...newer.map(([, at]) => Date.parse(at)))) / DAY_MS);
  if (newer.length === 0 || days <= DAYS_BEHIND_MAX) return [];
  const title = `${ours} is ${days} days behind ${latest}: raise it, or accept it with the decision that says why`;
  return [{ id: `newest:${name}`, name, severity: 'high', title }];
}
