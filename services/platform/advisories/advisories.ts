import list from './advisories.json' with { type: 'json' };

/** A range of versions: numbers with dots. Without `from` it begins with the first version. */
type VersionRange = { readonly from?: string; readonly before: string };

export type Advisory = {
  /** As the advisory names itself. */
  readonly id: string;
  /** `node`, `postgresql`, `redis`, or the name of an npm package. */
  readonly product: string;
  readonly affected: readonly VersionRange[];
  readonly severity: string;
  readonly title: string;
  /** Whether an attacker could use it here, and why that is so. */
  readonly exposure: 'none' | 'exposed';
  readonly why: string;
  /** An exposure that is borne for a time. `until` is its last day, `YYYY-MM-DD`. */
  readonly accepted?: { readonly until: string; readonly reason: string };
};

export type AdvisoryList = { readonly asOf: string; readonly advisories: readonly Advisory[] };

/** Advisories of runtime, stores and packages, known on the day `asOf`. It is read without a network. */
export const ADVISORIES = list as AdvisoryList;

/** Days after which the age of the list is a warning, and the release gate refuses it. */
export const LIST_DAYS_MAX = 30;

const DAY_MS = 86_400_000;

/** Age of the list in whole days. */
export const listDays = ({ asOf }: AdvisoryList, now: Date): number =>
  Math.floor((now.getTime() - Date.parse(asOf)) / DAY_MS);

/** A version in numbers; undefined if it is none, such as that of a build from sources. */
const numbersOf = (version: string): number[] | undefined =>
  /^v?(\d+(?:\.\d+)*)/.exec(version)?.[1]?.split('.').map(Number);

/** Below 0 if `a` is the earlier version. Numbers that one of them lacks are 0. */
export function compareVersions(a: string, b: string): number {
  const [left = [], right = []] = [numbersOf(a), numbersOf(b)];
  for (let place = 0; place < Math.max(left.length, right.length); place += 1) {
    const order = (left[place] ?? 0) - (right[place] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}

/** What is installed: the version of each product. */
export type Installed = Readonly<Record<string, string>>;

type Met = Advisory & { readonly version: string };

/** The advisories that are about an installed version. A version that cannot be read meets every advisory of its product. */
export const advisoriesMet = ({ advisories }: AdvisoryList, installed: Installed): Met[] =>
  advisories.flatMap((advisory) => {
    const version = Object.hasOwn(installed, advisory.product) ? installed[advisory.product] : undefined;
    if (version === undefined) return [];
    const isMet =
      numbersOf(version) === undefined ||
      advisory.affected.some(
        ({ from, before }) =>
          (from === undefined || compareVersions(version, from) >= 0) && compareVersions(version, before) < 0,
      );
    return isMet ? [{ ...advisory, version }] : [];
  });

/** Whether an attacker could use it, and no acceptance covers the day. */
export const isOpen = ({ exposure, accepted }: Advisory, now: Date): boolean =>
  exposure === 'exposed' && (accepted === undefined || accepted.until < now.toISOString().slice(0, 10));

/** One line for people: what is installed, the advisory, and why it is open, accepted or without effect. */
export function describeMet(met: Met, now: Date): string {
  const { id, product, version, severity, title, exposure, why, accepted } = met;
  const state =
    exposure === 'none'
      ? `not exposed: ${why}`
      : isOpen(met, now)
        ? why
        : `accepted until ${accepted?.until}: ${accepted?.reason}`;
  return `${product} ${version}: ${id} (${severity}), ${title}; ${state}`;
}

/** The first version without the advisory, for the release line of the installed one. */
export function fixedVersionOf({ affected, version }: Met): string | undefined {
  const range = affected.find(
    ({ from, before }) =>
      (from === undefined || compareVersions(version, from) >= 0) && compareVersions(version, before) < 0,
  );
  return range?.before;
}

/** The affected versions in words: `from 24.0.0, before 24.22.1`. */
export const describeAffected = ({ affected }: Pick<Advisory, 'affected'>): string =>
  affected.map(({ from, before }) => `${from === undefined ? '' : `from ${from}, `}before ${before}`).join('; ');
