import type { DashboardDefinition } from './define.ts';
import { folded, perSecond, within } from './queries.ts';

const SEAL_TRACES = '{ resource.service.name = "sallyport-worker" && name = "seal-audit-events" }';
const WORKER_LOGS = '{service_name="sallyport-worker"}';

export const compliance: DashboardDefinition = {
  uid: 'sallyport-compliance',
  title: 'Sallyport · compliance',
  description:
    'Whether the audit trail is complete, sealed and witnessed, data is removed when it expires, and access is controlled. This is an overview; `sallyport audit verify` gives the proof.',
  rows: [
    {
      title: 'Controls',
      logs: WORKER_LOGS,
      panels: [
        {
          title: 'Controls by status',
          description:
            'Controls that a check of the running system decides, by the status of their last check. `unknown`: nothing is known. `not_applicable`: there is nothing yet that the control is about.',
          width: 12,
          queries: [folded('max', 'sallyport_compliance_controls', 'status')],
        },
        {
          title: 'Age of the oldest check',
          description:
            'Time since the control that was checked longest ago was checked. Controls that read whole tables are checked hourly.',
          unit: 's',
          kind: 'stat',
          warnFrom: 4_500,
          badFrom: 10_800,
          queries: [folded('max', 'sallyport_compliance_check_age_seconds', '', 'age')],
        },
        {
          title: 'Checks by result',
          description: 'Checks of controls per second, by result, over all workers.',
          unit: 'ops',
          width: 6,
          queries: [perSecond('sallyport_compliance_checks_total', 'status')],
        },
        {
          title: 'Controls',
          description:
            '1 while the last check of a control passed, 0 while it failed. A control that does not apply, or is unknown, has no line.',
          width: 24,
          min: 0,
          max: 1,
          queries: [folded('min', 'sallyport_compliance_control_pass', 'control')],
        },
        {
          title: 'Restore rehearsals',
          description:
            'Rehearsals of a restore in the last 30 days by outcome: the installation is backed up, restored beside itself and checked, once a week.',
          width: 12,
          queries: [within('30d', 'sallyport_restore_drills_total', 'outcome')],
        },
        {
          title: 'Duration of a restore rehearsal',
          description: 'Time of the last rehearsal, from the backup to the checked database.',
          unit: 's',
          width: 12,
          queries: [folded('max', 'sallyport_restore_drill_duration_seconds', '', 'duration')],
        },
      ],
    },
    {
      title: 'Audit trail',
      traces: SEAL_TRACES,
      logs: WORKER_LOGS,
      panels: [
        {
          title: 'Sealing',
          description:
            '0 while events are sealed. 1 when sealing stopped because the audit log in the database contradicts the high-water mark kept outside it.',
          kind: 'alarm',
          queries: [{ expr: 'max(sallyport_audit_sealing_stopped) or vector(0)', legend: 'stopped' }],
        },
        {
          title: 'Oldest unsealed event',
          description: 'Age of the oldest unsealed event. An alert pages at one minute.',
          unit: 's',
          kind: 'stat',
          warnFrom: 5,
          badFrom: 60,
          queries: [folded('max', 'sallyport_audit_outbox_oldest_age_seconds', '', 'age')],
        },
        {
          title: 'Rows refused, 1 h',
          description:
            'Outbox rows about keys that the vault does not have. Each was sealed as `audit.row_refused`; an alert pages at one.',
          kind: 'alarm',
          queries: [{ expr: 'sum(increase(sallyport_audit_rows_refused_total[1h])) or vector(0)', legend: 'refused' }],
        },
        {
          title: 'Altered rows read, 1 h',
          description: 'Reads of sealed events whose row differs from what was sealed. An alert pages at one.',
          kind: 'alarm',
          queries: [{ expr: 'sum(increase(sallyport_audit_rows_altered_total[1h])) or vector(0)', legend: 'read' }],
        },
        {
          title: 'Leaves in the log',
          description:
            'Number of events in the audit log in use. It only grows. A drop means that a new log was begun after events were lost.',
          kind: 'stat',
          queries: [folded('max', 'sallyport_audit_log_size', '', 'leaves')],
        },
        {
          title: 'Time without a covering checkpoint',
          description:
            'How long the newest leaves (events) of the log have not been covered by a signed checkpoint. 0 when all are covered.',
          unit: 's',
          kind: 'stat',
          warnFrom: 10,
          badFrom: 60,
          queries: [folded('max', 'sallyport_audit_checkpoint_age_seconds', '', 'age')],
        },
        {
          title: 'Events sealed',
          description: 'Events sealed per second, over all workers.',
          unit: 'ops',
          queries: [perSecond('sallyport_audit_events_sealed_total', '', 'events')],
        },
        {
          title: 'Time from event to seal',
          description: 'Time from an event until it is sealed. The objective is a p99 of 5 s.',
          unit: 's',
          badFrom: 5,
          queries: [0.5, 0.99].map((quantile) => ({
            expr: `histogram_quantile(${quantile}, sum by (le) (rate(sallyport_audit_lag_seconds_bucket[$__rate_interval])))`,
            legend: `p${quantile * 100}`,
          })),
        },
        {
          title: 'Unsealed events',
          description:
            'Unsealed events in the outbox, counted up to 100,000. The number grows while no worker seals events; no event is lost.',
          queries: [folded('max', 'sallyport_audit_outbox_backlog', '', 'events')],
        },
        {
          title: 'Log size and witnessed size',
          description:
            'Leaves in the log, and leaves under the newest checkpoint that each kind of sink accepted. If a gap lasts, the events in it could be rewritten without the sink detecting it.',
          queries: [
            folded('max', 'sallyport_audit_log_size', '', 'log'),
            folded('min', 'sallyport_audit_sink_size', 'sink'),
          ],
        },
        {
          title: 'Checkpoints not delivered',
          description:
            'Checkpoint deliveries that failed, by reason. Forked means that the sink has another history of this log.',
          queries: [within('10m', 'sallyport_audit_sink_failures_total', 'sink, reason')],
        },
        {
          title: 'Checkpoints skipped',
          description:
            'Checkpoints never sent to a sink because a newer one, which covers them, was sent first. This is normal.',
          queries: [within('10m', 'sallyport_audit_sink_skipped_total', 'sink')],
        },
      ],
    },
    {
      title: 'Retention',
      logs: WORKER_LOGS,
      panels: [
        {
          title: 'Overdue rows',
          description:
            'How long the oldest expired row has been overdue for removal, by kind. If rows are overdue for hours, the clean-up is falling behind.',
          unit: 's',
          badFrom: 21_600,
          queries: [folded('max', 'sallyport_cleanup_lag_seconds', 'kind')],
        },
        {
          title: 'Rows removed',
          description: 'Expired rows removed per second, by kind.',
          unit: 'ops',
          queries: [perSecond('sallyport_cleanup_removed_total', 'kind')],
        },
        {
          title: 'Clean-up throttled',
          description:
            'Pauses of the clean-up between batches because statements of the API were slow. Many pauses mean that the clean-up and the API compete for the database.',
          queries: [within('10m', 'sallyport_cleanup_pauses_total', '', 'pauses')],
        },
        {
          title: 'Outbox rows outside a daily partition',
          description:
            'Outbox rows without a daily partition. The number should be 0: while such rows exist, the partition of their day cannot be created.',
          badFrom: 1,
          queries: [folded('max', 'sallyport_audit_outbox_default_rows', '', 'rows')],
        },
      ],
    },
    {
      title: 'Access control',
      panels: [
        {
          title: 'Sign-ins with a second factor or passkey, 24 h',
          description: 'Share of successful sign-ins in which a passkey, a one-time code or a recovery code was used.',
          unit: 'share',
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
          description: 'Sessions ended and revocations per day, as evidence that leavers lose their access.',
          queries: [
            within('24h', 'sallyport_sessions_ended_total', 'outcome', 'session'),
            within('24h', 'sallyport_token_revocations_total{outcome="ok"}', 'kind', 'revoked'),
          ],
          traces: '{ span.http.route =~ ".*/revoke" }',
        },
        {
          title: 'Uses of health data',
          description:
            'Values of health data encrypted and decrypted per second, by outcome. Refused: an envelope was changed, had another purpose, or its key was destroyed. The audit log shows the users.',
          unit: 'ops',
          queries: [perSecond('sallyport_phi_operations_total{operation=~"encrypt|decrypt"}', 'operation, outcome')],
          traces: '{ span.http.route =~ "/v1/privacy/phi/.*" }',
        },
        {
          title: 'Data keys re-wrapped and destroyed',
          description:
            'Data keys of health data that a rotation wrapped under its new key, and those that were destroyed on request, per hour.',
          queries: [within('1h', 'sallyport_phi_operations_total{operation=~"rewrap|shred"}', 'operation')],
          logs: WORKER_LOGS,
        },
        {
          title: 'Age of the signing key',
          description:
            'Age of the key that signs access tokens, and the age at which it is due to be replaced (KEY_ROTATION_DAYS).',
          unit: 's',
          queries: [
            folded('max', 'sallyport_signing_key_age_seconds', '', 'age'),
            folded('max', 'sallyport_signing_key_age_max_seconds', '', 'policy'),
          ],
        },
      ],
    },
  ],
};
