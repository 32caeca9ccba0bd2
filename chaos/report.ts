import type { Footprint, Footprints } from './footprint.ts';
import type { Finding, Gate } from './gates.ts';

export type FaultRun = {
  readonly name: string;
  readonly atSeconds: number;
  readonly detail: string;
  readonly lastedMs: number;
  readonly backMs: number;
};

export type Report = {
  readonly seed: number;
  readonly seconds: number;
  readonly pace: number;
  readonly startedAt: string;
  readonly gates: readonly Gate[];
  readonly faults: readonly FaultRun[];
  readonly counts: Readonly<Record<string, number>>;
  readonly footprints: Footprints;
};

export const isFailed = (gate: Gate): boolean => gate.findings.length > 0;

const SHOWN = 20;

type Subject = NonNullable<Finding['subject']>;

const historyOf = ({ history }: Subject): string[] => (history.length === 0 ? [] : ['', '```', ...history, '```', '']);

function findingsOf({ name, findings }: Gate): string[] {
  const told = new Set<Subject>();
  const lines = findings.slice(0, SHOWN).flatMap(({ text, subject }) => {
    if (subject === undefined || told.has(subject)) return [`- ${text}`];
    told.add(subject);
    return [`- ${text}`, ...historyOf(subject)];
  });
  const more = findings.length > SHOWN ? [`- and ${findings.length - SHOWN} more`] : [];
  return [`## ${name}`, '', ...lines, ...more, ''];
}

function footprintTable({ begin, end }: Footprints): string[] {
  const roles = [...new Set([...Object.keys(begin.processes), ...Object.keys(end.processes)])].sort();
  const cells = ({ processes }: Footprint, role: string): string =>
    `${processes[role]?.rssMb ?? '–'} | ${processes[role]?.descriptors ?? '–'}`;
  return [
    'Before the first fault, under load, and after the last, when all was quiet:',
    '',
    '| process | RSS in MB before | file descriptors | RSS in MB after | file descriptors |',
    '| --- | --- | --- | --- | --- |',
    ...roles.map((role) => `| ${role} | ${cells(begin, role)} | ${cells(end, role)} |`),
    '',
    `PostgreSQL connections: ${begin.postgresConnections} before, ${end.postgresConnections} after.`,
    '',
  ];
}

const slowest = (faults: readonly FaultRun[]): number => Math.max(0, ...faults.map(({ backMs }) => backMs));

/** The report as Markdown: gates, figures, faults; of each violated gate the findings, with the family's history. */
export function markdownOf(report: Report): string {
  const { gates, faults, counts } = report;
  return [
    `# Fault suite, seed ${report.seed}`,
    '',
    `${report.startedAt}, ${report.seconds} s of faults, pace ${report.pace}. Repeat: \`npm run chaos -- --seed ${report.seed} --seconds ${report.seconds}\``,
    '',
    '| gate | facts | result |',
    '| --- | --- | --- |',
    ...gates.map(
      (gate) => `| ${gate.name} | ${gate.checked} | ${isFailed(gate) ? `VIOLATED: ${gate.findings.length}` : 'held'} |`,
    ),
    '',
    ...gates.filter(isFailed).flatMap(findingsOf),
    `Clients: ${Object.entries(counts)
      .map(([what, n]) => `${n} ${what}`)
      .join(', ')}.`,
    '',
    ...footprintTable(report.footprints),
    ...(faults.length === 0
      ? []
      : ['| at | fault | where | lasted | both copies served again after |', '| --- | --- | --- | --- | --- |']),
    ...faults.map(
      (run) =>
        `| ${run.atSeconds} s | ${run.name} | ${run.detail} | ${(run.lastedMs / 1_000).toFixed(1)} s | ${(run.backMs / 1_000).toFixed(1)} s |`,
    ),
    ...(faults.length === 0 ? [] : ['', `Slowest return: ${(slowest(faults) / 1_000).toFixed(1)} s.`, '']),
  ].join('\n');
}

/** The same as data, without the families behind findings. */
export const jsonOf = ({ gates, ...rest }: Report): string =>
  JSON.stringify({
    ...rest,
    gates: gates.map(({ name, checked, findings }) => ({
      name,
      checked,
      findings: findings.map(({ text, subject }) => ({ text, history: subject?.history })),
    })),
  });
