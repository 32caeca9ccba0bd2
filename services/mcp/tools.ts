import { z } from 'zod';
import { listAuditEventsEndpoint, proveAuditEventEndpoint, readAuditEventEndpoint } from '../core/audit/contract.ts';
import { listEvents } from '../core/audit/read/list-events.ts';
import { proveEvent } from '../core/audit/read/prove-event.ts';
import { readEvent } from '../core/audit/read/read-event.ts';
import { listKeysEndpoint } from '../core/keys/contract.ts';
import type { HasKeyRing } from '../core/keys/key-ring.ts';
import type { Ports } from '../core/ports.ts';
import { listIncidentsEndpoint, readIncidentEndpoint } from '../core/security/contract.ts';
import { listIncidents, readIncident } from '../core/security/manage-incidents.ts';
import { like, needOf, type Tool, tool } from '../core/shared/tool.ts';
import { readTokenStatisticsEndpoint } from '../core/tokens/contract.ts';
import { readTokenStatistics } from '../core/tokens/metadata/read-token-statistics.ts';
import type { HasTokenSettings } from '../core/tokens/token-settings.ts';
import { loadList } from '../modules.ts';
import type { WingSettings } from '../platform/config/wings.ts';
import { ownTools } from './own-tools.ts';

const NONE = z.strictObject({});
/** In the URI of a resource it is text. */
const seq = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).describe('Sequence number of the event');

export type ToolPorts = Pick<Ports, 'sql' | 'transact'> & HasKeyRing & HasTokenSettings;

/** Tools that read the state of the installation, for operators, auditors and agents. */
const installationTools: readonly Tool<ToolPorts>[] = [
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
      'List sealed security events, newest first. Filter by type, outcome, actor and target (`user:<id>`), client, trace and time; `next` is the cursor of the next page.',
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
    name: 'read_token_statistics',
    title: 'Token statistics',
    description: 'Count live sessions, token families and revocations.',
    ...like(readTokenStatisticsEndpoint),
    input: NONE,
    resource: 'sallyport://tokens/statistics',
    run: (ports) => readTokenStatistics(ports),
  }),
];

/** Every tool that reads, of an installation: those of the wings that it leaves out are absent. */
export const toolsOf = async (wings: WingSettings): Promise<readonly Tool<ToolPorts>[]> => [
  ...installationTools,
  ...ownTools,
  ...(await loadList('tools', wings)),
];
