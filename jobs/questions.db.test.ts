import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectedClient } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { processorsOf, type WorkerPorts } from './processors.ts';

const database = opened(createTestDatabase);
const client = opened(() => connectedClient(database.url));

const named = (name: string) => [{ name }];
const ports = {
  config: { keys: { phiRotationDays: 90 } },
  handoff: { endpoints: named('crm') },
  siem: { targets: named('splunk') },
} as unknown as WorkerPorts;
const asked = (await processorsOf({ leftOut: [] })).flatMap(({ job, question }) =>
  question ? [{ job: job.name, ...question(ports) }] : [],
);

const SHA = 'a'.repeat(64);
const UUID = '0190b1d4-0000-7000-8000-000000000001';
const event = (seq: number, sealedAt = 'clock_timestamp()') =>
  `INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, detail, occurred_at, sealed_at, leaf)
   VALUES (${seq}, gen_random_uuid(), 'user.login', 'ok', 'system', '{}', now(), ${sealedAt}, '')`;

/** Everything was done up to the newest event of the log. Foreign keys and triggers are not what these tests are about. */
const IDLE = `SET LOCAL session_replication_role = replica; DELETE FROM audit_outbox; ${event(7, `clock_timestamp() - interval '10 seconds'`)};
  INSERT INTO audit_log (origin, first_seq, size, root) VALUES ('log', 0, 8, sha256(''));
  INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ('log', 8, sha256(''), '-');
  UPDATE detection_progress SET seq = 7; INSERT INTO alert_progress (seq) VALUES (7);
  UPDATE monitoring_state SET after_seq = 7, locked_accounts = 0, tokens = '{"active": 0}', counted_at = clock_timestamp(), tokens_at = clock_timestamp();
  UPDATE progress_state SET measured = '{"tokens": {"active": 0}}', measured_at = clock_timestamp();
  INSERT INTO compliance_controls (control, status, population, sampled, exceptions, exception_count, observed, observed_sha256, probe_version, release, collector, started_at, ended_at)
    VALUES ('c', 'pass', 1, 1, '[]', 0, '', '${SHA}', 1, '', '', now(), clock_timestamp());
  INSERT INTO handoff_endpoints (name, reached_seq) VALUES ('crm', 7), ('gone', 3);
  INSERT INTO siem_targets (name, reached_seq) VALUES ('splunk', 7), ('gone', 3);
  INSERT INTO compliance_reports (id, kind, period, requested_by, status, ended_at)
    SELECT gen_random_uuid(), kind, to_char(clock_timestamp() AT TIME ZONE 'UTC', form), 'system:test', 'failed', now()
    FROM (VALUES ('daily', 'YYYY-MM-DD'), ('monthly', 'YYYY-MM')) due(kind, form);
  INSERT INTO retention_runs (id, dry_run, state, finished_at, counts) VALUES (gen_random_uuid(), false, 'done', now(), '{}');
  INSERT INTO event_hours (hour, type, outcome, events, active) VALUES (now() - interval '20 days', 'user.login', 'ok', 1, 0);
  INSERT INTO security_reports (id, kind, period_from, period_to, requested_by, status, ended_at)
    SELECT gen_random_uuid(), 'weekly', week - interval '7 days', week, 'system:test', 'failed', now()
    FROM (SELECT date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') last(week)`;

const answers = async (): Promise<string[]> => {
  await client.query('SET LOCAL ROLE sallyport_worker');
  const yes: string[] = [];
  for (const { job, sql, values } of asked) {
    const { rows } = await client.query(`SELECT (${sql}) AS yes`, [...values]);
    if (rows[0].yes) yes.push(job);
  }
  return yes.sort();
};
beforeEach(async () => {
  await client.query(`BEGIN; ${IDLE}`);
});
afterEach(() => client.query('ROLLBACK'));

test('an idle installation has no work, also after endpoints and targets were taken out of the settings', async () =>
  expect(await answers()).toEqual([]));

const ALERT = `INSERT INTO alerts (id, source, cause, name, severity, summary, labels, state, is_closing)
  VALUES ('${UUID}', 'incident', 'i', 'n', 'high', '', '{}',`;
const TARGET = `INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated)
  VALUES ('${UUID}', 't', 'mail', '', '', '{}', '{}', 'UTC', false)`;
const PAST = `now() - interval '1 second'`;
const FUTURE = `now() + interval '1 hour'`;
const mail = (at: string) =>
  `INSERT INTO mail_outbox (id, template, sealed, next_attempt_at) VALUES ('${UUID}', 't', '', ${at})`;
const network = (
  names: number,
) => `INSERT INTO login_failures (key, recent, successes, tried, window_began_at, last_failed_at)
  VALUES ('network:1', 100, 0, (SELECT array_agg(n::text) FROM generate_series(1, ${names}) n), now(), now())`;
const followers = `check-controls count-event-hours detect-incidents export-events measure-progress push-handoffs
  send-alerts`.split(/\s+/);

test.each<readonly [string, string, readonly string[]]>([
  [
    'an unsealed event',
    `INSERT INTO audit_outbox (type, outcome, actor_kind) VALUES ('user.login', 'ok', 'system')`,
    ['seal-audit-events'],
  ],
  ['a head that is not signed', `UPDATE audit_log SET size = 9`, ['seal-audit-events']],
  ['a log that stopped', `UPDATE audit_log SET stopped_reason = 'rewound', stopped_at = now()`, ['seal-audit-events']],
  ['no open log', `UPDATE audit_log SET closed_at = now()`, ['seal-audit-events']],
  ['a newly sealed event', event(8), followers],
  [
    'an event whose evaluation is tried again',
    `INSERT INTO unjudged_events (seq, failure, next_try_at) VALUES (7, 'x', ${PAST})`,
    ['detect-incidents'],
  ],
  ['a network that tried 50 names', network(50), ['detect-incidents']],
  ['a firing alert and a target', `${ALERT} 'firing', false); ${TARGET}`, ['send-alerts']],
  ['a resolved alert that targets do not know of', `${ALERT} 'resolved', true)`, ['send-alerts']],
  [
    'a notice that waits',
    `INSERT INTO alert_notices (target_id, alert_id, kind, grouped) VALUES ('${UUID}', '${UUID}', 'firing', 'g')`,
    ['send-alerts'],
  ],
  [
    'a message of alerts that is due',
    `INSERT INTO alert_deliveries (id, target_id, kind, grouped, next_attempt_at) VALUES ('${UUID}', '${UUID}', 'test', 'test', ${PAST})`,
    ['send-alerts'],
  ],
  [
    'a hand-off that is due',
    `INSERT INTO handoff_deliveries (id, endpoint, seq, subject, next_attempt_at) VALUES ('${UUID}', 'crm', 7, '${SHA}', ${PAST})`,
    ['push-handoffs'],
  ],
  [
    'a parked subject',
    `INSERT INTO handoff_parked (endpoint, subject, after_seq) VALUES ('crm', '${SHA}', 3)`,
    ['push-handoffs'],
  ],
  ['an export that is replayed', `UPDATE siem_targets SET reached_seq = 5`, ['export-events']],
  [
    'a pushed stream',
    `INSERT INTO signal_streams (id, owner, audience, method, events, endpoint_url, status) VALUES ('${UUID}', 'client:c', 'a', 'urn:ietf:rfc:8935', '{}', 'https://a.example/', 'enabled')`,
    ['push-signals'],
  ],
  ['a mail', mail(PAST), ['deliver-mail']],
  [
    'a logout token',
    `INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id, next_attempt_at) VALUES ('c', true, 'u', 's', ${PAST})`,
    ['send-logout-tokens'],
  ],
  [
    'a ping of a client',
    `INSERT INTO backchannel_requests (id, auth_req_id_hash, client_id, scope, audience, authorization_details, interval_seconds, expires_at, sealed, next_attempt_at) VALUES ('${UUID}', sha256(''), 'c', '', 'a', '[]', 5, now(), 'x', ${PAST})`,
    ['send-pings'],
  ],
  [
    'a task that is due',
    `INSERT INTO mcp_tasks (id, kind, caller_kind, caller_id, client_id, arguments, state, subject_id, message, next_look_at) VALUES (repeat('t', 24), 'k', 'user', 'u', 'c', '{}', 'working', '${UUID}', '', ${PAST})`,
    ['advance-tasks'],
  ],
  [
    'an event of the old provider',
    `INSERT INTO legacy_events (id, kind, subject, occurred_at, next_attempt_at) VALUES (sha256(''), 'user_deleted', 's', now(), ${PAST})`,
    ['apply-legacy-events'],
  ],
  [
    'an open import',
    `INSERT INTO imports (id, kind, source_sha256, map_sha256, source_bytes, state, actor_kind, reason) VALUES ('${UUID}', 'csv', '${SHA}', '${SHA}', 1, 'waiting', 'system', 'r')`,
    ['run-imports'],
  ],
  ['no report of this day', `DELETE FROM compliance_reports WHERE kind = 'daily'`, ['advance-compliance-reports']],
  [
    'a report that was asked for',
    `INSERT INTO compliance_reports (id, kind, requested_by) VALUES ('${UUID}', 'demand', 'user:u')`,
    ['advance-compliance-reports'],
  ],
  [
    'other counts of tokens than those of the last measurement',
    `UPDATE monitoring_state SET tokens = '{"issued": 1}'`,
    ['measure-progress'],
  ],
  ...[
    ['a locked account', 'locked_accounts = 1'],
    ['a token family that can expire', `tokens = '{"active": 1}'`],
    ['token families that were not counted with the last events', `tokens_at = now() - interval '1 minute'`],
  ].map(
    ([what, change]) =>
      [
        `figures of more than 40 seconds ago, and ${what}`,
        `UPDATE monitoring_state SET ${change}, counted_at = now() - interval '41 seconds'; UPDATE progress_state SET measured = jsonb_build_object('tokens', (SELECT coalesce(tokens, 'null') FROM monitoring_state))`,
        ['count-event-hours'],
      ] as const,
  ),
  [
    'a report whose period is not counted yet',
    `UPDATE monitoring_state SET counted_at = now() - interval '41 seconds'; INSERT INTO security_reports (id, kind, period_from, period_to, requested_by) VALUES ('${UUID}', 'demand', '2026-01-01', now(), 'user:u')`,
    ['count-event-hours', 'make-security-reports'],
  ],
  ['no removal of old health records within a day', 'DELETE FROM retention_runs', ['apply-retention']],
  [
    'a run of the retention policies that was asked for',
    `INSERT INTO retention_runs (id, dry_run) VALUES ('${UUID}', true)`,
    ['apply-retention'],
  ],
  ['no report of last week', 'DELETE FROM security_reports', ['make-security-reports']],
  [
    'a security report that was asked for',
    `INSERT INTO security_reports (id, kind, period_from, period_to, requested_by) VALUES ('${UUID}', 'demand', '2026-01-01', '2026-01-02', 'user:u')`,
    ['make-security-reports'],
  ],
  [
    'a request for health data',
    `INSERT INTO phi_requests (id, kind, subject_id) VALUES ('${UUID}', 'export', 's')`,
    ['process-privacy-requests'],
  ],
  [
    'a key of health data that is due',
    `UPDATE phi_keys SET created_at = now() - interval '91 days'; INSERT INTO phi_keys (version, sealed, created_at) VALUES (99, 'x', now() - interval '91 days')`,
    ['rotate-encryption-keys'],
  ],
  [
    'a rotation that runs',
    `INSERT INTO phi_rotations (id, target_version) VALUES ('${UUID}', 1)`,
    ['rotate-encryption-keys'],
  ],
  ['a mail that waits for its next attempt', mail(FUTURE), []],
  ['a network that tried 49 names', network(49), []],
  ['figures of an hour ago', `UPDATE monitoring_state SET counted_at = now() - interval '1 hour'`, []],
  ['a firing alert without a target', `${ALERT} 'firing', false)`, []],
  ['a target that is paused', `UPDATE siem_targets SET reached_seq = 5, retry_at = ${FUTURE}`, []],
])('%s', async (_what, work, jobs) => {
  await client.query(work);
  expect(await answers()).toEqual(jobs);
});

test('no question reads a whole table of events, mails, tokens or deliveries', async () => {
  await client.query('SET LOCAL enable_seqscan = off');
  const scanned: string[] = [];
  for (const { sql, values } of asked) {
    const { rows } = await client.query(`EXPLAIN (FORMAT JSON) SELECT (${sql}) AS yes`, [...values]);
    const plan = JSON.stringify(rows[0]['QUERY PLAN']);
    for (const [, table = ''] of plan.matchAll(/"Node Type":"Seq Scan"[^{}]*?"Relation Name":"(\w+)"/g))
      scanned.push(table);
  }
  // One row each, or a few dozen.
  expect([...new Set(scanned)].sort()).toEqual(
    `alert_progress compliance_controls detection_progress monitoring_state progress_state
    signal_streams`.split(/\s+/),
  );
});
