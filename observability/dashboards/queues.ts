import type { DashboardDefinition } from './define.ts';
import { folded, percentile, perSecond, within } from './queries.ts';

const JOB_TRACES = '{ resource.service.name = "sallyport-worker" && kind = consumer }';
const FAILED_JOBS = `${JOB_TRACES.slice(0, -2)} && status = error }`;
const JOB_LOGS = '{service_name="sallyport-worker"}';
const JOB_WARNINGS = `${JOB_LOGS} | json | level=~"warn|error"`;

export const queues: DashboardDefinition = {
  uid: 'sallyport-queues',
  title: 'Sallyport · queues',
  description: 'Whether jobs progress: what waits, what runs, what failed on every attempt, and what is scheduled.',
  rows: [
    {
      title: 'At a glance',
      logs: JOB_LOGS,
      panels: [
        {
          title: 'Healthy workers',
          description:
            'Workers whose /healthz is ok. One is enough. Without a healthy worker, audit events wait unsealed and keys are not rotated.',
          unit: 'none',
          kind: 'stat',
          queries: [folded('sum', 'sallyport_worker_healthy', '', 'workers')],
        },
        {
          title: 'Oldest waiting job',
          description: 'Age of the job that has waited longest in any queue. An alert pages at one minute.',
          unit: 's',
          kind: 'stat',
          warnFrom: 5,
          badFrom: 60,
          queries: [folded('max', 'sallyport_queue_oldest_job_age_seconds', '', 'age')],
          traces: JOB_TRACES,
        },
        {
          title: 'Dead letters',
          description: 'Jobs that failed on every attempt and need an operator: `sallyport queue list`, then `retry`.',
          kind: 'alarm',
          queries: [folded('sum', 'max by (queue) (sallyport_queue_jobs{state="dead"})', '', 'jobs')],
          traces: FAILED_JOBS,
          logs: `${JOB_LOGS} | json | level="error"`,
        },
        {
          title: 'Stale schedules',
          description: 'Jobs whose last scheduled success is older than their contract allows.',
          kind: 'alarm',
          queries: [folded('sum', 'max by (job) (sallyport_job_schedule_stale)', '', 'jobs')],
        },
      ],
    },
    {
      title: 'Queues',
      traces: JOB_TRACES,
      logs: JOB_LOGS,
      panels: [
        {
          title: 'Jobs by queue and state',
          description: 'Jobs in each queue. Every worker counts the same queues, so the largest count is shown.',
          queries: [folded('max', 'sallyport_queue_jobs', 'queue, state')],
        },
        {
          title: 'Oldest job by queue',
          description:
            'Age of the job that has waited longest. It rises while the previous job runs, and falls when that job ends.',
          unit: 's',
          badFrom: 60,
          queries: [folded('max', 'sallyport_queue_oldest_job_age_seconds', 'queue')],
        },
        {
          title: 'Start delay of jobs',
          description:
            'Time from when a job is due until it starts: percentiles by queue. The objective is a p99 of one second at normal load.',
          unit: 's',
          badFrom: 1,
          queries: [0.5, 0.95, 0.99].map((share) => percentile(share, 'sallyport_job_wait_seconds', 'queue')),
        },
        {
          title: 'Jobs enqueued',
          description:
            'Jobs enqueued per second. Unreachable: Redis did not take the job, which waits as a row in Postgres.',
          unit: 'ops',
          queries: [perSecond('sallyport_jobs_enqueued_total', 'queue, outcome')],
        },
        {
          title: 'Stalled jobs',
          description:
            'Jobs in ten minutes whose worker lost its lock on them. Late writes of such a worker are rejected. A rise means that workers hang.',
          queries: [within('10m', 'sallyport_jobs_stalled_total', 'queue')],
        },
        {
          title: 'Workers: event loop busy',
          description:
            "Share of time that a worker's event loop was busy. Jobs usually wait for the database, not for it.",
          unit: 'share',
          queries: [
            { expr: 'nodejs_eventloop_utilization_ratio{process=~"worker.*"}', legend: '{{instance}} {{process}}' },
          ],
        },
      ],
    },
    {
      title: 'Rate, errors, duration by job',
      logs: JOB_LOGS,
      panels: [
        {
          title: 'Runs by job and outcome',
          description:
            'Runs per second. Superseded: a newer run took over, which is normal. Dead: the run failed on its last attempt, and an operator must look at it.',
          unit: 'ops',
          queries: [perSecond('sallyport_jobs_total', 'job, outcome')],
          traces: JOB_TRACES,
        },
        {
          title: 'Unsuccessful runs, 1 h',
          description: 'Runs in the last hour that were retried, failed on their last attempt, or were stopped.',
          queries: [within('1h', 'sallyport_jobs_total{outcome!="completed"}', 'job, outcome')],
          traces: FAILED_JOBS,
          logs: JOB_WARNINGS,
        },
        {
          title: 'Duration by job',
          description: 'p50 and p99 of a run, whatever its outcome.',
          unit: 's',
          queries: [0.5, 0.99].map((share) => percentile(share, 'sallyport_job_duration_seconds', 'job')),
          traces: JOB_TRACES,
        },
        {
          title: 'Time since the last scheduled success',
          description:
            'Time since each job last succeeded on schedule. Compare with its interval in the reference of jobs.',
          unit: 's',
          width: 12,
          queries: [
            {
              expr: 'time() - max by (job) (sallyport_job_schedule_last_success_timestamp_seconds)',
              legend: '{{job}}',
            },
          ],
        },
        {
          title: 'Time until the next scheduled run',
          description: 'Time until each job is due. Below zero it is overdue.',
          unit: 's',
          width: 12,
          queries: [
            { expr: 'min by (job) (sallyport_job_schedule_next_run_timestamp_seconds) - time()', legend: '{{job}}' },
          ],
        },
      ],
    },
    {
      title: 'Mail',
      panels: [
        {
          title: 'Mails by outcome, 1 h',
          description:
            'Attempts to send a mail in the last hour. Retried: the mail server is unavailable. Given up: the mail was not delivered.',
          width: 24,
          queries: [within('1h', 'sallyport_mails_total', 'template, outcome')],
          traces: JOB_TRACES,
          logs: JOB_WARNINGS,
        },
      ],
    },
    {
      title: 'Back-channel logout',
      panels: [
        {
          title: 'Logout tokens by outcome, 1 h',
          description:
            'Attempts in the last hour to tell a client that a session ended. Retried: the client did not accept the token. Given up: it did not for a day.',
          width: 24,
          queries: [within('1h', 'sallyport_logout_tokens_total', 'origin, outcome')],
          traces: JOB_TRACES,
          logs: JOB_WARNINGS,
        },
      ],
    },
    {
      title: 'Hand-off',
      traces: JOB_TRACES,
      logs: JOB_WARNINGS,
      panels: [
        {
          title: 'Hand-offs by outcome, 1 h',
          description:
            'Attempts in the last hour to push a security event to an endpoint. Retried: the endpoint did not accept it. Given up: it waits for an operator.',
          width: 12,
          queries: [within('1h', 'sallyport_handoff_deliveries_total', 'outcome')],
        },
        {
          title: 'Endpoints down and up, 1 h',
          description:
            'Opened: an endpoint failed repeatedly and gets one event in a minute. Closed: it accepts events again and gets all that waited.',
          width: 12,
          queries: [within('1h', 'sallyport_handoff_circuits_total', 'event')],
        },
        {
          title: 'SIEM export: events behind',
          description: 'Sealed events that the slowest target does not have yet, and targets that fail.',
          width: 12,
          queries: [
            folded('max', 'sallyport_siem_behind_events', '', 'behind'),
            folded('max', 'sallyport_siem_failing_targets', '', 'failing targets'),
          ],
        },
        {
          title: 'SIEM export: batches and events, 1 h',
          description: 'Batches by outcome, and events that were sent or skipped because a target refused them.',
          width: 12,
          queries: [
            within('1h', 'sallyport_siem_batches_total', 'outcome', 'batches'),
            within('1h', 'sallyport_siem_events_total', 'outcome', 'events'),
          ],
        },
      ],
    },
    {
      title: 'Alerts',
      traces: JOB_TRACES,
      logs: JOB_WARNINGS,
      panels: [
        {
          title: 'Messages about alerts, 1 h',
          description:
            'Attempts to send a message to a target of alerts, by outcome. Given up: the target did not accept it six times, or was down for three days; `sallyport alert-targets deliveries` shows it.',
          width: 12,
          queries: [within('1h', 'sallyport_alert_deliveries_total', 'outcome')],
        },
        {
          title: 'Alerts told, and targets down and up, 1 h',
          description:
            'How many alerts targets were told of, before grouping. Opened: a target failed repeatedly and gets one message in a minute. Closed: it accepts messages again.',
          width: 12,
          queries: [
            within('1h', 'sallyport_alert_notices_total', '', 'alerts'),
            within('1h', 'sallyport_alert_circuits_total', 'event'),
          ],
        },
      ],
    },
  ],
};
