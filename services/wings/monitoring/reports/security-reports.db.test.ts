import { createHash, randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { credentialStuffing } from '#services/core/security/detections.ts';
import { raiseIncident } from '#services/core/security/raise-incident.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { countEventHours } from '../count-event-hours.ts';
import { createSealedEvents } from '../monitoring-harness.ts';
import { makeSecurityReports } from './make-security-reports.ts';
import {
  listSecurityReports,
  readSecurityReport,
  readSecurityReportCsv,
  readSecurityReportFile,
} from './read-security-report.ts';
import { requestSecurityReport } from './request-security-report.ts';

const ports = opened(() => openTestPorts());
let sealed: ReturnType<typeof createSealedEvents>;
beforeAll(async () => {
  sealed = createSealedEvents(ports);
  await sealed('user.login', 'ok');
  await countEventHours(ports, { signal });
});

const { signal } = new AbortController();
const system = { ...testCaller, kind: 'system', name: 'worker' } as const;
const make = () => makeSecurityReports(ports, { signal }, system);
const hoursAgo = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString();
const events = (type: string) => ports.raw`SELECT outcome, detail FROM audit_outbox WHERE type = ${type} ORDER BY id`;

test('a report waits for the count of its period, then has exactly its events, in bytes that the log can verify', async () => {
  const { report_id: id } = await requestSecurityReport(ports, { from: hoursAgo(48) }, testCaller);
  const one = { report_id: id };
  await ports.raw`UPDATE monitoring_state SET counted_at = now() - interval '2 hours'`;
  expect(await make()).toBe(0);
  expect(await readSecurityReport(ports, one)).toMatchObject({ status: 'queued', sha256: null, kind: 'demand' });
  expect(await outcomeOf(readSecurityReportFile(ports, one))).toBe('security_report_not_ready');

  await sealed('user.login', 'ok', 3, '5 hours');
  await sealed('user.login', 'refused', 1, '5 hours');
  await sealed('token.revoked', 'ok', 2, '26 hours');
  // Before the period, and in the hour that is not over.
  await sealed('user.login', 'ok', 7, '80 hours');
  await sealed('user.login', 'refused', 4);
  const sighting = { target: { kind: 'network', id: 'network:x' } } as const;
  for (const _ of [1, 2]) await raiseIncident(ports.sql, ports, testCaller, credentialStuffing, sighting);
  await ports.raw`UPDATE incidents SET first_seen_at = first_seen_at - interval '3 hours'`;
  await countEventHours(ports, { signal });
  await Promise.all([make(), make()]);

  const file = await readSecurityReportFile(ports, one);
  const view = await readSecurityReport(ports, one);
  expect(view).toMatchObject({ status: 'done', sha256: createHash('sha256').update(file).digest('hex') });
  const report = JSON.parse(file);
  expect(report).toMatchObject({
    report_id: id,
    from: view.from,
    to: view.to,
    sign_ins: { succeeded: 3, failed: 1, success_percent: 75 },
    events: [
      { type: 'token.revoked', outcome: 'ok', events: 2 },
      { type: 'user.login', outcome: 'ok', events: 3 },
      { type: 'user.login', outcome: 'refused', events: 1 },
    ],
    incidents: [{ detection: 'credential_stuffing', severity: 'high', raised: 1, sightings: 2, open: 1 }],
  });
  const sum = (name: string): number => report.days.reduce((total: number, day: never) => total + day[name], 0);
  expect([sum('sign_ins_succeeded'), sum('sign_ins_failed'), sum('revocations')]).toEqual([3, 1, 2]);
  const csv = (await readSecurityReportCsv(ports, one)).trimEnd().split('\r\n');
  expect(csv[0]).toBe(
    'day,sign_ins_succeeded,sign_ins_failed,sign_ups,sessions_ended,revocations,incidents_raised,denials',
  );
  expect(csv).toHaveLength(report.days.length + 1);
  const made = (await events('monitoring.report_made')).filter(
    ({ detail }) => (detail as { kind: string }).kind === 'demand',
  );
  expect(made).toMatchObject([{ outcome: 'ok', detail: { sha256: view.sha256 } }]);
});

test('a report is made of every whole week that was counted, once', async () => {
  const weekly = async () =>
    (await listSecurityReports(ports, { limit: 100 })).reports.filter(({ kind }) => kind === 'weekly');
  // An installation of this week has no week to report on.
  await ports.raw`DELETE FROM event_hours`;
  await ports.raw`DELETE FROM security_reports`;
  await make();
  expect(await weekly()).toEqual([]);
  await ports.raw`INSERT INTO event_hours (hour, type, outcome, events, active)
    VALUES (date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '3 days', 'user.login', 'ok', 5,
      0)`;
  await Promise.all([make(), make()]);
  await make();
  const [report, ...others] = await weekly();
  expect(others).toEqual([]);
  expect(report).toMatchObject({ status: 'done', requested_by: 'system:worker' });
  expect(new Date(report?.from ?? '').getUTCDay()).toBe(1);
  expect(Date.parse(report?.to ?? '') - Date.parse(report?.from ?? '')).toBe(7 * 86_400_000);
  const { sign_ins: signIns } = JSON.parse(
    await readSecurityReportFile(ports, { report_id: String(report?.report_id) }),
  );
  expect(signIns).toEqual({ succeeded: 5, failed: 0, success_percent: 100 });
});

test('a report that no worker counts within a day fails, and says so in the audit log', async () => {
  const { report_id: id } = await requestSecurityReport(ports, {}, testCaller);
  await ports.raw`UPDATE monitoring_state SET counted_at = now() - interval '2 days'`;
  expect(await make()).toBe(0);
  await ports.raw`UPDATE security_reports SET requested_at = now() - interval '25 hours' WHERE id = ${id}`;
  expect(await make()).toBe(0);
  expect(await readSecurityReport(ports, { report_id: id })).toMatchObject({ status: 'failed', sha256: null });
  expect(await outcomeOf(readSecurityReportFile(ports, { report_id: id }))).toBe('security_report_not_ready');
  expect((await events('monitoring.report_made')).at(-1)).toMatchObject({ outcome: 'failed' });
  const stopped = new AbortController();
  stopped.abort();
  await ports.raw`UPDATE monitoring_state SET counted_at = now()`;
  const { report_id: next } = await requestSecurityReport(ports, { to: hoursAgo(2) }, testCaller);
  expect(await makeSecurityReports(ports, { signal: stopped.signal }, system)).toBe(0);
  expect(await make()).toBe(1);
  expect((await readSecurityReport(ports, { report_id: next })).status).toBe('done');
});

test('periods are whole hours, at most as long as hours are kept, and never in the future', async () => {
  const requested = async (input: { from?: string; to?: string }) => {
    const { report_id: id } = await requestSecurityReport(ports, input, testCaller);
    return readSecurityReport(ports, { report_id: id });
  };
  const { from, to } = await requested({ from: hoursAgo(1), to: hoursAgo(-50) });
  expect(Date.parse(to)).toBeLessThanOrEqual(Date.now());
  expect([Date.parse(from) % 3_600_000, Date.parse(to) % 3_600_000]).toEqual([0, 0]);
  expect(await outcomeOf(requested({ from: hoursAgo(401 * 24) }))).toBe('request_invalid');
  expect(await outcomeOf(requested({ from: hoursAgo(2), to: hoursAgo(3) }))).toBe('request_invalid');
  expect(await outcomeOf(requested({ from: hoursAgo(-3) }))).toBe('request_invalid');
  const short = await requested({ from: hoursAgo(0), to: hoursAgo(0) });
  expect(Date.parse(short.to) - Date.parse(short.from)).toBe(3_600_000);
});

test('at most twenty reports wait, and an unknown one is not found', async () => {
  await ports.raw`DELETE FROM security_reports WHERE status = 'queued'`;
  for (let nth = 0; nth < 20; nth += 1) await requestSecurityReport(ports, {}, testCaller);
  expect(await outcomeOf(requestSecurityReport(ports, {}, testCaller))).toBe('security_reports_busy');
  for (const read of [readSecurityReport, readSecurityReportFile])
    expect(await outcomeOf(read(ports, { report_id: randomUUID() }))).toBe('security_report_unknown');
  const first = await listSecurityReports(ports, { limit: 2 });
  const second = await listSecurityReports(ports, { limit: 2, cursor: first.next ?? '' });
  expect(new Set([...first.reports, ...second.reports].map(({ report_id: id }) => id)).size).toBe(4);
});
