/** The form of a report's bundle, checked in the browser by rules of its own: no code of the server. */

/** The path to the first value that does not have the form; null if all is well. */
type Rule = (value: unknown, at: string) => string | null;

const when =
  (isRight: (value: unknown) => boolean): Rule =>
  (value, at) =>
    isRight(value) ? null : at;
const text = (most: number): Rule => when((value) => typeof value === 'string' && value.length <= most);
const int: Rule = when(Number.isSafeInteger);
const one = (...values: readonly unknown[]): Rule => when((value) => values.includes(value));
const digest: Rule = when((value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const orNull =
  (rule: Rule): Rule =>
  (value, at) =>
    value === null ? null : rule(value, at);

const firstOf = (faults: readonly (string | null)[]): string | null => faults.find((fault) => fault !== null) ?? null;
const list =
  (rule: Rule, most: number): Rule =>
  (value, at) =>
    Array.isArray(value) && value.length <= most
      ? firstOf(value.map((each, index) => rule(each, `${at}.${index}`)))
      : at;
const members =
  (rules: Readonly<Record<string, Rule>>): Rule =>
  (value, at) => {
    if (!isObject(value)) return at;
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(rules, name));
    if (unknown !== undefined) return `${at}.${unknown}`;
    return firstOf(Object.entries(rules).map(([name, rule]) => rule(value[name], `${at}.${name}`)));
  };

const STATUSES = ['pass', 'fail', 'error', 'not_applicable', 'unknown'] as const;
export type ControlStatus = (typeof STATUSES)[number];
const status = one(...STATUSES);
const moment = text(40);

const item = members({
  control_id: text(64),
  title: text(500),
  clause: text(64),
  profile: one('current', 'proposed'),
  requirement: one('required', 'addressable'),
  kind: one('machine', 'attestation'),
  status,
  reason: orNull(text(1_000)),
  human_duty: text(1_000),
  check: orNull(
    members({
      probe: text(1_000),
      probe_version: int,
      evidence: text(1_000),
      population_of: text(500),
      population: int,
      sampled: int,
      exceptions: list(members({ resource: text(500), why: text(500) }), 20),
      exception_count: int,
      observed: when(isObject),
      observed_sha256: digest,
      release: text(64),
      collector: text(64),
      started_at: moment,
      ended_at: moment,
    }),
  ),
  attestation: orNull(
    members({
      attestation_id: text(64),
      attester: text(300),
      statement: text(2_000),
      note: text(256),
      attested_at: moment,
      expires_at: moment,
    }),
  ),
});

const proof = members({
  control_id: text(64),
  event_id: text(64),
  seq: int,
  item_sha256: digest,
  leaf: text(90_000),
  proof: text(40_000),
});

const change = members({ control_id: text(64), before: orNull(status), after: orNull(status) });

const bundle = members({
  note: text(100_000),
  report: members({
    v: one(1),
    report_id: text(64),
    kind: one('demand', 'daily', 'monthly'),
    period: orNull(text(10)),
    requested_by: text(300),
    requested_at: moment,
    built_at: moment,
    release: text(64),
    origin: text(512),
    vkeys: list(text(1_000), 100),
    disclaimer: text(1_000),
    summary: members(Object.fromEntries(STATUSES.map((name) => [name, int]))),
    previous: orNull(members({ report_id: text(64), sha256: digest, changes: list(change, 1_000) })),
    controls: list(item, 1_000),
    proofs: list(proof, 1_000),
  }),
});

export type ReportItem = {
  readonly control_id: string;
  readonly title: string;
  readonly status: ControlStatus;
  readonly check: { readonly observed: unknown; readonly observed_sha256: string } | null;
};
export type ReportProof = {
  readonly control_id: string;
  readonly event_id: string;
  readonly seq: number;
  readonly item_sha256: string;
  readonly leaf: string;
  readonly proof: string;
};
/** What the checks and the page read of a report; the rest is only compared. */
export type Report = {
  readonly report_id: string;
  readonly kind: 'demand' | 'daily' | 'monthly';
  readonly period: string | null;
  readonly built_at: string;
  readonly release: string;
  readonly origin: string;
  readonly vkeys: readonly string[];
  readonly summary: Readonly<Record<ControlStatus, number>>;
  readonly controls: readonly ReportItem[];
  readonly proofs: readonly ReportProof[];
};
export type Bundle = { readonly note: string; readonly report: Report };

/** The path to the first value that does not have the form of a bundle, such as `report.controls.3`; null if all do. */
export function faultOfForm(value: unknown): string | null {
  const path = bundle(value, 'bundle');
  return path === null ? null : path.replace(/^bundle\./, '');
}
