import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { recordIncident } from '#services/core/security/record-incident.ts';
import { readSecurityScore } from '#services/wings/compliance/read-security-score.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { countEventHours } from '../count-event-hours.ts';
import { measureProgress } from './measure-progress.ts';
import { readAuthenticationProgress, readComponentProgress, readSecurityMetrics } from './read-progress.ts';
import { type ProgressReport, recordProgress } from './record-progress.ts';

const ports = opened(openTestPorts);

const MINUTE_MS = 60_000;
const START = Date.now();
const minute = (nth: number): string => new Date(START + nth * MINUTE_MS).toISOString();
const component = (changes: Partial<ProgressReport & { kind: 'component' }>): ProgressReport => ({
  kind: 'component',
  id: randomUUID(),
  at: minute(0),
  component: 'middleware',
  status: 'in_progress',
  percent: 10,
  ...changes,
});
const shown = async (name: string) =>
  (await readComponentProgress(ports)).components.find((each) => each.component === name);
const counted = async (source: string) =>
  Object.fromEntries(
    (await readAuthenticationProgress(ports)).events
      .filter((each) => each.source === source)
      .map(({ event, last_day }) => [event, last_day]),
  );

describe('a report', () => {
  test('on a component replaces an older one, and a late older one changes nothing', async () => {
    await recordProgress(ports, component({ percent: 40, coverage: 91, security_score: 88, at: minute(5) }));
    await recordProgress(ports, component({ percent: 20, at: minute(4) }));
    expect(await shown('middleware')).toEqual({
      component: 'middleware',
      status: 'in_progress',
      percent: 40,
      coverage: 91,
      security_score: 88,
      updated_at: minute(5),
      measured: [],
    });
    await recordProgress(ports, component({ percent: 100, status: 'done', at: minute(6) }));
    expect(await shown('middleware')).toMatchObject({ percent: 100, status: 'done', coverage: null });
  });

  test('on metrics likewise', async () => {
    const metrics = (failed: number, at: string) =>
      recordProgress(ports, { kind: 'metrics', id: randomUUID(), at, metrics: { failed } });
    await metrics(2, minute(2));
    await metrics(1, minute(1));
    expect(await readSecurityMetrics(ports)).toMatchObject({ reported: { failed: 2 } });
  });

  test('that a job delivers twice, also at the same time, counts once', async () => {
    const report = { kind: 'authentication', id: randomUUID(), at: minute(0), event: 'login' } as const;
    await Promise.all([recordProgress(ports, report), recordProgress(ports, report)]);
    await recordProgress(ports, { ...report, id: randomUUID() });
    expect(await counted('reported')).toEqual({ login: 2 });
  });

  test('of an incident raises one, of its severity, however often it is delivered', async () => {
    const report = {
      id: randomUUID(),
      at: minute(0),
      type: 'forged_header',
      severity: 'critical',
      user_id: 'user-1',
      detail: { attempts: 3 },
    } as const;
    for (let delivery = 0; delivery < 2; delivery += 1) await recordIncident(ports, { payload: report }, testCaller);
    expect(await ports.raw`SELECT detection, severity, count, detail FROM incidents`).toEqual([
      {
        detection: 'reported_incident',
        severity: 'critical',
        count: 1,
        detail: { attempts: 3, type: 'forged_header', reported_at: minute(0) },
      },
    ]);
  });
});

describe('a measurement', () => {
  const signal = new AbortController().signal;
  let seq = 0;
  /** Sealed events, as the sealer writes them. */
  const sealed = async (type: string, outcome: string, detail: object = {}) => {
    await ports.raw`
      INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, detail, occurred_at, sealed_at, leaf)
      VALUES (${seq}, gen_random_uuid(), ${type}, ${outcome}, 'system', ${JSON.stringify(detail)}, clock_timestamp(),
        clock_timestamp(), '\\x00')`;
    seq += 1;
  };

  test('has each sealed event once, by what it is for authentication', async () => {
    const count = () => countEventHours(ports, { signal });
    await sealed('user.login', 'ok');
    await count();
    expect(await counted('measured')).toEqual({});
    for (const outcome of ['ok', 'ok', 'refused', 'locked', 'second_factor_asked']) await sealed('user.login', outcome);
    await sealed('session.ended', 'ok');
    for (const outcome of ['rotated', 'grace', 'mismatch']) await sealed('token.refreshed', outcome);
    await sealed('token.validations', 'counted', { active: 40, expired: 2 });
    await sealed('key.rotated', 'ok');
    await Promise.all([count(), count()]);
    await count();
    expect(await counted('measured')).toEqual({ login: 2, failure: 3, logout: 1, refresh: 2, verify: 40 });
    expect(await counted('reported')).toEqual({ login: 2 });
    await ports.raw`UPDATE event_hours SET hour = hour - interval '24 hours' WHERE type = 'session.ended'`;
    expect(await counted('measured')).toEqual({ login: 2, failure: 3, refresh: 2, verify: 40 });
  });

  test('has the figures of the installation, and replaces what was reported of its security', async () => {
    await recordProgress(ports, component({ component: 'security', security_score: 100 }));
    await measureProgress({ ...ports, readSecurityScore: () => readSecurityScore(ports) });
    expect((await readSecurityMetrics(ports)).measured).toEqual({
      tokens: expect.objectContaining({ active: 0, replays: 0 }),
      open_incidents: { critical: 1 },
      security_score: null,
    });
    expect(await shown('security')).toMatchObject({ security_score: 100, measured: [] });
    await ports.raw`UPDATE progress_state SET measured = '{"security_score": 73}'`;
    expect(await shown('security')).toMatchObject({ security_score: 73, measured: ['security_score'] });
    expect(await shown('middleware')).toMatchObject({ measured: [] });
  });

  test('forgets hours after thirty days, and the ids of reports two days later with the next report', async () => {
    await ports.raw`UPDATE authentication_progress SET hour = hour - interval '31 days' WHERE event = 'login'`;
    await ports.raw`UPDATE progress_reports SET stored_at = now() - interval '3 days'`;
    await measureProgress({ ...ports, readSecurityScore: () => readSecurityScore(ports) });
    expect(await ports.raw`SELECT 1 FROM authentication_progress`).toEqual([]);
    const next = component({ component: 'security', security_score: 100 });
    await recordProgress(ports, next);
    expect(await ports.raw`SELECT id FROM progress_reports`).toEqual([{ id: next.id }]);
  });
});
