import { createHash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { never, openDetectionHarness } from '../core/security/detection-harness.ts';
import { countEventHours } from '../wings/monitoring/count-event-hours.ts';
import { makeSecurityReports } from '../wings/monitoring/reports/make-security-reports.ts';
import { PerformanceMonitoringService } from './performance-monitoring-service.ts';
import { SecurityMonitoringService } from './security-monitoring-service.ts';

const harness = opened(() => openDetectionHarness());
let security: SecurityMonitoringService;
let performance: PerformanceMonitoringService;
beforeAll(async () => {
  const ports = { ...harness.deps, wings: { leftOut: [] } };
  security = new SecurityMonitoringService(ports);
  performance = new PerformanceMonitoringService(ports);
});

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test('monitorAuthenticationEvents sees a sign-in within two seconds of its sealing, each once, and goes on after a seq', async () => {
  const { id } = await harness.person();
  await harness.seal();
  const stream = security.monitorAuthenticationEvents({ types: ['user.login'] });
  const iterator = stream[Symbol.asyncIterator]();
  const first = iterator.next();
  // The stream begins at the end of the log; only then may the sign-in come.
  await wait(50);
  await harness.signedIn(id, { factor: 'password' });
  await harness.seal();
  const sealedAt = Date.now();
  const { value: event } = await first;
  expect(event).toMatchObject({ type: 'user.login', target: { kind: 'user', id } });
  expect(Date.now() - sealedAt).toBeLessThan(2_000);
  await harness.signedIn(id, { factor: 'passkey' });
  await harness.seal();
  expect((await iterator.next()).value).toMatchObject({ detail: { factor: 'passkey' } });
  stream.close();
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  const again = security.monitorAuthenticationEvents({ afterSeq: (event?.seq ?? 0) - 1, types: ['user.login'] });
  const seen: unknown[] = [];
  for await (const each of again) {
    seen.push(each.detail.factor);
    if (seen.length === 2) again.close();
  }
  expect(seen).toEqual(['password', 'passkey']);
  // Every type of authentication by default.
  const all = security.monitorAuthenticationEvents({ afterSeq: -1 });
  expect((await all[Symbol.asyncIterator]().next()).done).toBe(false);
  all.close();
});

test('detectSecurityThreats finds an attack and acts on it; generateSecurityAlerts fires once for each cause', async () => {
  const { id } = await harness.person();
  const sessionId = await harness.session(id);
  await harness.signedIn(id, { factor: 'password', known_device: false, suspect_network: true, session_id: sessionId });
  await harness.seal();
  const { evaluated, sightings, threats } = await security.detectSecurityThreats();
  expect(evaluated).toBeGreaterThan(0);
  expect(sightings).toBe(1);
  const threat = threats.find(({ subject }) => subject.id === id);
  expect(threat).toMatchObject({ detection: 'account_takeover', severity: 'critical', count: 1 });
  expect(threat?.actions).toContain('revoke_sessions');
  expect(await harness.rows`SELECT id FROM sessions WHERE id = ${sessionId}`).toEqual([]);

  const alertsOf = async () =>
    (await security.generateSecurityAlerts()).filter(({ detail }) => (detail.subject as { id: string }).id === id);
  const [alert, ...others] = await alertsOf();
  expect(others).toEqual([]);
  expect(alert).toMatchObject({ id: threat?.incident_id, type: 'account_takeover', severity: 'critical' });
  expect(Number.isNaN(Date.parse(alert?.at ?? ''))).toBe(false);
  // The same cause again is one more sighting of the same alert.
  await harness.signedIn(id, { factor: 'password', known_device: false, suspect_network: true, session_id: 'x' });
  await harness.seal();
  await security.detectSecurityThreats();
  expect(await alertsOf()).toMatchObject([{ id: alert?.id, detail: { count: 2 } }]);
  expect((await harness.rows`SELECT actor_id FROM audit_outbox WHERE type = 'incident.raised'`).at(-1)).toEqual({
    actor_id: 'security-monitoring-service',
  });
});

test('generateSecurityMetrics equals the sign-ins that happened, and the success rate of 3 good of 4 is 75 percent', async () => {
  await countEventHours(harness.deps, never);
  await harness.rows`DELETE FROM event_hours`;
  const { id } = await harness.person();
  for (let nth = 0; nth < 3; nth += 1) await harness.signedIn(id, { factor: 'password' });
  await harness.rows`INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, detail)
    VALUES ('user.login', 'refused', 'anonymous', '', '{}')`;
  await harness.seal();
  await countEventHours(harness.deps, never);
  const metrics = await security.generateSecurityMetrics();
  expect(metrics.sign_ins).toEqual({ succeeded: 3, failed: 1, success_percent: 75 });
  expect((await security.createSecurityDashboard()).security.sign_ins).toEqual(metrics.sign_ins);
  expect(await performance.trackAuthenticationSuccessRate()).toMatchObject({ state: 'fresh', success_percent: 75 });
});

test('exportSecurityReports returns the files of a report that a worker makes, and none without a worker', async () => {
  expect(await security.exportSecurityReports({ waitSeconds: 0 })).toEqual([]);
  await harness.rows`UPDATE monitoring_state SET counted_at = now()`;
  const worker = { ...testCaller, kind: 'system', name: 'worker' } as const;
  const day = 86_400_000;
  const exporting = security.exportSecurityReports({ from: new Date(Date.now() - 3 * day), to: new Date() });
  await wait(100);
  await makeSecurityReports(harness.deps, never, worker);
  const [report] = await exporting;
  expect(report?.sha256).toBe(
    createHash('sha256')
      .update(report?.file ?? '')
      .digest('hex'),
  );
  expect(report?.days).toMatch(/^day,/);
  const future = security.exportSecurityReports({ from: new Date(Date.now() + day) });
  expect(await outcomeOf(future)).toBe('request_invalid');
});

test('performance is of all copies: average, p95 and p99, resources, and what to do', async () => {
  const histogram = { sum: 0.06, counts: { 0.001: 2, 0.01: 0, 0.05: 2 } };
  await harness.rows(
    `INSERT INTO copy_samples (id, copy_id, kind, seconds, sample)
     SELECT gen_random_uuid(), gen_random_uuid(), 'api', 10, $1 FROM generate_series(1, 2)`,
    [
      JSON.stringify({
        counters: { cpu_seconds: 5 },
        gauges: { memory_bytes: 1_000, 'pool.main.used': 2 },
        histograms: { token_generation: histogram, token_validation: { sum: 0.0001, counts: { 0.0001: 1 } } },
      }),
    ],
  );
  expect(await performance.trackTokenGenerationTime()).toMatchObject({
    state: 'fresh',
    count: 8,
    average_ms: 15,
    p95_ms: 46,
  });
  expect(await performance.trackTokenValidationTime()).toMatchObject({ count: 2, average_ms: 0.1 });
  const { copies } = await performance.monitorResourceUsage();
  expect(copies).toHaveLength(2);
  expect(copies[0]).toMatchObject({ cpu_cores: 0.5, memory_bytes: 1_000, pools: [{ pool: 'main', used: 2 }] });
  const prediction = await performance.predictCapacityNeeds();
  expect(new Set(prediction.predictions.map(({ state }) => state))).toEqual(new Set(['too_little_data']));
  expect(prediction).not.toHaveProperty('advice');
  await harness.rows`INSERT INTO copy_samples (id, copy_id, kind, at, seconds, sample)
    VALUES (gen_random_uuid(), gen_random_uuid(), 'api', now() - interval '3 hours', 3600,
      '{"counters": {"hashes.full": 3}, "histograms": {}, "gauges": {}, "measured": {}}')`;
  expect((await performance.optimizePerformance()).advice).toMatchObject([
    { rule: 'passwords_refused', evidence: { full: 3 }, setting: 'copies of the API' },
  ]);
});
