import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEventView } from '../core/audit/read/event-view.ts';
import type { Caller, Ports } from '../core/ports.ts';
import type { IncidentView } from '../core/security/contract.ts';
import { type DetectPorts, detectIncidents } from '../core/security/detect-incidents.ts';
import type { Severity } from '../core/security/incident-shapes.ts';
import { listIncidents } from '../core/security/manage-incidents.ts';
import type { Dashboard, SecurityPart } from '../wings/monitoring/dashboard-shapes.ts';
import { followAuthentication } from '../wings/monitoring/follow-authentication.ts';
import { readDashboard } from '../wings/monitoring/read-dashboard.ts';
import {
  readSecurityReport,
  readSecurityReportCsv,
  readSecurityReportFile,
  type SecurityReportView,
} from '../wings/monitoring/reports/read-security-report.ts';
import { requestSecurityReport } from '../wings/monitoring/reports/request-security-report.ts';
import { assertWing, type HasWings } from './assert-wing.ts';
import { serviceCaller } from './service-caller.ts';

export type MonitoringStream = AsyncIterable<AuditEventView> & {
  /** Ends the stream. */
  close(): void;
};

export type ThreatDetectionResult = {
  /** Events that this call evaluated; the worker evaluates them every two seconds as well. */
  readonly evaluated: number;
  /** Of those, how many times a detection saw something. */
  readonly sightings: number;
  /** Open incidents, most recently seen first, with the actions that were taken; at most a hundred. */
  readonly threats: readonly IncidentView[];
};

export type Alert = {
  /** Of the incident: the same for each further sighting until it is closed. */
  readonly id: string;
  /** The name of the detection. */
  readonly type: string;
  readonly severity: Severity;
  /** When it was first seen, RFC 3339. */
  readonly at: string;
  readonly detail: Readonly<Record<string, unknown>>;
};

export type Report = SecurityReportView & {
  /** JSON; its SHA-256 is `sha256`, which the audit log has too. */
  readonly file: string;
  /** CSV, one line for each day. */
  readonly days: string;
};

export type SecurityMonitoringServicePorts = DetectPorts & Pick<Ports, 'clock' | 'random'>;

const POLL_MS = 500;
const PAGE = 100;

/** The use-cases of security monitoring for TypeScript code in the same process. */
export class SecurityMonitoringService {
  readonly #ports: SecurityMonitoringServicePorts;

  constructor(ports: SecurityMonitoringServicePorts & HasWings) {
    assertWing(ports, 'monitoring');
    this.#ports = ports;
  }

  /**
   * Streams sealed events of authentication: sign-ins, sessions, token families, second factors and incidents, each once
   * and in their order. Pass `afterSeq` to go on where another stream ended. The iteration throws `store_unavailable`
   * (503) while PostgreSQL is away.
   * @example for await (const event of monitoring.monitorAuthenticationEvents()) …
   */
  monitorAuthenticationEvents({
    afterSeq,
    types,
  }: {
    readonly afterSeq?: number;
    readonly types?: readonly string[];
  } = {}): MonitoringStream {
    const ending = new AbortController();
    const events = followAuthentication(this.#ports, { afterSeq, types, signal: ending.signal });
    return { [Symbol.asyncIterator]: () => events, close: () => ending.abort() };
  }

  /** Runs every detection on what was sealed since its last run, takes the actions of its policy, and returns what is open. */
  async detectSecurityThreats(): Promise<ThreatDetectionResult> {
    const { signal } = new AbortController();
    const { read, sightings } = await detectIncidents(this.#ports, { signal }, this.#caller());
    return { evaluated: read, sightings, threats: await this.#openIncidents() };
  }

  /** Returns an alert for each open incident. An incident has one subject and one cause, so an alert is not repeated. */
  async generateSecurityAlerts(): Promise<Alert[]> {
    return (await this.#openIncidents()).map((incident) => ({
      id: incident.incident_id,
      type: incident.detection,
      severity: incident.severity,
      at: incident.first_seen_at,
      detail: {
        ...incident.detail,
        subject: incident.subject,
        count: incident.count,
        last_seen_at: incident.last_seen_at,
        actions: incident.actions,
      },
    }));
  }

  /** Returns the figures of the last 24 hours, as the dashboard has them. */
  async generateSecurityMetrics(): Promise<SecurityPart> {
    return (await readDashboard(this.#ports)).security;
  }

  /** Returns what `GET /v1/admin/dashboard` answers. */
  createSecurityDashboard(): Promise<Dashboard> {
    return readDashboard(this.#ports);
  }

  /**
   * Requests a report, by default of the last seven days, and returns it with its files once a worker has made it; an
   * empty list after `waitSeconds`. Throws `request_invalid` (400), `security_reports_busy` (409).
   */
  async exportSecurityReports({
    from,
    to,
    waitSeconds = 120,
  }: {
    readonly from?: Date;
    readonly to?: Date;
    readonly waitSeconds?: number;
  } = {}): Promise<Report[]> {
    const period = { from: from?.toISOString(), to: to?.toISOString() };
    const one = await requestSecurityReport(this.#ports, period, this.#caller());
    const until = this.#ports.clock.monotonic() + waitSeconds * 1_000;
    let view = await readSecurityReport(this.#ports, one);
    while (view.status === 'queued' && this.#ports.clock.monotonic() < until) {
      await sleep(POLL_MS);
      view = await readSecurityReport(this.#ports, one);
    }
    if (view.status !== 'done') return [];
    const [file, days] = await Promise.all([
      readSecurityReportFile(this.#ports, one),
      readSecurityReportCsv(this.#ports, one),
    ]);
    return [{ ...view, file, days }];
  }

  async #openIncidents(): Promise<readonly IncidentView[]> {
    return (await listIncidents(this.#ports, { state: 'open', limit: PAGE })).incidents;
  }

  #caller(): Caller {
    return serviceCaller('security-monitoring-service');
  }
}
