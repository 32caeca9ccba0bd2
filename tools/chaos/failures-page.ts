import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultRun, Report } from './report.ts';

/** A failure, the fault of the suite that measures it, and what users see of it. */
export type FailureRow = { readonly failure: string; readonly fault: string; readonly users: string };

const TABLE = `
API process killed | kill-api | Requests at that process break off and can be repeated at another; it is started again.
API process replaced | terminate-api | It finishes what it began. Until its successor listens, its address refuses connections.
all API processes killed | kill-both-apis | No connection until the first is back. Services that verify offline go on.
worker killed | kill-worker | Nothing: mails, reports and hand-offs wait.
MCP server killed | kill-mcp | Calls of agents break off; nothing else does.
password hashing killed | kill-hashers | Sign-ins under way are repeated.
primary killed and started again | kill-postgres | 503 for all that needs a decision, from two seconds on for validation too.
primary hangs | freeze-postgres | Writes answer 503 within their time; validation from two seconds on.
primary refuses writes | read-only | 503 for all that must be recorded.
brown-out: every statement takes two seconds more | brown-out | As if the primary were away: what cannot be proved fresh is refused by 503.
slow link of one copy to the primary | slow-link-to-postgres | 503 at that copy; the other serves.
hottest tables locked for 30 s | table-locks-half-a-minute | Sign-ins and refreshes answer 503; validation goes on.
all connections of the primary taken | connections-used-up | Nothing: the product keeps its connections.
one copy cut off from the primary (partition) | hole-link-to-postgres | 503 at that copy; the other serves.
Redis killed | kill-redis | Nothing: revocations travel by polls, and each copy counts rate limits alone.
Redis emptied | flush-redis | Nothing: it holds no truth; rate limits begin anew.
Redis full | full-redis | No decision depends on Redis; jobs wait in PostgreSQL.
data directory full | full-data-directory | Nothing: the high-water marks rise again when there is room.
object store of backups lost | lost-object-store | Nothing: the backup ends with an error, and the next one after it is whole.
clock of one copy an hour ahead | clock-hour-ahead | 503 at that copy for what depends on the time.
bad release: a migration fails in the middle | bad-release | Nothing: the transaction is undone, and the running release goes on.
signing key stolen | stolen-key | Tokens of that key are refused; refreshing gives new ones by another key.
high-water marks lost | lost-marks | Nothing: running copies write them again.
primary or its machine killed, synchronous standby promoted (Patroni) | kill-primary | 503 until the standby is primary; then all goes on, and nothing is lost.
zone lost: a copy with the machine of the primary, then of the synchronous standby (Patroni) | lose-zone | Requests at that copy break off; 503 until there are a primary and a synchronous standby again.
older database restored | older-database | 503 until an operator accepts the loss; then all sign in again.
asynchronous standby promoted with commits missing | lagging-standby | 503 until an operator accepts the loss; then all sign in again.
the same, and a compromised key among what is missing | lagging-standby-and-compromise | The same; no key of before signs again.
`;

export const FAILURES: readonly FailureRow[] = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [failure = '', fault = '', users = ''] = line.split(' | ');
    return { failure, fault, users };
  });

const COLUMNS =
  'failure | case | users see | requests | validation | 503 after | lost | without a token | fault | then | stretch';

/** A report as `--json` prints it, without the families behind findings. */
type KeptReport = Pick<Report, 'seed' | 'seconds' | 'pace' | 'startedAt' | 'stretch' | 'faults'> & {
  readonly hasCluster?: boolean;
  readonly times?: number;
  readonly hasCases?: boolean;
  readonly gates: readonly { readonly name: string; readonly checked: number; readonly findings: readonly unknown[] }[];
};

/** Gates without which no figure of lost acknowledgements may be printed. */
const LOSSES = [
  'acknowledged ends that did not happen',
  'acknowledged acts missing or doubled in the log',
  'wrong accepts',
];

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
/** Of several runs the median too: of twenty the worst alone says little. */
function worstOf(runs: readonly FaultRun[], of: (run: FaultRun) => number): string {
  const sorted = runs.map(of).sort((one, other) => one - other);
  const worst = seconds(sorted.at(-1)!);
  return sorted.length < 3 ? worst : `${worst} (median ${seconds(sorted[Math.floor(sorted.length / 2)]!)})`;
}
const most = (runs: readonly FaultRun[], of: (run: FaultRun) => number): number => Math.max(...runs.map(of));

/** The worst of all runs of a fault. */
function cellsOf(runs: readonly FaultRun[]): string[] {
  const sum = (of: (run: FaultRun) => number): number => runs.reduce((all, run) => all + of(run), 0);
  const p99 = runs.flatMap(({ impact }) => impact.validateMsP99 ?? []);
  const refused = runs.flatMap(({ impact }) => impact.refusalMsP99 ?? []);
  return [
    `${sum(({ impact }) => impact.answered)} / ${sum(({ impact }) => impact.unavailable)} / ${sum(({ impact }) => impact.unanswered)}`,
    p99.length === 0 ? 'none answered' : `${Math.max(...p99).toFixed(0)} ms`,
    refused.length === 0 ? '–' : seconds(Math.max(...refused)),
    `${sum(({ impact }) => impact.lost)} of ${sum(({ impact }) => impact.acknowledged)}`,
    worstOf(runs, ({ impact }) => impact.tokenGapMs),
    seconds(most(runs, ({ lastedMs }) => lastedMs)),
    seconds(most(runs, ({ backMs }) => backMs)),
    most(runs, ({ stretch }) => stretch).toFixed(1),
  ];
}

export type KeptFile = { readonly file: string; readonly report: KeptReport };

/** @throws when the report does not hold what the table says of losses */
function failedGates({ file, report }: KeptFile): string[] {
  const failed = report.gates.filter(({ findings }) => findings.length > 0).map(({ name }) => name);
  for (const name of LOSSES) {
    if (!report.gates.some((gate) => gate.name === name && gate.checked > 0))
      throw new Error(`${file} has no gate "${name}"`);
    if (failed.includes(name)) throw new Error(`${file} violates "${name}"`);
  }
  return failed;
}

/** The options of a run of a cluster, or of chosen faults. */
function choiceOf({ hasCluster, times, hasCases, faults }: KeptReport): string {
  if (hasCluster) return ` --stores patroni --times ${times}`;
  if (times === undefined) return '';
  const names = [...new Set(faults.map(({ name }) => name))].sort().join(',');
  return ` --times ${times} --faults ${names}${hasCases ? '' : ' --cases no'}`;
}

/** A run, how it is repeated, and what of it did not hold. */
function runText(kept: KeptFile, faults: readonly string[]): string {
  const { file, report } = kept;
  const failed = failedGates(kept);
  const held =
    failed.length === 0
      ? `all ${report.gates.length} gates held`
      : `${report.gates.length - failed.length} of ${report.gates.length} gates held (not: ${failed.join(', ')})`;
  return `- \`npm run chaos -- --seed ${report.seed} --pace ${report.pace} --seconds ${report.seconds}${choiceOf(report)}\`, ${report.startedAt}, \`tools/chaos/results/${file}\`. Rows: ${faults.length}; ${held}.`;
}

/**
 * The table of failures, each with what the newest run of the suite that has its fault measured.
 * @param kept reports, the newest first
 * @throws when a row has no case in any report, or a report does not hold what the table says
 */
export function failuresPage(kept: readonly KeptFile[], rows: readonly FailureRow[] = FAILURES): string {
  const used = new Map<KeptFile, string[]>();
  const runsOf = ({ failure, fault }: FailureRow): readonly FaultRun[] => {
    const source = kept.find(({ report }) => report.faults.some(({ name }) => name === fault));
    if (!source)
      throw new Error(`"${failure}" has no case: ${kept.map(({ file }) => file).join(', ')} did not run ${fault}`);
    used.set(source, [...(used.get(source) ?? []), fault]);
    return source.report.faults.filter(({ name }) => name === fault);
  };
  const table = rows.map((row) => {
    const runs = runsOf(row);
    const name = `\`${row.fault}\`${runs.length > 1 ? ` × ${runs.length}` : ''}`;
    return `| ${[row.failure, name, row.users, ...cellsOf(runs)].join(' | ')} |`;
  });
  const runs = [...used].map(([source, faults]) => runText(source, faults));
  return `<!-- Generated by \`npm run catalog\` from the newest reports in tools/chaos/results; edit tools/chaos/failures-page.ts, not this page. -->
# Failures, and what users see of them

Each row was measured by a case of the [fault suite](../../tools/chaos/README.md): two copies with a PostgreSQL and a Redis of their own, under load, on one machine of two cores that had other work. Each row is of the newest run that has its case:

${runs.join('\n')}

- _requests_: answered below 500 / answered 503 / without an answer, from the begin of the fault until both copies served again. Attackers and retries are among them; a client that cannot connect tries again at once. No request had another 5xx than 503.
- _validation_: the 99th percentile of validations with a verdict in that time, client and machine included.
- _503 after_: the 99th percentile of the time until a 503, client and machine included; a dash where there was none, or the run did not measure it. A write waits for PostgreSQL for 0.8 seconds at most, and on a busy machine for the processor too.
- _lost_: changes that were acknowledged in that time and lost with a database. Where an older database or an asynchronous standby took over, all that was acknowledged between the backup, or the cut of the standby, and the acceptance counts as lost. In the others two gates look for every acknowledged change in the database and the sealed log, and this page is not made if they miss one.
- _without a token_: the longest time in which no client got a token: the time to the next token.
- _fault_, _then_: how long the fault lasted, and how long after it both copies issued and validated again.
- _stretch_: how many times its processor time work took on the machine then; 1 is a quiet machine. Above 10 the machine itself was starved, which may be what was measured.

| ${COLUMNS} |
| ${COLUMNS.replaceAll(/[^|]+/g, ' --- ').trim()} |
${table.join('\n')}

A loss is possible only where the database itself lost commits; [a synchronous standby](../how-to/run-in-production.md) prevents that. [When a store cannot be reached](store-failures.md) says which answers go on and which stop.

A primary on another machine, or lost with it, is the row of Patroni: \`kill-primary\` ends PostgreSQL with everything else of its server by turns, and the copies reach the next primary over HAProxy. Here all servers are processes of one machine, so what a network adds to each statement is not in the figures.
`;
}

/** The kept reports that say what clients noticed, the newest first. */
export function keptReports(folder: string): readonly KeptFile[] {
  const kept = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => ({ file, report: JSON.parse(readFileSync(join(folder, file), 'utf8')) as KeptReport }))
    .sort((one, other) => (one.report.startedAt < other.report.startedAt ? 1 : -1));
  if (kept.length === 0) throw new Error(`${folder} has no report as JSON`);
  return kept;
}
