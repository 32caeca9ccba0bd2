import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import {
  type AUTHENTICATION_EVENTS,
  type COMPONENT_STATES,
  type COMPONENTS,
  recordIncidentJob,
  recordProgressJob,
} from '#jobs/contracts/operations.ts';
import { progressInvalid } from '#services/wings/monitoring/errors.ts';
import type { Ports } from '../core/ports.ts';
import type { Enqueue, Job } from '../platform/define/job.ts';
import { assertWing, type HasWings } from './assert-wing.ts';

export type AuthenticationEvent = { readonly type: (typeof AUTHENTICATION_EVENTS)[number]; readonly at?: Date };
/** Figures by name, such as `failed_logins`. */
export type SecurityMetrics = Readonly<Record<string, number | boolean | string>>;
export type SecurityIncident = {
  /** A code, such as `forged_token`. */
  readonly type: string;
  readonly severity: 'low' | 'medium' | 'high' | 'critical';
  readonly userId: string;
  readonly at?: Date;
  /** Codes and counts; no personal data. */
  readonly detail?: SecurityMetrics;
};
export type Phase7Component = (typeof COMPONENTS)[number];
export type ComponentProgress = {
  readonly status: (typeof COMPONENT_STATES)[number];
  /** Whole numbers from 0 to 100. */
  readonly percent: number;
  readonly coverage?: number;
  readonly securityScore?: number;
  /** When this was true: of two updates the later one stays, in whatever order they arrive. */
  readonly at?: Date;
};

/** Reports that wait for Redis; further ones are dropped and logged. */
const WAITING_MAX = 10_000;
const RETRY_MS = 1_000;

/**
 * Reports the progress of an application that embeds Sallyport. Every method returns at once and waits for no store, so
 * it never delays a sign-in; a worker stores the report, and the MCP server shows it. While Redis is unreachable,
 * reports wait in memory.
 */
export class Phase6IntegrationService {
  readonly #ports: Pick<Ports, 'random' | 'log'> & { readonly enqueue: Enqueue };
  #waiting: { readonly id: string; readonly send: () => Promise<unknown> }[] = [];
  #sending: Promise<void> | undefined;
  #isClosed = false;

  constructor(ports: Pick<Ports, 'random' | 'log'> & { readonly enqueue: Enqueue } & HasWings) {
    assertWing(ports, 'monitoring');
    this.#ports = ports;
  }

  /** Counts one authentication event. Events are counted for all users together; the user's id is stored nowhere. */
  trackAuthenticationProgress(_userId: string, { type, at }: AuthenticationEvent): void {
    this.#report(recordProgressJob, { kind: 'authentication', event: type, ...this.#stamp(at) });
  }

  /** Replaces the reported security metrics. Throws `progress_invalid` (400). */
  updateSecurityMetrics(metrics: SecurityMetrics, at?: Date): void {
    this.#report(recordProgressJob, { kind: 'metrics', metrics, ...this.#stamp(at) });
  }

  /** Raises a security incident about a user. Throws `progress_invalid` (400). */
  reportSecurityIncident({ type, severity, userId, at, detail = {} }: SecurityIncident): void {
    this.#report(recordIncidentJob, { type, severity, user_id: userId, detail, ...this.#stamp(at) });
  }

  /** Reports the state of a component. Throws `progress_invalid` (400), for example for 101 percent. */
  updateComponentProgress(component: Phase7Component, progress: ComponentProgress): void {
    const { status, percent, coverage, securityScore, at } = progress;
    const optional = {
      ...(coverage === undefined ? {} : { coverage }),
      ...(securityScore === undefined ? {} : { security_score: securityScore }),
    };
    this.#report(recordProgressJob, { kind: 'component', component, status, percent, ...optional, ...this.#stamp(at) });
  }

  /** Resolves once every report is in the queue. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  /** Sends nothing more. Call `flush` first. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
  }

  #stamp(at: Date = new Date()): { readonly id: string; readonly at: string } {
    if (Number.isNaN(at.getTime())) throw progressInvalid({ problems: [{ at: 'at', why: 'is no time' }] });
    return { id: this.#ports.random.uuid(), at: at.toISOString() };
  }

  #report<Payload extends z.ZodType>(
    job: Job<Payload>,
    report: { readonly id: string } & Record<string, unknown>,
  ): void {
    const parsed = job.payload.safeParse(report);
    if (!parsed.success)
      throw progressInvalid({
        problems: parsed.error.issues.slice(0, 5).map(({ path, message }) => ({ at: path.join('/'), why: message })),
      });
    if (this.#waiting.length >= WAITING_MAX) {
      this.#ports.log.warn({ job: job.name }, 'a report of progress was dropped: too many wait for Redis');
      return;
    }
    const send = () => this.#ports.enqueue(job, report as z.input<Payload>, { jobId: report.id });
    this.#waiting.push({ id: report.id, send });
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  async #sendAll(): Promise<void> {
    // The caller goes on first.
    await Promise.resolve();
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined) return;
      try {
        // A report that was sent twice counts once.
        await next.send();
        if (this.#waiting[0] === next) this.#waiting.shift();
      } catch {
        if (this.#isClosed) return;
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}
