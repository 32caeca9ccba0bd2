import { z } from 'zod';
import { listAuditEventsEndpoint, proveAuditEventEndpoint, readAuditEventEndpoint } from '../core/audit/contract.ts';
import { listEvents } from '../core/audit/read/list-events.ts';
import { proveEvent } from '../core/audit/read/prove-event.ts';
import { readEvent } from '../core/audit/read/read-event.ts';
import { listKeysEndpoint } from '../core/keys/contract.ts';
import { listIncidentsEndpoint, readIncidentEndpoint } from '../core/security/contract.ts';
import { listIncidents, readIncident } from '../core/security/manage-incidents.ts';
import { readTokenStatisticsEndpoint } from '../core/tokens/contract.ts';
import { readTokenStatistics } from '../core/tokens/metadata/read-token-statistics.ts';
import { controlView, listControlsEndpoint, readReportEndpoint } from '../wings/compliance/contract.ts';
import { readControls } from '../wings/compliance/list-controls.ts';
import { readReport } from '../wings/compliance/reports/read-report.ts';
import {
  authenticationProgressView,
  componentProgressView,
  securityMetricsView,
} from '../wings/monitoring/progress/progress-shapes.ts';
import {
  readAuthenticationProgress,
  readComponentProgress,
  readSecurityMetrics,
} from '../wings/monitoring/progress/read-progress.ts';
import { listSignOffsEndpoint } from '../wings/signoff/contract.ts';
import { listSignOffs } from '../wings/signoff/read-signoff.ts';
import { ownTools } from './own-tools.ts';
import { like, needOf, type Tool, tool } from './tool.ts';

const NONE = z.strictObject({});
/** In the URI of a resource it is text. */
const seq = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).describe('Sequence number of the event');

/** Tools that read the state of the installation, for operators, auditors and agents. */
const installationTools: readonly Tool[] = [
  tool({
    name: 'list_signing_keys',
    title: 'Signing keys',
    description: 'List the keys of the key ring with algorithm, state and times. Contains no key material.',
    ...like(listKeysEndpoint),
    input: NONE,
    resource: 'sallyport://keys',
    run: ({ keyRing }) => ({ keys: keyRing.list() }),
  }),
  tool({
    name: 'search_audit_log',
    title: 'Search the audit log',
    description:
      'List sealed security events, newest first. Filter by type, actor and target (`user:<id>`), client, trace and time; `next` is the cursor of the next page.',
    ...like(listAuditEventsEndpoint),
    input: listAuditEventsEndpoint.query!.extend({ limit: z.int().min(1).max(100).default(20) }),
    run: listEvents,
  }),
  tool({
    name: 'read_audit_event',
    title: 'Read an audit event',
    description: 'Read one event of the audit log with its sealed bytes and its place in the log.',
    ...like(readAuditEventEndpoint),
    input: z.strictObject({ seq }),
    resource: 'sallyport://audit/events/{seq}',
    run: (ports, input) => readEvent(ports, input.seq),
  }),
  tool({
    name: 'prove_audit_event',
    title: 'Prove an audit event',
    description:
      'Get the proof that an event is in the sealed log, with a signed checkpoint (c2sp.org/tlog-proof). Verify it offline with the key of the log.',
    need: needOf(proveAuditEventEndpoint),
    input: z.strictObject({ seq }),
    output: z.object({ seq: z.int(), proof: z.string() }),
    resource: 'sallyport://audit/events/{seq}/proof',
    run: async (ports, input) => ({ seq: input.seq, proof: await proveEvent(ports, input.seq) }),
  }),
  tool({
    name: 'list_incidents',
    title: 'Security incidents',
    description: 'List security incidents, most recently seen first, optionally of one state or severity.',
    ...like(listIncidentsEndpoint),
    input: listIncidentsEndpoint.query!.omit({ subject: true }),
    resource: 'sallyport://incidents',
    run: listIncidents,
  }),
  tool({
    name: 'read_incident',
    title: 'Read an incident',
    description: 'Read one security incident with its subject, count, facts and automatic actions.',
    ...like(readIncidentEndpoint),
    input: readIncidentEndpoint.params!,
    resource: 'sallyport://incidents/{incident_id}',
    run: readIncident,
  }),
  tool({
    name: 'read_compliance_status',
    wing: 'compliance',
    title: 'Compliance status',
    description: 'Count the compliance controls by status and list those that do not pass.',
    need: needOf(listControlsEndpoint),
    input: NONE,
    output: z.object({ counts: z.record(z.string(), z.int()), open: z.array(controlView) }),
    resource: 'sallyport://compliance',
    run: async (ports) => {
      const controls = await readControls(ports);
      const counts: Record<string, number> = {};
      for (const { status } of controls) counts[status] = (counts[status] ?? 0) + 1;
      const open = controls.filter(({ status }) => status !== 'pass' && status !== 'not_applicable');
      return { counts, open };
    },
  }),
  tool({
    name: 'read_compliance_report',
    wing: 'compliance',
    title: 'Compliance report',
    description: 'Read the state, progress and summary of a compliance report.',
    ...like(readReportEndpoint),
    input: readReportEndpoint.params!,
    resource: 'sallyport://compliance/reports/{report_id}',
    run: (ports, input) => readReport(ports, input.report_id),
  }),
  tool({
    name: 'read_authentication_progress',
    wing: 'monitoring',
    title: 'Authentication progress',
    description:
      'Count sign-ins, sign-outs, refreshes, validations and failures of this clock hour and of the last 24, measured from the audit log or reported by an application.',
    need: needOf(listAuditEventsEndpoint),
    input: NONE,
    output: authenticationProgressView,
    resource: 'sallyport://progress/authentication',
    run: (ports) => readAuthenticationProgress(ports),
  }),
  tool({
    name: 'read_security_metrics',
    wing: 'monitoring',
    title: 'Security metrics',
    description:
      'Read the newest measured security metrics (tokens, open incidents, security score), and those that an application reported.',
    need: needOf(listIncidentsEndpoint),
    input: NONE,
    output: securityMetricsView,
    resource: 'sallyport://progress/security',
    run: (ports) => readSecurityMetrics(ports),
  }),
  tool({
    name: 'read_component_progress',
    wing: 'monitoring',
    title: 'Component progress',
    description: 'Read status, percentage, test coverage and security score of each component.',
    need: null,
    input: NONE,
    output: componentProgressView,
    resource: 'sallyport://progress/components',
    run: (ports) => readComponentProgress(ports),
  }),
  tool({
    name: 'list_signoffs',
    wing: 'signoff',
    title: 'Sign-offs',
    description:
      'List the sign-offs of risky acts, newest first: the act, the roles it waits for, the decisions, and its outcome.',
    ...like(listSignOffsEndpoint),
    input: listSignOffsEndpoint.query!,
    resource: 'sallyport://signoffs',
    run: listSignOffs,
  }),
  tool({
    name: 'read_token_statistics',
    title: 'Token statistics',
    description: 'Count live sessions, token families and revocations.',
    ...like(readTokenStatisticsEndpoint),
    input: NONE,
    resource: 'sallyport://tokens/statistics',
    run: (ports) => readTokenStatistics(ports),
  }),
];

/** Every tool that reads. */
export const tools: readonly Tool[] = [...installationTools, ...ownTools];
