import type { Footprint, Footprints } from './footprint.ts';
import { type Finding, type Gate, isFailed } from './gates.ts';
import { recoveryBoundMs } from './gates-service.ts';
import type { Impact } from './impact.ts';

export type FaultRun = {
  readonly name: string;
  readonly atSeconds: number;
  readonly detail: string;
  readonly lastedMs: number;
  readonly backMs: number;
  /** How many times its processor time work took then. */
  readonly stretch: number;
  readonly impact: Impact;
};

export type Report = {
  readonly seed: number;
  readonly seconds: number;
  readonly pace: number;
  readonly hasCluster?: boolean;
  readonly times?: number | undefined;
  readonly startedAt: string;
  /** The stretch of the machine before the load. */
  readonly stretch: number;
  readonly gates: readonly Gate[];
  readonly faults: readonly FaultRun[];
  readonly counts: Readonly<Record<string, number>>;
  readonly footprints: Footprints;
};

const resultOf = (gate: Gate): string => {
  if (gate.findings.length > 0) return `VIOLATED: ${gate.findings.length}`;
  if (isFailed(gate)) return 'CHECKED NOTHING';
  return gate.checked === 0 ? `excluded by ${gate.excludedBy}` : 'held';
};

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
  const nothing = findings.length === 0 ? ['- it had no facts to check'] : [];
  return [`## ${name}`, '', ...lines, ...more, ...nothing, ''];
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

const impactCells = ({ validateMsP99, tokenGapMs, ...of }: Impact): string =>
  [
    `${of.answered}, ${of.unavailable}, ${of.failed}, ${of.unanswered}`,
    validateMsP99 === null ? '–' : `${validateMsP99.toFixed(1)} ms`,
    `${of.acknowledged}, ${of.lost}`,
    `${(tokenGapMs / 1_000).toFixed(1)} s`,
  ].join(' | ');

const slowest = (faults: readonly FaultRun[]): number => Math.max(0, ...faults.map(({ backMs }) => backMs));

/** The report as Markdown: gates, figures, faults; of each violated gate the findings, with the family's history. */
export function markdownOf(report: Report): string {
  const { gates, faults, counts } = report;
  return [
    `# Fault suite, seed ${report.seed}`,
    '',
    `${report.startedAt}, ${report.seconds} s of faults, pace ${report.pace}. Repeat: \`npm run chaos -- --seed ${report.seed} --seconds ${report.seconds}\``,
    '',
    `The machine: work took ${report.stretch.toFixed(1)} times its processor time before the load, and after each fault as the table of faults says.`,
    '',
    '| gate | facts | result |',
    '| --- | --- | --- |',
    ...gates.map((gate) => `| ${gate.name} | ${gate.checked} | ${resultOf(gate)} |`),
    '',
    ...gates.filter(isFailed).flatMap(findingsOf),
    `Clients: ${Object.entries(counts)
      .map(([what, n]) => `${n} ${what}`)
      .join(', ')}.`,
    '',
    ...footprintTable(report.footprints),
    ...(faults.length === 0
      ? []
      : [
          '| at | fault | where | lasted | both copies served again after | allowed | stretch | answers, 503, other 5xx, none | validate p99 | acknowledged, lost | longest without a token |',
          '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
        ]),
    ...faults.map(
      (run) =>
        `| ${run.atSeconds} s | ${run.name} | ${run.detail} | ${(run.lastedMs / 1_000).toFixed(1)} s | ${(run.backMs / 1_000).toFixed(1)} s | ${(recoveryBoundMs(run.stretch) / 1_000).toFixed(0)} s | ${run.stretch.toFixed(1)} | ${impactCells(run.impact)} |`,
    ),
    ...(faults.length === 0 ? [] : ['', `Slowest return: ${(slowest(faults) / 1_000).toFixed(1)} s.`, '']),
  ].join('\n');
}

/** The same as data, without the families behind findings. */
export const jsonOf = ({ gates, ...rest }: Report): string =>
  JSON.stringify({
    ...rest,
    gates: gates.map(({ name, checked, excludedBy, findings }) => ({
      ...{ name, checked, excludedBy },
      findings: findings.map(({ text, subject }) => ({ text, history: subject?.history })),
    })),
  });
