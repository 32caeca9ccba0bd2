import type { Ports } from '#services/core/ports.ts';
import { download } from '#services/core/shared/answer.ts';
import { operation } from '#services/core/shared/operation.ts';
import type { Capacity, CapacitySeries } from './capacity/capacity-shapes.ts';
import { readCapacity } from './capacity/read-capacity.ts';
import {
  listSecurityReportsEndpoint,
  readCapacityEndpoint,
  readDashboardEndpoint,
  readSecurityReportDaysEndpoint,
  readSecurityReportEndpoint,
  readSecurityReportFileEndpoint,
  requestSecurityReportEndpoint,
} from './contract.ts';
import type { Dashboard, Duration } from './dashboard-shapes.ts';
import { readDashboard } from './read-dashboard.ts';
import {
  listSecurityReports,
  readSecurityReport,
  readSecurityReportCsv,
  readSecurityReportFile,
} from './reports/read-security-report.ts';
import { reportLine } from './reports/report-line.ts';
import { requestSecurityReport } from './reports/request-security-report.ts';

const ofPart = (name: string, { state, as_of: asOf }: Dashboard['security' | 'performance' | 'resources']): string =>
  `${name}  ${state === 'missing' ? 'no figures yet' : `${state}, as of ${asOf}`}`;
const percent = (value: number | null): string => (value === null ? 'none ended' : `${value} % succeeded`);
const duration = (name: string, { count, average_ms: average, p95_ms: p95, p99_ms: p99 }: Duration): string =>
  `  ${name.padEnd(18)}${count === 0 ? 'none' : `${count}  average ${average} ms  p95 ${p95} ms  p99 ${p99} ms`}`;
const mebibytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;

function lines({ security, performance, resources }: Dashboard): string[] {
  const { open_incidents: open, sign_ins: signIns } = security;
  const [current] = security.hours.slice(-1);
  return [
    ofPart('security', security),
    `  sign-ins in 24 h  ${signIns.succeeded} succeeded, ${signIns.failed} failed (${percent(signIns.success_percent)})`,
    `  this hour         ${current?.sign_ins_succeeded ?? 0} succeeded, ${current?.sign_ins_failed ?? 0} failed, ${current?.revocations ?? 0} revocations`,
    `  open incidents    ${open.critical} critical, ${open.high} high, ${open.medium} medium, ${open.low} low`,
    `  locked accounts   ${security.locked_accounts ?? 'not counted yet'}`,
    ofPart(`performance of ${performance.window_seconds / 60} min`, performance),
    duration('tokens generated', performance.token_generation),
    duration('tokens refreshed', performance.token_refresh),
    duration('tokens validated', performance.token_validation),
    duration('passwords hashed', performance.password_hash),
    ofPart('resources', resources),
    ...resources.copies.map(
      (copy) =>
        `  ${copy.kind.padEnd(8)}${copy.state}  ${copy.cpu_cores + copy.hash_cpu_cores} cores  ${mebibytes(copy.memory_bytes)}  ${copy.copy_id}`,
    ),
    ...resources.queues
      .filter(({ waiting, active, dead }) => waiting + active + dead > 0)
      .map(
        ({ queue, waiting, active, dead }) => `  queue ${queue}  ${waiting} waiting, ${active} active, ${dead} dead`,
      ),
  ];
}

const dashboardOperations = [
  operation(readDashboardEndpoint, readDashboard, {
    verb: 'dashboard',
    help: 'show the figures of security, performance and resources',
    lines,
  }),
];

const reach = ({ state, days, reaches_limit: reaches, limit }: CapacitySeries, needed: number): string => {
  if (state === 'too_little_data') return `too little data: ${days} of ${needed} days`;
  if (state === 'steady') return 'no growth';
  if (limit === null) return 'grows, no limit known';
  if (reaches?.day == null) return 'grows, and does not reach its limit within two years';
  return `reaches ${limit} on ${reaches.day} (90 %: ${reaches.earliest ?? 'later'} to ${reaches.latest ?? 'later'})`;
};

const capacityLines = ({ predictions, advice, days_needed: needed, sampled_hour: hour }: Capacity): string[] => [
  hour === null ? 'no hour was sampled yet' : `sampled until ${hour}`,
  ...predictions.map(
    (each) => `${each.series.padEnd(24)}${String(each.latest ?? '-').padEnd(14)}${reach(each, needed)}`,
  ),
  ...(advice.length === 0 ? [hour === null ? 'no advice yet' : 'no advice: every rule was checked'] : []),
  ...advice.map(
    ({ setting, advice: text, evidence, link }) =>
      `${setting}  ${text} ${Object.entries(evidence)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')} (${link})`,
  ),
];

const capacityOperations = [
  operation(readCapacityEndpoint, readCapacity, {
    verb: 'capacity',
    help: 'predict when limits are reached, and advise on settings; it changes nothing',
    lines: capacityLines,
  }),
];

const securityReportOperations = [
  operation(requestSecurityReportEndpoint, requestSecurityReport),
  operation(listSecurityReportsEndpoint, listSecurityReports, {
    verb: 'reports list',
    help: 'list security reports, newest first',
    line: reportLine,
  }),
  operation(readSecurityReportEndpoint, readSecurityReport),
  operation(readSecurityReportFileEndpoint, async (ports: Pick<Ports, 'sql'>, input) =>
    download(
      `security-${input.report_id}.json`,
      'application/json',
      Buffer.from(await readSecurityReportFile(ports, input)),
    ),
  ),
  operation(readSecurityReportDaysEndpoint, async (ports: Pick<Ports, 'sql'>, input) =>
    download(
      `security-${input.report_id}.csv`,
      'text/csv; charset=utf-8; header=present',
      await readSecurityReportCsv(ports, input),
    ),
  ),
];

export const monitoringOperations = [...dashboardOperations, ...securityReportOperations, ...capacityOperations];
