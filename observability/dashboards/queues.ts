import type { DashboardDefinition } from './define.ts';

const JOB_TRACES = '{ resource.service.name = "sallyport-worker" && kind = consumer }';
const JOB_LOGS = '{service_name="sallyport-worker"}';

const quantile = (q: number, metric: string, by: string): string =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${metric}_bucket[$__rate_interval])))`;

export const queues: DashboardDefinition = {
  uid: 'sallyport-queues',
  title: 'Sallyport · queues',
  description: 'Whether jobs progress: what waits, what runs, what failed on every attempt, and what is scheduled.',
  rows: [
    {
      title: 'At a glance',
      panels: [
        {
          title: 'Healthy workers',
          description:
            'Workers whose /healthz is ok. One is enough. Without a healthy worker, audit events wait unsealed and keys are not rotated.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          queries: [{ expr: 'sum(sallyport_worker_healthy)', legend: 'workers' }],
          logs: JOB_LOGS,
        },
        {
          title: 'Oldest waiting job',
          description: 'Age of the job that has waited longest in any queue. An alert pages at one minute.',
          unit: 's',
          kind: 'stat',
          width: 6,
          warnFrom: 5,
          badFrom: 60,
          queries: [{ expr: 'max(sallyport_queue_oldest_job_age_seconds)', legend: 'age' }],
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
        {
          title: 'Dead letters',
          description: 'Jobs that failed on every attempt and need an operator: `sallyport queue list`, then `retry`.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          badFrom: 1,
          queries: [{ expr: 'sum(max by (queue) (sallyport_queue_jobs{state="dead"}))', legend: 'jobs' }],
          traces: `${JOB_TRACES.slice(0, -2)} && status = error }`,
          logs: `${JOB_LOGS} | json | level="error"`,
        },
        {
          title: 'Stale schedules',
          description: 'Jobs whose last scheduled success is older than their contract allows.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          badFrom: 1,
          queries: [{ expr: 'sum(max by (job) (sallyport_job_schedule_stale))', legend: 'jobs' }],
          logs: JOB_LOGS,
        },
      ],
    },
    {
      title: 'Queues',
      panels: [
        {
          title: 'Jobs by queue and state',
          description: 'Jobs in each queue. Every worker counts the same queues, so the largest count is shown.',
          unit: 'short',
          queries: [{ expr: 'max by (queue, state) (sallyport_queue_jobs)', legend: '{{queue}} {{state}}' }],
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
        {
          title: 'Oldest job by queue',
          description:
            'Age of the job that has waited longest. It rises while the previous job runs, and falls when that job ends.',
          unit: 's',
          badFrom: 60,
          queries: [{ expr: 'max by (queue) (sallyport_queue_oldest_job_age_seconds)', legend: '{{queue}}' }],
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
        {
          title: 'Start delay of jobs',
          description:
            'Time from when a job is due until it starts: percentiles by queue. The objective is a p99 of one second at normal load.',
          unit: 's',
          badFrom: 1,
          queries: [0.5, 0.95, 0.99].map((q) => ({
            expr: quantile(q, 'sallyport_job_wait_seconds', 'queue'),
            legend: `p${q * 100} {{queue}}`,
          })),
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
        {
          title: 'Jobs enqueued',
          description:
            'Jobs enqueued per second. Unreachable: Redis did not take the job, which waits as a row in Postgres.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (queue, outcome) (rate(sallyport_jobs_enqueued_total[$__rate_interval]))',
              legend: '{{queue}} {{outcome}}',
            },
          ],
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
        {
          title: 'Stalled jobs',
          description:
            'Jobs in ten minutes whose worker lost its lock on them. Late writes of such a worker are rejected. A rise means that workers hang.',
          unit: 'short',
          queries: [{ expr: 'sum by (queue) (increase(sallyport_jobs_stalled_total[10m]))', legend: '{{queue}}' }],
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
        {
          title: 'Workers: event loop busy',
          description:
            "Share of time that a worker's event loop was busy. Jobs usually wait for the database, not for it.",
          unit: 'percentunit',
          min: 0,
          max: 1,
          queries: [
            { expr: 'nodejs_eventloop_utilization_ratio{process=~"worker.*"}', legend: '{{instance}} {{process}}' },
          ],
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
      ],
    },
    {
      title: 'Rate, errors, duration by job',
      panels: [
        {
          title: 'Runs by job and outcome',
          description:
            'Runs per second. Superseded: a newer run took over, which is normal. Dead: the run failed on its last attempt, and an operator must look at it.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (job, outcome) (rate(sallyport_jobs_total[$__rate_interval]))',
              legend: '{{job}} {{outcome}}',
            },
          ],
          traces: JOB_TRACES,
          logs: JOB_LOGS,
        },
        {
          title: 'Unsuccessful runs, 1 h',
          description: 'Runs in the last hour that were retried, failed on their last attempt, or were stopped.',
          unit: 'short',
          queries: [
            {
              expr: 'sum by (job, outcome) (increase(sallyport_jobs_total{outcome!="completed"}[1h]))',
              legend: '{{job}} {{outcome}}',
            },
          ],
          traces: `${JOB_TRACES.slice(0, -2)} && status = error }`,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
        {
          title: 'Duration by job',
          description: 'p50 and p99 of a run, whatever its outcome.',
          unit: 's',
          queries: [0.5, 0.99].map((q) => ({
            expr: quantile(q, 'sallyport_job_duration_seconds', 'job'),
            legend: `p${q * 100} {{job}}`,
          })),
          traces: JOB_TRACES,
          logs: JOB_LOGS,
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
          logs: JOB_LOGS,
        },
        {
          title: 'Time until the next scheduled run',
          description: 'Time until each job is due. Below zero it is overdue.',
          unit: 's',
          width: 12,
          queries: [
            {
              expr: 'min by (job) (sallyport_job_schedule_next_run_timestamp_seconds) - time()',
              legend: '{{job}}',
            },
          ],
          logs: JOB_LOGS,
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
          unit: 'short',
          width: 24,
          queries: [
            {
              expr: 'sum by (template, outcome) (increase(sallyport_mails_total[1h]))',
              legend: '{{template}} {{outcome}}',
            },
          ],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
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
          unit: 'short',
          width: 24,
          queries: [
            {
              expr: 'sum by (origin, outcome) (increase(sallyport_logout_tokens_total[1h]))',
              legend: '{{origin}} {{outcome}}',
            },
          ],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
      ],
    },
    {
      title: 'Hand-off',
      panels: [
        {
          title: 'Hand-offs by outcome, 1 h',
          description:
            'Attempts in the last hour to push a security event to an endpoint. Retried: the endpoint did not accept it. Given up: it waits for an operator.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'sum by (outcome) (increase(sallyport_handoff_deliveries_total[1h]))', legend: '{{outcome}}' },
          ],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
        {
          title: 'Endpoints down and up, 1 h',
          description:
            'Opened: an endpoint failed repeatedly and gets one event in a minute. Closed: it accepts events again and gets all that waited.',
          unit: 'short',
          width: 12,
          queries: [{ expr: 'sum by (event) (increase(sallyport_handoff_circuits_total[1h]))', legend: '{{event}}' }],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
        {
          title: 'SIEM export: events behind',
          description: 'Sealed events that the slowest target does not have yet, and targets that fail.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'max(sallyport_siem_behind_events)', legend: 'behind' },
            { expr: 'max(sallyport_siem_failing_targets)', legend: 'failing targets' },
          ],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
        {
          title: 'SIEM export: batches and events, 1 h',
          description: 'Batches by outcome, and events that were sent or skipped because a target refused them.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'sum by (outcome) (increase(sallyport_siem_batches_total[1h]))', legend: 'batches {{outcome}}' },
            { expr: 'sum by (outcome) (increase(sallyport_siem_events_total[1h]))', legend: 'events {{outcome}}' },
          ],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
      ],
    },
    {
      title: 'Alerts',
      panels: [
        {
          title: 'Messages about alerts, 1 h',
          description:
            'Attempts to send a message to a target of alerts, by outcome. Given up: the target did not accept it six times, or was down for three days; `sallyport alert-targets deliveries` shows it.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'sum by (outcome) (increase(sallyport_alert_deliveries_total[1h]))', legend: '{{outcome}}' },
          ],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
        {
          title: 'Alerts told, and targets down and up, 1 h',
          description:
            'How many alerts targets were told of, before grouping. Opened: a target failed repeatedly and gets one message in a minute. Closed: it accepts messages again.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'sum(increase(sallyport_alert_notices_total[1h]))', legend: 'alerts' },
            { expr: 'sum by (event) (increase(sallyport_alert_circuits_total[1h]))', legend: '{{event}}' },
          ],
          traces: JOB_TRACES,
          logs: `${JOB_LOGS} | json | level=~"warn|error"`,
        },
      ],
    },
  ],
};
