import type { DashboardDefinition } from './define.ts';

const sealTraces = '{ resource.service.name = "sallyport-worker" && name = "seal-audit-events" }';
const workerLogs = '{service_name="sallyport-worker"}';

export const compliance: DashboardDefinition = {
  uid: 'sallyport-compliance',
  title: 'Sallyport · compliance',
  description:
    'Whether the audit trail is whole, sealed and witnessed, data leaves when its time is over, and access is controlled. Evidence for people; proofs come from `sallyport audit verify`.',
  rows: [
    {
      title: 'Audit trail',
      panels: [
        {
          title: 'Sealing',
          description:
            '0 while events are sealed. 1 when sealing has stopped because the database and the head kept outside it disagree.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          badFrom: 1,
          queries: [{ expr: 'max(sallyport_audit_sealing_stopped) or vector(0)', legend: 'stopped' }],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Oldest unsealed event',
          description: 'Age of the oldest event without its place in the log. Pages at one minute.',
          unit: 's',
          kind: 'stat',
          width: 6,
          warnFrom: 5,
          badFrom: 60,
          queries: [{ expr: 'max(sallyport_audit_outbox_oldest_age_seconds)', legend: 'age' }],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Leaves in the log',
          description: 'Size of the log in use. It only grows; a fall is a new origin after a loss.',
          unit: 'short',
          kind: 'stat',
          width: 6,
          queries: [{ expr: 'max(sallyport_audit_log_size)', legend: 'leaves' }],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Time without a covering checkpoint',
          description: 'Time that there have been leaves which no signed checkpoint covers. 0 when all are covered.',
          unit: 's',
          kind: 'stat',
          width: 6,
          warnFrom: 10,
          badFrom: 60,
          queries: [{ expr: 'max(sallyport_audit_checkpoint_age_seconds)', legend: 'age' }],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Events sealed',
          description: 'Events a second that were given their place in the log, over all workers.',
          unit: 'ops',
          queries: [{ expr: 'sum(rate(sallyport_audit_events_sealed_total[$__rate_interval]))', legend: 'events' }],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Time from event to seal',
          description: 'Time from an event to its place in the log. The promise is a p99 of 5 s.',
          unit: 's',
          badFrom: 5,
          queries: [0.5, 0.99].map((quantile) => ({
            expr: `histogram_quantile(${quantile}, sum by (le) (rate(sallyport_audit_lag_seconds_bucket[$__rate_interval])))`,
            legend: `p${quantile * 100}`,
          })),
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Unsealed events',
          description:
            'Events in the outbox without their place, counted up to 100,000. It grows while no worker seals, and nothing is lost.',
          unit: 'short',
          queries: [{ expr: 'max(sallyport_audit_outbox_backlog)', legend: 'events' }],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Log size and witnessed size',
          description:
            'Leaves in the log, and leaves under the newest checkpoint each kind of sink has taken. A gap that stays is history that could be rewritten unseen.',
          unit: 'short',
          queries: [
            { expr: 'max(sallyport_audit_log_size)', legend: 'log' },
            { expr: 'min by (sink) (sallyport_audit_sink_size)', legend: '{{sink}}' },
          ],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Checkpoints not delivered',
          description:
            'Tries that a sink did not take, by reason. Forked means that somebody else has another history of this log.',
          unit: 'short',
          queries: [
            {
              expr: 'sum by (sink, reason) (increase(sallyport_audit_sink_failures_total[10m]))',
              legend: '{{sink}} {{reason}}',
            },
          ],
          traces: sealTraces,
          logs: workerLogs,
        },
        {
          title: 'Checkpoints skipped',
          description:
            'Checkpoints that a sink was never told of because a newer one, which covers them, came first. In order.',
          unit: 'short',
          queries: [{ expr: 'sum by (sink) (increase(sallyport_audit_sink_skipped_total[10m]))', legend: '{{sink}}' }],
          traces: sealTraces,
          logs: workerLogs,
        },
      ],
    },
    {
      title: 'Retention',
      panels: [
        {
          title: 'Overdue rows',
          description:
            'How long the oldest row that should be gone has been overdue, by kind. Hours mean that the clean-up does not follow.',
          unit: 's',
          badFrom: 21_600,
          queries: [{ expr: 'max by (kind) (sallyport_cleanup_lag_seconds)', legend: '{{kind}}' }],
          logs: workerLogs,
        },
        {
          title: 'Rows removed',
          description: 'Rows a second removed because their time was over, by kind.',
          unit: 'ops',
          queries: [
            { expr: 'sum by (kind) (rate(sallyport_cleanup_removed_total[$__rate_interval]))', legend: '{{kind}}' },
          ],
          logs: workerLogs,
        },
        {
          title: 'Clean-up throttled',
          description:
            'Waits of the clean-up between batches because statements of the API took long. Many mean that it competes for the database.',
          unit: 'short',
          queries: [{ expr: 'sum by (kind) (increase(sallyport_cleanup_pauses_total[10m]))', legend: '{{kind}}' }],
          logs: workerLogs,
        },
        {
          title: 'Outbox rows outside a daily partition',
          description: 'Rows that no partition of a day takes. Should be 0: a partition cannot be made over them.',
          unit: 'short',
          badFrom: 1,
          queries: [{ expr: 'max(sallyport_audit_outbox_default_rows)', legend: 'rows' }],
          logs: workerLogs,
        },
      ],
    },
    {
      title: 'Access control',
      panels: [
        {
          title: 'Sign-ins with a second factor or passkey, 24 h',
          description: 'Share of successful sign-ins in which a passkey, one-time code or backup code was used.',
          unit: 'percentunit',
          width: 8,
          min: 0,
          max: 1,
          queries: [
            {
              expr: '(sum(increase(sallyport_logins_total{outcome="ok",factor=~"passkey|totp|recovery_code"}[24h])) or vector(0)) / sum(increase(sallyport_logins_total{outcome="ok"}[24h]))',
              legend: 'strong',
            },
          ],
          traces: '{ span.http.route =~ "/api/auth/sign.*" }',
        },
        {
          title: 'Sessions ended and access revoked',
          description: 'Sessions ended and revocations a day: that leaving people lose their access.',
          unit: 'short',
          queries: [
            { expr: 'sum by (outcome) (increase(sallyport_sessions_ended_total[24h]))', legend: 'session {{outcome}}' },
            {
              expr: 'sum by (kind) (increase(sallyport_token_revocations_total{outcome="ok"}[24h]))',
              legend: 'revoked {{kind}}',
            },
          ],
          traces: '{ span.http.route =~ ".*/revoke" }',
        },
        {
          title: 'Age of the signing key',
          description: 'Age of the key that signs access tokens, beside the age at which policy has it replaced.',
          unit: 's',
          queries: [
            { expr: 'max(sallyport_signing_key_age_seconds)', legend: 'age' },
            { expr: 'max(sallyport_signing_key_age_max_seconds)', legend: 'policy' },
          ],
        },
      ],
    },
  ],
};
