/** An advisory that is known and does not concern this product, for a time. */
export type Accepted = {
  /** As the advisory names itself: `https://github.com/advisories/GHSA-…`. */
  readonly id: string;
  readonly name: string;
  readonly reason: string;
  /** Last day, `YYYY-MM-DD`; after it the advisory is a finding again. */
  readonly until: string;
};

export type Finding = { readonly id: string; readonly name: string; readonly severity: string; readonly title: string };

type Via = { readonly url: string; readonly severity: string; readonly title: string; readonly name: string };
type NpmReport = { readonly vulnerabilities?: Readonly<Record<string, { readonly via: readonly (Via | string)[] }>> };

/** The advisories of a report of `npm audit --json`, once each; undefined if npm could not ask. */
export function npmFindings(text: string): Finding[] | undefined {
  let report: NpmReport;
  try {
    report = JSON.parse(text) as NpmReport;
  } catch {
    return undefined;
  }
  if (report.vulnerabilities === undefined) return undefined;
  const found = new Map<string, Finding>();
  for (const { via } of Object.values(report.vulnerabilities))
    for (const each of via)
      if (typeof each !== 'string')
        found.set(each.url, { id: each.url, name: each.name, severity: each.severity, title: each.title });
  return [...found.values()];
}

const FLOOR: ReadonlySet<string> = new Set(['high', 'critical']);

/** The findings that fail the audit: high or critical, and not accepted today. */
export const unaccepted = (findings: readonly Finding[], accepted: readonly Accepted[], today: Date): Finding[] =>
  findings.filter(
    ({ id, name, severity }) =>
      FLOOR.has(severity) &&
      !accepted.some((each) => each.id === id && each.name === name && each.until >= today.toISOString().slice(0, 10)),
  );

type Lock = {
  readonly packages?: Readonly<
    Record<
      string,
      {
        readonly resolved?: string;
        readonly integrity?: string;
        readonly link?: boolean;
        readonly optional?: boolean;
        readonly os?: readonly string[];
      }
    >
  >;
};

/** What in a lock file does not fix the bytes that are installed. */
export const lockFlaws = ({ packages = {} }: Lock): string[] =>
  Object.entries(packages)
    .filter(([path, { link }]) => path.includes('node_modules/') && link !== true)
    .flatMap(([path, { resolved, integrity, optional, os }]) => {
      if (resolved?.startsWith('file:')) return [];
      // npm leaves the address out if it is the registry's own.
      if (resolved !== undefined && !resolved.startsWith('https://')) return [`${path} is not from an https address`];
      // npm writes none for the programs of another platform if the registry had none to show.
      if (optional && os !== undefined && integrity === undefined) return [];
      return integrity?.startsWith('sha512-') ? [] : [`${path} has no sha512`];
    });
