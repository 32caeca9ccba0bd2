import { test } from 'vitest';
import { TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { type AuditScenes, controlHarness } from './control-scenes-harness.ts';

const { harness, run, past } = controlHarness();
const incident = (state: string, ago: string): string =>
  `INSERT INTO incidents (id, detection, severity, subject_kind, subject_id, state, first_seen_at)
   VALUES (gen_random_uuid(), 'test', 'high', 'installation', 'test', '${state}', now() - interval '${ago}')`;

const scenes: AuditScenes = {
  'forbidden-sql-refused': {
    breakIt: () => run('GRANT DELETE ON audit_outbox TO sallyport_worker'),
    names: 'delete unsealed events',
    repair: () => run('REVOKE DELETE ON audit_outbox FROM sallyport_worker'),
  },
  'audit-append-only': {
    breakIt: () => run('ALTER TABLE audit_events DISABLE TRIGGER audit_events_only_grow'),
    names: 'no enabled trigger refuses DELETE',
    repair: () => run('ALTER TABLE audit_events ENABLE TRIGGER audit_events_only_grow'),
  },
  'audit-log-recomputed': {
    breakIt: () => past(`UPDATE audit_events SET outcome = 'other' WHERE seq = 1`),
    names: /event 1/,
    repair: () => past(`UPDATE audit_events SET outcome = 'ok' WHERE seq = 1`),
  },
  'audit-sealing-current': {
    breakIt: () =>
      run(
        `INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, occurred_at)
         VALUES ('test.late', 'ok', 'system', 'test', clock_timestamp() - interval '10 minutes')`,
      ),
    names: 'audit log',
    repair: () => harness.seal(),
  },
  'audit-checkpoints-published': {
    healthy: () =>
      run(
        `INSERT INTO audit_sinks (sink, origin, size, published_at) VALUES ('file', '${TEST_ORIGIN}', 3, now())
         ON CONFLICT (sink) DO UPDATE SET failing_since = NULL`,
      ),
    breakIt: () => run(`UPDATE audit_sinks SET failing_since = now() - interval '2 hours'`),
    names: /^file/,
  },
  'audit-head-signed': {
    breakIt: () => run(`UPDATE audit_checkpoints SET note = reverse(note)`),
    names: TEST_ORIGIN,
    repair: () => run(`UPDATE audit_checkpoints SET note = reverse(note)`),
  },
  'audit-log-not-rewound': {
    breakIt: () => run('UPDATE audit_log SET size = size - 1'),
    names: TEST_ORIGIN,
    repair: () => run('UPDATE audit_log SET size = size + 1'),
  },
  'events-have-actors': {
    breakIt: () => past('UPDATE audit_events SET actor_id = NULL WHERE seq = 1'),
    names: /^event 1 /,
    repair: () => past(`UPDATE audit_events SET actor_id = 'u1' WHERE seq = 1`),
  },
  'events-without-personal-data': {
    breakIt: () => past(`UPDATE audit_events SET detail = '{"note":"ada@people.test"}' WHERE seq = 1`),
    names: /^event 1 /,
    repair: () => past(`UPDATE audit_events SET detail = '{"n":2}' WHERE seq = 1`),
  },
  'log-lines-redacted': { breakIt: () => ({ installation: { redactLine: (line) => line } }), names: 'password field' },
  'records-kept-six-years': {
    breakIt: () => run('GRANT DELETE ON audit_tiles TO sallyport_app'),
    names: 'audit_tiles',
    repair: () => run('REVOKE DELETE ON audit_tiles FROM sallyport_app'),
  },
  'incidents-reviewed': {
    healthy: () => run(incident('closed', '10 days')),
    breakIt: () => run(incident('open', '4 days')),
    names: /^[0-9a-f-]{36}$/,
  },
  'events-reviewed': {
    healthy: () => run('UPDATE detection_progress SET seq = (SELECT max(seq) FROM audit_events)'),
    breakIt: () => run(`INSERT INTO unjudged_events (seq, failure) VALUES (1, 'test')`),
    names: 'events set aside',
    repair: () => run('DELETE FROM unjudged_events'),
  },
};

test.each(Object.entries(scenes))(
  '%s is green with a whole audit log and its defences, and red when one of them is broken',
  (name, scene) => harness.expectRed(name, scene),
);
