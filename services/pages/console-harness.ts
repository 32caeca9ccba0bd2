// For tests only: rows that the operators' pages of the console show, with text of a hostile sender where one may be.
import type { RawSql } from '../../tools/testing/harness/ports.ts';

const TARGET = '0190a5e2-0000-7000-8000-0000000000a1';

/** Alerts in every state, two targets with deliveries, a silence. @returns the id of a target, whose name is foreign */
export async function writeAlerts(rows: RawSql, foreign: string): Promise<string> {
  const name = foreign.slice(0, 64);
  await rows`INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated)
    VALUES (gen_random_uuid(), 'Night shift', 'mail', 'sealed', 'night@example.test', '{incident,control}',
      '{critical}', 'UTC', false)`;
  await rows`INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated,
      failures, open_until)
    VALUES (${TARGET}, ${name}, 'webhook', 'sealed', ${`https://hooks.example.test/${foreign.slice(0, 100)}`},
      '{incident,control,alertmanager}', '{medium,high,critical}', 'UTC', false,
      5, now() + interval '1 minute')`;
  await rows(
    `INSERT INTO alerts (id, source, cause, name, severity, summary, labels, state, count, acknowledged_at,
       acknowledged_by, resolved_at, raised_at)
     SELECT gen_random_uuid(), source, 'cause-' || severity, name, severity, summary,
       jsonb_build_object('source', source, 'name', name), state, count,
       CASE WHEN state = 'acknowledged' THEN now() END, CASE WHEN state = 'acknowledged' THEN $1 END,
       CASE WHEN state = 'resolved' THEN now() END, now() - age::interval
     FROM (VALUES
       ('alertmanager', $1, 'critical', $1, 'firing', 12, '3 minutes'),
       ('incident', 'token_replay', 'high', 'A refresh token was used twice', 'acknowledged', 1, '2 hours'),
       ('control', 'restore-drill', 'medium', 'The control restore-drill fails', 'resolved', 1, '1 day'))
       AS seen (source, name, severity, summary, state, count, age)`,
    [foreign.slice(0, 100)],
  );
  await rows`
    INSERT INTO alert_deliveries (id, target_id, kind, grouped, firing, resolved, attempts, next_attempt_at, failure,
      failed_at, sent_at)
    VALUES (gen_random_uuid(), ${TARGET}, 'test', '*', 0, 0, 1, NULL, NULL, NULL, now()),
      (gen_random_uuid(), ${TARGET}, 'alerts', 'control:restore-drill', 1, 0, 3, now() + interval '1 day', 'http_503',
        NULL, NULL),
      (gen_random_uuid(), ${TARGET}, 'alerts', ${`alertmanager:${foreign.slice(0, 100)}`}, 4, 2, 9, NULL, 'http_500',
        now(), NULL)`;
  await rows`INSERT INTO alert_silences (id, matchers, until, reason, created_by)
    VALUES (gen_random_uuid(), ${JSON.stringify({ source: 'alertmanager', name: foreign.slice(0, 100) })},
      now() + interval '3 hours', ${foreign.slice(0, 100)}, 'user:1')`;
  return TARGET;
}

const LETTER = '0190a5e2-0000-7000-8000-0000000000b1';

/** Schedules in every state, and a logout token that was given up. @returns its id */
export async function writeDeadLetter(rows: RawSql): Promise<string> {
  await rows`INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, last_started_at, last_finished_at,
      last_succeeded_at, last_outcome, created_at)
    VALUES
      ('seal-audit-events', 'audit-seal', 1, now() + interval '1 second', now(), now(), now(), 'completed', now()),
      ('rotate-signing-keys', 'keys', 3600, now() - interval '10 minutes', NULL, NULL, NULL, NULL, now()),
      ('clean-up-expired-tokens', 'token-cleanup', 3600, now() - interval '1 day', now() - interval '2 days',
        now() - interval '2 days', now() - interval '2 days', 'dead', now() - interval '9 days')
    ON CONFLICT DO NOTHING`;
  await rows`INSERT INTO logout_tokens (id, client_id, unvetted, user_id, session_id, attempts, failure, failed_at,
    next_attempt_at)
    VALUES (${LETTER}, 'c', false, 'u', 's', 33, 'http_503', now(), NULL)`;
  return LETTER;
}

const IMPORT = '0190a5e2-0000-7000-8000-0000000000c1';

/** An import that ended with a foreign record that it rejected, one that runs, and one that failed. @returns the first */
export async function writeImports(rows: RawSql, foreign: string): Promise<string> {
  await rows`
    INSERT INTO imports (id, kind, source_sha256, map_sha256, source_bytes, position_bytes, state, actor_kind, reason,
      new_count, changed_count, same_count, rejected_count, reject_reasons, hash_formats, failure, finished_at)
    SELECT id::uuid, kind, repeat(digit, 64), repeat(digit, 64), 1000, 420, state, 'user', ${foreign.slice(0, 100)},
      fresh, 3, 2, rejected,
      reasons::jsonb, formats::jsonb, failure, CASE WHEN state IN ('done', 'failed') THEN now() END
    FROM (VALUES
      (${IMPORT}, 'clerk', 'a', 'done', 12000, 1, '{"email_invalid":1}', '{"bcrypt":11000,"argon2id":1000}', NULL),
      ('0190a5e2-0000-7000-8000-0000000000c2', 'auth0', 'b', 'running', 400, 0, '{}', '{}', NULL),
      ('0190a5e2-0000-7000-8000-0000000000c3', 'keycloak', 'c', 'failed', 0, 0, '{}', '{}', 'source_malformed'))
      AS run (id, kind, digit, state, fresh, rejected, reasons, formats, failure)`;
  await rows`INSERT INTO import_rejects (import_id, record, line, reason, value)
    VALUES (${IMPORT}, 1, 7, 'email_invalid', ${foreign.slice(0, 100)})`;
  return IMPORT;
}

/** Streams in every state, a transmitter with signals that arrived, and a SIEM that is behind. */
export async function writeSignals(rows: RawSql, foreign: string, userId: string): Promise<void> {
  const text = foreign.slice(0, 100);
  const stream = '0190a5e2-0000-7000-8000-0000000000d1';
  const transmitter = '0190a5e2-0000-7000-8000-0000000000d2';
  await rows`
    INSERT INTO signal_streams (id, owner, audience, method, endpoint_url, events, description, status, status_reason)
    VALUES (${stream}, 'client:device-management', 'device-management', 'urn:ietf:rfc:8935',
      ${`https://receiver.example.test/${text}`},
        '{https://schemas.openid.net/secevent/caep/event-type/session-revoked}', ${text}, 'enabled', NULL),
      (gen_random_uuid(), ${`client:${text}`}, 'x', 'urn:ietf:rfc:8936', NULL, '{}', NULL, 'disabled', ${text}),
      (gen_random_uuid(), 'client:archive', 'x', 'urn:ietf:rfc:8936', NULL, '{}', NULL, 'paused', 'maintenance')`;
  await rows`INSERT INTO signal_exclusions (stream_id, user_id) VALUES (${stream}, ${userId})`;
  await rows`INSERT INTO signal_transmitters (id, issuer, jwks_uri, audience, provider, match_email)
    VALUES (${transmitter}, ${`https://idp.example.test/${text}`}, 'https://idp.example.test/jwks', 'x', 'okta', true)`;
  await rows`INSERT INTO signals_received (transmitter_id, jti, id, event, outcome)
    SELECT ${transmitter}, sha256(outcome::bytea), gen_random_uuid(), event, outcome
    FROM (VALUES ('session-revoked', 'applied'), ('credential-change', 'no_user'), (${foreign.slice(0, 64)},
      'ignored')) AS v (event, outcome)`;
  await rows`INSERT INTO siem_targets (name, reached_seq, failure, failed_at, accepted_at)
    VALUES ('elastic', 1, NULL, NULL, now()),
      ('splunk', 0, 'http_503', now() - interval '2 hours', now() - interval '2 hours')`;
}

/** What workers count and measure: sign-ins of a day, token families, and two queues. */
export async function writeFigures(rows: RawSql): Promise<void> {
  await rows`INSERT INTO event_hours (hour, type, outcome, events, active)
    SELECT date_trunc('hour', now()) - ago * interval '1 hour', 'user.login', outcome, 40 + (ago * 37) % 60 * share, 0
    FROM generate_series(0, 23) ago, (VALUES ('ok', 5), ('refused', 1)) AS v (outcome, share)`;
  await rows`
    UPDATE monitoring_state SET counted_at = clock_timestamp(), locked_accounts = 2, tokens_at = clock_timestamp(),
    tokens = '{"issued":128450,"active":9120,"refreshed":96300,"revoked":4210,"expired":115120,"replays":3}'`;
  await rows`INSERT INTO copy_samples (id, copy_id, kind, seconds, sample)
    VALUES (gen_random_uuid(), gen_random_uuid(), 'worker',
    15, '{"counters":{},"histograms":{},"gauges":{"queue.mail.waiting":12,"queue.logout.dead":1,"queue_age_seconds.mail":95}}')`;
}

/** An application with roles, API keys of a client in every state, one of them with a foreign name. */
export async function writeGrants(rows: RawSql, foreign: string, clientId: string): Promise<void> {
  await rows`INSERT INTO applications (name, audience) VALUES ('notes', 'https://notes.example.test')`;
  await rows`INSERT INTO permissions (name, description, application)
    VALUES ('notes:read', 'Read notes', 'notes'), ('notes:write', 'Write notes', 'notes')`;
  await rows`INSERT INTO roles (name, description, application)
    VALUES ('notes.reader', 'Reads notes', 'notes'), ('notes.editor', 'Writes notes', 'notes')`;
  await rows`
    INSERT INTO api_keys (id, name, owner_kind, client_id, owner_epoch, permissions, secret_hash, requests_per_minute,
      lifetime_seconds, expires_at, revoked_at)
    SELECT gen_random_uuid(), name, 'client', ${clientId}, 0, '{tokens:read,users:read}', sha256(name::bytea), 600,
      86400,
      now() + span::interval, CASE WHEN is_revoked THEN now() END
    FROM (VALUES ('nightly report', '90 days', false), (${foreign.slice(0, 64)}, '1 day', true), ('old import',
      '-2 days', false))
      AS v (name, span, is_revoked)`;
  await writeRefusals(rows, clientId);
}

/** Requests of a client or agent that were refused, and of a client that is not known. */
export async function writeRefusals(rows: RawSql, clientId: string): Promise<void> {
  await rows`
    INSERT INTO client_refusals (day, client_id, code, cause, refused, first_seen_at, last_seen_at, answer, request)
    SELECT now(), client_id, 'client_unauthenticated', cause, refused, now() - interval '1 hour', now(), ${'{"title":"Client authentication failed","fix":"Check the client_id, the secret and how the client sends both."}'}::jsonb, ${'{"endpoint":"POST /oauth2/token","auth_method":"none","parameters":["grant_type","scope"],"other_parameters":2,"grant_type":"password","scope":"openid (other)","redirect_uri":"https://app.example.test/old"}'}::jsonb
    FROM (VALUES (${clientId}, 'The client sent no credential; it is registered for none.', 1), (${clientId},
      'The client secret is wrong.', 40),
      ('', 'No client has the client_id that the request names.', 2)) AS v (client_id, cause, refused)
    ON CONFLICT DO NOTHING`;
}
