import { beforeEach, describe, expect, test } from 'vitest';
import { declareApplication, deleteApplication } from '#services/core/access/manage-applications.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { type Arrived, eventOf, openAlertsHarness } from './alerts-harness.ts';
import { collectAlerts } from './collect-alerts.ts';
import { acknowledgeAlert, listAlerts, resolveAlert } from './manage-alerts.ts';
import { createSilence, endSilence, listSilences } from './manage-silences.ts';
import { listAlertTargets, removeAlertTarget, updateAlertTarget } from './manage-targets.ts';
import { receiveAlertmanager } from './receive-alertmanager.ts';

const harness = opened(openAlertsHarness);
beforeEach(() => harness.clear());

const page = { limit: 50 };
const alerts = async () => (await listAlerts(harness.log, page)).alerts;
const reason = 'test';

describe('a cause', () => {
  test('is told once, however often it is seen, until it is resolved; and then once that it is', async () => {
    const { target_id: id } = await harness.target({});
    const [incident = ''] = await harness.incidents('token_replay', 'ada', 'ada', 'ada');
    await harness.run();
    await harness.run();
    expect(harness.told()).toEqual([['firing token_replay']]);
    const [first] = harness.arrived as [Arrived];
    expect(eventOf(first)).toMatchObject({
      specversion: '1.0',
      type: 'alert.notification',
      source: 'https://auth.example.test',
    });
    expect(first.headers['idempotency-key']).toBe(`"${eventOf(first).id}"`);
    expect(harness.isSigned(first)).toBe(true);
    // The user is not named: who may read incidents reads it there.
    expect(first.body).not.toMatch(/\bada\b/);
    const [alert] = eventOf(first).data.alerts;
    expect(alert.url).toMatch(new RegExp(`^https?://[^/]+/console/incidents/${incident}$`));
    expect(alert.summary).toMatch(new RegExp(`^[A-Z].*\\. It is incident ${incident} about a user$`));
    await harness.changeIncident(incident, 'closed');
    await harness.run();
    await harness.run();
    expect(harness.told().slice(1)).toEqual([['resolved token_replay']]);
    expect(await harness.deliveries(id)).toMatchObject([
      { status: 'sent', firing: 0, resolved: 1, group: 'incident:token_replay' },
      { status: 'sent', firing: 1, resolved: 0 },
    ]);
    await harness.incidents('token_replay', 'ada');
    await harness.run();
    expect(harness.told()[2]).toEqual(['firing token_replay']);
  });

  test('of a control is that it turned red, and ends when it passes; an unknown status says nothing', async () => {
    await harness.target({ sources: ['control'] });
    await harness.control('red-at-first', 'fail');
    await harness.control('restore-drill', 'fail', 'pass');
    await harness.control('restore-drill', 'unknown', 'fail');
    await harness.incidents('token_replay', 'ada');
    await harness.run();
    expect(harness.told()).toEqual([['firing restore-drill']]);
    await harness.control('restore-drill', 'pass', 'unknown');
    await harness.run();
    expect(harness.told()[1]).toEqual(['resolved restore-drill']);
  });

  test('of Alertmanager is its fingerprint; what others wrote is shown as text', async () => {
    await harness.target({ sources: ['alertmanager'], min_severity: 'medium' });
    const labels = { alertname: 'Disk\u202efull', severity: 'page', source: 'incident' };
    const disk = {
      status: 'firing',
      labels,
      annotations: { summary: '<b>90 %</b>\u0000' },
      fingerprint: 'ab12',
    } as const;
    const info = { status: 'firing', labels: { severity: 'info' }, annotations: {}, fingerprint: 'cd34' } as const;
    const given = { alerts: [disk, disk, info] };
    expect(await receiveAlertmanager(harness.log, given, testCaller)).toEqual({ raised: 2, repeated: 0, resolved: 0 });
    expect(await receiveAlertmanager(harness.log, given, testCaller)).toEqual({ raised: 0, repeated: 2, resolved: 0 });
    await harness.run();
    expect(eventOf(harness.arrived[0] as Arrived).data.alerts).toMatchObject([
      {
        name: 'Disk\\u202efull',
        severity: 'critical',
        summary: '<b>90 %</b>',
        count: 2,
        labels: { source: 'alertmanager', name: 'Disk\\u202efull' },
      },
    ]);
    const ended = { alerts: [{ ...disk, status: 'resolved' as const }] };
    expect(await receiveAlertmanager(harness.log, ended, testCaller)).toEqual({ raised: 0, repeated: 0, resolved: 1 });
    await harness.run();
    expect(harness.arrived).toHaveLength(2);
    expect(new Set((await alerts()).map(({ name, state }) => `${state} ${name}`))).toEqual(
      new Set(['firing alert', 'resolved Disk\\u202efull']),
    );
  });
});

describe('what one person does to the oversight', () => {
  const until = (): string => new Date(Date.now() + 3_600_000).toISOString();

  test('a silence tells every target, whatever it wants to hear and whatever is silenced, and so does its end', async () => {
    await harness.target({ sources: ['alertmanager'], min_severity: 'critical' });
    const silence = await createSilence(
      harness.log,
      { matchers: ['source=incident'], until: until(), reason },
      testCaller,
    );
    await createSilence(harness.log, { matchers: ['source=oversight'], until: until(), reason }, testCaller);
    await harness.seal();
    await harness.run();
    expect(harness.told()).toEqual([['firing alerts-silenced', 'firing alerts-silenced']]);
    expect(eventOf(harness.arrived[0] as Arrived).data.alerts[0]).toMatchObject({
      ...{ source: 'oversight', severity: 'high' },
      summary: expect.stringMatching(/ silenced alerts with source=incident until 20\d\d-/),
    });
    await endSilence(harness.log, { silence_id: silence.silence_id, reason }, testCaller);
    await harness.seal();
    await harness.run();
    expect(harness.told()[1]).toEqual(['resolved alerts-silenced']);
    // The other one ends by itself.
    await harness.log.raw`UPDATE alert_silences SET until = clock_timestamp() WHERE ended_at IS NULL`;
    await harness.run();
    expect(harness.told()[2]).toEqual(['resolved alerts-silenced']);
  });

  describe('is told though it was over before the first target was to be told', () => {
    /** A worker that raises the alerts of what was sealed and dies. */
    const collectAndDie = async (): Promise<void> => {
      const fence = await takeFence(harness.log.sql, 'send-alerts');
      await collectAlerts(harness.ports, { fence, signal: new AbortController().signal });
    };
    const silence = async (): Promise<string> => {
      await harness.target({ sources: ['alertmanager'], min_severity: 'critical' });
      const made = await createSilence(harness.log, { matchers: ['a=b'], until: until(), reason }, testCaller);
      await harness.seal();
      await collectAndDie();
      return made.silence_id;
    };

    test('because the silence ended', async () => {
      await endSilence(harness.log, { silence_id: await silence(), reason }, testCaller);
      await harness.run();
      await harness.run();
      await harness.run();
      expect(harness.told()).toEqual([['firing alerts-silenced'], ['resolved alerts-silenced']]);
    });

    test.each([
      ['acknowledged', acknowledgeAlert],
      ['resolved', resolveAlert],
    ])('because the person who did it %s the alert', async (_, change) => {
      await silence();
      const [alert] = await alerts();
      await change(harness.log, { alert_id: String(alert?.alert_id), reason }, testCaller);
      await harness.run();
      await harness.run();
      expect(harness.told()[0]).toEqual(['firing alerts-silenced']);
    });
  });

  test('who changes or removes a target tells the others; who adds one or changes nothing does not', async () => {
    await harness.target({ url: `${harness.origin}/other`, sources: ['alertmanager'], min_severity: 'critical' });
    const { target_id } = await harness.target({ name: 'on-call' });
    await updateAlertTarget(harness.ports, { target_id, reason }, testCaller);
    await harness.seal();
    await harness.run();
    expect(harness.arrived).toEqual([]);
    const changes = { url: `${harness.origin}/mine`, min_severity: 'critical' as const };
    await updateAlertTarget(harness.ports, { target_id, ...changes, reason }, testCaller);
    await harness.seal();
    await harness.run();
    await removeAlertTarget(harness.log, { target_id, reason }, testCaller);
    await harness.seal();
    await harness.run();
    expect(harness.told('/other')).toEqual([['firing alert-target-changed'], ['firing alert-target-changed']]);
    expect((await alerts()).map(({ summary }) => summary)).toEqual([
      'system:test removed the alert target on-call',
      'system:test changed url,min_severity of the alert target on-call',
    ]);
  });

  test('who removes or moves every target within one run tells the addresses that were there, and nothing else reaches them', async () => {
    const removed = await harness.target({ name: 'removed', url: `${harness.origin}/removed` });
    const moved = await harness.target({ name: 'moved', url: `${harness.origin}/moved` });
    const address = { target_id: moved.target_id, url: `${harness.origin}/mine` };
    await updateAlertTarget(harness.ports, { ...address, reason }, testCaller);
    for (const { target_id } of [removed, moved])
      await removeAlertTarget(harness.log, { target_id, reason }, testCaller);
    await createSilence(harness.log, { matchers: ['a=b'], until: until(), reason }, testCaller);
    expect((await listAlertTargets(harness.log)).targets).toEqual([]);
    await harness.incidents('token_replay', 'ada');
    await harness.run();
    for (const at of ['/removed', '/moved', '/mine'])
      expect(harness.told(at).flat().sort()).toEqual([
        'firing alert-target-changed',
        'firing alert-target-changed',
        'firing alert-target-changed',
        'firing alerts-silenced',
      ]);
    await harness.log.raw`UPDATE alert_targets SET removed_at = removed_at - interval '25 hours'`;
    await harness.run();
    expect(await harness.log.raw`SELECT name FROM alert_targets`).toEqual([]);
  });

  test('targets that are added and removed at once leave no address out: the next one is refused', async () => {
    const { target_id } = await harness.target({ name: 'real', url: `${harness.origin}/real` });
    await harness.log
      .raw`INSERT INTO alert_targets (id, name, kind, sealed, shown, sources, severities, time_zone, only_escalated,
      removed_at)
      SELECT gen_random_uuid(), 'removed ' || n, kind, sealed, shown, '{}', '{}', 'UTC', true, clock_timestamp()
      FROM alert_targets, generate_series(1, 99) n`;
    expect(await outcomeOf(harness.target({ name: 'next' }))).toBe('alert_target_exists');
    const elsewhere = { target_id, url: `${harness.origin}/mine`, reason };
    expect(await outcomeOf(updateAlertTarget(harness.ports, elsewhere, testCaller))).toBe('alert_target_exists');
    expect(await outcomeOf(removeAlertTarget(harness.log, { target_id, reason }, testCaller))).toBe('ok');
  });

  test('a policy of sign-off that is lowered or deleted tells the targets; one that asks more does not', async () => {
    await harness.target({ sources: ['incident'], min_severity: 'critical' });
    const ports = { ...harness.log, accessChanged: () => {}, ownAudiences: [] };
    const declare = (quorum: number) => {
      const policy = { act: 'ship.deploy', roles: ['qa' as const, 'tech_lead' as const], quorum, lifetime_minutes: 60 };
      const signoff_policies = [{ ...policy, min_security_score: null, no_open_incident: false, arguments: [] }];
      const input = { application: 'ship', audience: 'https://ship.test', permissions: [], roles: {} };
      return declareApplication(ports, { ...input, signoff_policies, reason }, testCaller);
    };
    for (const quorum of [1, 2]) await declare(quorum);
    await harness.seal();
    await harness.run();
    expect(harness.arrived).toEqual([]);
    await declare(1);
    await harness.seal();
    await harness.run();
    expect(harness.told()).toEqual([['firing signoff-policy-lowered']]);
    const [{ summary }] = eventOf(harness.arrived[0] as Arrived).data.alerts;
    expect(summary).toMatch(/ lowered or removed the policy of sign-off for ship\.deploy of the application ship$/);
    await deleteApplication(ports, { application: 'ship', reason }, testCaller);
    await harness.seal();
    await harness.run();
    expect(harness.told()[1]).toEqual(['firing signoff-policy-lowered']);
  });
});

describe('a report of Alertmanager', () => {
  const sender = clientCaller('monitoring', ['alerts:receive']);
  const alert = (n: number, status: 'firing' | 'resolved' = 'firing') => ({
    ...{ status, labels: { alertname: `rule-${n % 25}`, instance: '192.0.2.7' }, annotations: { summary: 'of ada' } },
    fingerprint: n.toString(16),
  });
  const report = async (...reported: ReturnType<typeof alert>[]) => {
    const before = `SELECT coalesce(max(id), 0) AS id FROM audit_outbox`;
    const [{ id }] = (await harness.log.raw(before)) as [{ id: string }];
    await receiveAlertmanager(harness.log, { alerts: reported }, sender);
    return harness.log.raw<{ detail: object }>`SELECT actor_kind, actor_id, outcome, detail FROM audit_outbox
      WHERE type = 'alert.reported' AND id > ${id}`;
  };

  test('is one event of its sender, with the names of what began and ended and nothing else of it', async () => {
    expect(await report(alert(1), alert(2))).toEqual([
      {
        ...{ actor_kind: 'client', actor_id: 'monitoring', outcome: 'ok' },
        detail: { raised: 2, resolved: 0, firing: ['rule-1', 'rule-2'], ended: [] },
      },
    ]);
    expect(await report(alert(1, 'resolved'), alert(3), alert(2))).toMatchObject([
      { detail: { raised: 1, resolved: 1, firing: ['rule-3'], ended: ['rule-1'] } },
    ]);
  });

  test('that repeats what lasts, or ends what is not known, is no event', async () => {
    await report(alert(1));
    expect([await report(alert(1)), await report(alert(9, 'resolved')), await report()]).toEqual([[], [], []]);
  });

  test('whose long texts end in the middle of a character is kept', async () => {
    const long = (most: number): string => `${'a'.repeat(most - 1)}😀`;
    const labels = { alertname: long(128), [long(64)]: long(256) };
    const annotations = { summary: long(1_024) };
    await receiveAlertmanager(
      harness.log,
      { alerts: [{ status: 'firing', labels, annotations, fingerprint: 'e0' }] },
      sender,
    );
    const name = 'a'.repeat(127);
    expect((await alerts())[0]).toMatchObject({ name, summary: 'a'.repeat(1_023), labels: { name } });
  });

  test('of a thousand alerts is one event with 20 names', async () => {
    const [event] = await report(...Array.from({ length: 1_000 }, (_, n) => alert(n)));
    expect(event?.detail).toMatchObject({ raised: 1_000, firing: { length: 20 } });
  });
});

describe('many at once', () => {
  test('10,000 incidents are one message to each target, with their count', async () => {
    const webhook = await harness.target({ name: 'webhook' });
    const slack = await harness.target({ kind: 'slack', name: 'slack', url: `${harness.origin}/slack` });
    await harness.seal();
    await harness.run();
    await harness.log.raw`WITH made AS (INSERT INTO incidents (id, detection, severity, subject_kind, subject_id)
        SELECT gen_random_uuid(), 'password_guessing', 'medium', 'network', n::text FROM generate_series(1, 10000) n
          RETURNING id)
      INSERT INTO audit_outbox (type, outcome, actor_kind, target_kind, target_id, detail)
      SELECT 'incident.raised', 'open', 'system', 'incident', id::text,
        '{"detection":"password_guessing","severity":"medium","subject":"network"}' FROM made`;
    await harness.seal();
    const { read } = await harness.run();
    await harness.run();
    expect([read, harness.arrived.map(({ url }) => url).sort()]).toEqual([10_000, ['/alerts', '/slack']]);
    const { data } = eventOf(harness.arrived.find(({ url }) => url === '/alerts') as Arrived);
    expect([data.firing, data.alerts.length, data.truncated]).toEqual([10_000, 100, true]);
    const posted = eventOf(harness.arrived.find(({ url }) => url === '/slack') as Arrived);
    expect(posted.text).toContain('[medium] 10000 alerts firing: password_guessing');
    expect(posted.text).toContain('… and 9990 more');
    for (const { target_id: id } of [webhook, slack])
      expect(await harness.deliveries(id)).toMatchObject([{ firing: 10_000, status: 'sent' }]);
  });

  test('of many kinds at once, those without room for a message of their own are one message', async () => {
    const { target_id: id } = await harness.target({});
    const reported = Array.from({ length: 30 }, (_, n) => ({
      status: 'firing' as const,
      labels: { alertname: `rule-${String(n).padStart(2, '0')}` },
      annotations: {},
      fingerprint: n.toString(16),
    }));
    await receiveAlertmanager(harness.log, { alerts: reported }, testCaller);
    await harness.run({ messagesPerMinute: 4 });
    await harness.run({ messagesPerMinute: 4 });
    expect((await harness.deliveries(id)).map(({ firing }) => firing).sort((a, b) => a - b)).toEqual([1, 1, 1, 27]);
    expect(harness.arrived).toHaveLength(4);
    // Within the minute there is no room for more; then their ends are told.
    const ended = reported.map((each) => ({ ...each, status: 'resolved' as const }));
    await receiveAlertmanager(harness.log, { alerts: ended }, testCaller);
    await harness.run({ messagesPerMinute: 4 });
    expect(harness.arrived).toHaveLength(4);
    await harness.pass(61);
    await harness.run({ messagesPerMinute: 4 });
    expect((await harness.deliveries(id)).reduce((sum, { resolved }) => sum + resolved, 0)).toBe(30);
  });

  test('a burst that goes on is one message in half a minute', async () => {
    await harness.target({});
    const pace = { groupSeconds: 30 };
    for (const user of ['a', 'b', 'c']) {
      await harness.incidents('token_replay', user);
      await harness.run(pace);
    }
    expect(harness.told()).toEqual([['firing token_replay']]);
    await harness.pass(31);
    await harness.run(pace);
    expect(harness.told()[1]).toEqual(['firing token_replay', 'firing token_replay']);
  });
});

describe('what is not sent', () => {
  test('a silenced alert, until the silence ends; the alerts beside it are sent', async () => {
    await harness.target({});
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const matchers = ['name=token_replay', 'source=incident'];
    const silence = await createSilence(harness.ports, { matchers, until, reason: 'we know' }, testCaller);
    expect(silence).toMatchObject({ matchers, until, reason: 'we know', created_by: 'system:test', is_active: true });
    await harness.incidents('token_replay', 'ada');
    await harness.incidents('unusual_passkey', 'bob');
    await harness.run();
    // Groups are sent at once, in no order.
    expect(harness.told().flat().sort()).toEqual(['firing alerts-silenced', 'firing unusual_passkey']);
    await endSilence(harness.log, { silence_id: silence.silence_id, reason }, testCaller);
    expect((await listSilences(harness.log, page)).silences).toMatchObject([{ is_active: false }]);
    await harness.run();
    expect(harness.told().flat().slice(2).sort()).toEqual(['firing token_replay', 'resolved alerts-silenced']);
    const again = endSilence(harness.log, { silence_id: silence.silence_id, reason }, testCaller);
    await expect(again).rejects.toMatchObject({ code: 'silence_unknown' });
  });

  test.each([
    ['in the past', ['a=b'], -1],
    ['for longer than 90 days', ['a=b'], 91 * 86_400_000],
    ['with a label twice', ['a=b', 'a=c'], 60_000],
  ])('a silence %s is refused', async (_, matchers, ms) => {
    const until = new Date(Date.now() + ms).toISOString();
    await expect(createSilence(harness.ports, { matchers, until, reason }, testCaller)).rejects.toMatchObject({
      code: 'silence_invalid',
    });
  });

  test('what is less severe, of another source, or older than the target', async () => {
    await harness.incidents('token_replay', 'old');
    await harness.run();
    await harness.target({ sources: ['incident'], min_severity: 'critical' });
    await harness.incidents('password_guessing', 'ada');
    await harness.control('restore-drill', 'fail', 'pass');
    await harness.run();
    expect(harness.arrived).toEqual([]);
  });
});

describe('an acknowledged alert', () => {
  test('is told to no target that wants it only then, whether the incident or the alert was acknowledged', async () => {
    await harness.target({ name: 'first' });
    const late = await harness.target({ name: 'late', url: `${harness.origin}/late`, min_severity: 'critical' });
    const [incident = ''] = await harness.incidents('token_replay', 'ada');
    for (const name of ['restore-drill', 'key-rotation']) await harness.control(name, 'fail', 'pass');
    await harness.run();
    await harness.changeIncident(incident, 'acknowledged');
    const control = (await alerts()).find(({ name }) => name === 'restore-drill');
    const change = { alert_id: control?.alert_id ?? '', reason };
    const acknowledged = await acknowledgeAlert(harness.log, change, testCaller);
    expect(acknowledged).toMatchObject({ state: 'acknowledged', acknowledged_by: 'system:test', resolved_at: null });
    await harness.run();
    const wants = { target_id: late.target_id, min_severity: 'low' as const, reason };
    await updateAlertTarget(harness.ports, wants, testCaller);
    await harness.run();
    expect(harness.told('/late')).toEqual([['firing key-rotation']]);
    expect(await resolveAlert(harness.log, change, testCaller)).toMatchObject({ state: 'resolved' });
    await expect(resolveAlert(harness.log, change, testCaller)).rejects.toMatchObject({ code: 'alert_resolved' });
    await harness.run();
    expect(harness.told().at(-1)).toEqual(['resolved restore-drill']);
  });

  test('a target that two administrators remove at once is removed once', async () => {
    const { target_id: id } = await harness.target({});
    const both = [1, 2].map(() => removeAlertTarget(harness.log, { target_id: id, reason: 'twice' }, testCaller));
    const ends = await Promise.allSettled(both);
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const events = await harness.log
      .raw`SELECT outcome FROM audit_outbox WHERE type = 'alert.target_changed' AND detail ->> 'reason' = 'twice'`;
    expect(events).toEqual([{ outcome: 'removed' }]);
  });
});
