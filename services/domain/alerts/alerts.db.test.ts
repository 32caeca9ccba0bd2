import { createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '#testing/harness/ports.ts';
import { openMailFolder } from '#testing/mail-folder.ts';
import { type AlertsHarness, type Arrived, openAlertsHarness } from './alerts-harness.ts';
import { acknowledgeAlert, listAlerts, resolveAlert } from './manage-alerts.ts';
import { createSilence, endSilence, listSilences } from './manage-silences.ts';
import {
  listAlertDeliveries,
  listAlertTargets,
  removeAlertTarget,
  testAlertTarget,
  updateAlertTarget,
} from './manage-targets.ts';
import { receiveAlertmanager } from './receive-alertmanager.ts';

let harness: AlertsHarness;
beforeAll(async () => {
  harness = await openAlertsHarness();
});
afterAll(() => harness?.close());
beforeEach(async () => {
  await harness.log.raw('TRUNCATE alert_targets, alerts, alert_silences, incidents CASCADE');
  harness.arrived.length = 0;
  harness.logged.length = 0;
  harness.answerWith(() => 204);
});

const eventOf = ({ body }: Arrived) => JSON.parse(body);
/** What arrived, as lines: which alerts began or ended. */
const told = (at = '/alerts') =>
  harness.arrived
    .filter(({ url }) => url === at)
    .map((one) =>
      eventOf(one).data.alerts.map((each: { status: string; name: string }) => `${each.status} ${each.name}`),
    );
const page = { limit: 50 };
const deliveries = async (id: string) =>
  (await listAlertDeliveries(harness.log, { target_id: id, ...page })).deliveries;
const alerts = async () => (await listAlerts(harness.log, page)).alerts;
const reason = 'test';

/** The signature base (RFC 9421 §2.5), made from the request as a receiver sees it. */
function isSigned({ headers, url }: Arrived): boolean {
  const params = (headers['signature-input'] as string).replace(/^sallyport=/, '');
  const [, list = '', kid] = /^\(([^)]*)\).*;keyid="([^"]+)"/.exec(params) ?? [];
  const values: Record<string, unknown> = { ...headers, '@method': 'POST', '@target-uri': `${harness.origin}${url}` };
  const lines = list.split(' ').map((name) => `${name}: ${values[name.slice(1, -1)]}`);
  const jwk = JSON.parse(harness.ports.keyRing.jwks().body).keys.find((key: { kid: string }) => key.kid === kid);
  const signature = Buffer.from((headers.signature as string).slice('sallyport=:'.length, -1), 'base64');
  const base = [...lines, `"@signature-params": ${params}`].join('\n');
  return verify(null, Buffer.from(base), createPublicKey({ key: jwk, format: 'jwk' }), signature);
}

describe('a cause', () => {
  test('is told once, however often it is seen, until it is resolved; and then once that it is', async () => {
    const { target_id: id } = await harness.target({});
    const [incident = ''] = await harness.incidents('token_replay', 'ada', 'ada', 'ada');
    await harness.run();
    await harness.run();
    expect(told()).toEqual([['firing token_replay']]);
    const [first] = harness.arrived as [Arrived];
    expect(eventOf(first)).toMatchObject({
      specversion: '1.0',
      type: 'alert.notification',
      source: 'https://auth.example.test',
    });
    expect(first.headers['idempotency-key']).toBe(`"${eventOf(first).id}"`);
    expect(isSigned(first)).toBe(true);
    // The user is not named: who may read incidents reads it there.
    expect(first.body).not.toContain('ada');
    expect(first.body).toContain(incident);
    await harness.changeIncident(incident, 'closed');
    await harness.run();
    await harness.run();
    expect(told().slice(1)).toEqual([['resolved token_replay']]);
    expect(await deliveries(id)).toMatchObject([
      { status: 'sent', firing: 0, resolved: 1, group: 'incident:token_replay' },
      { status: 'sent', firing: 1, resolved: 0 },
    ]);
    await harness.incidents('token_replay', 'ada');
    await harness.run();
    expect(told()[2]).toEqual(['firing token_replay']);
  });

  test('of a control is that it turned red, and ends when it passes; an unknown status says nothing', async () => {
    await harness.target({ sources: ['control'] });
    await harness.control('red-at-first', 'fail');
    await harness.control('restore-drill', 'fail', 'pass');
    await harness.control('restore-drill', 'unknown', 'fail');
    await harness.incidents('token_replay', 'ada');
    await harness.run();
    expect(told()).toEqual([['firing restore-drill']]);
    await harness.control('restore-drill', 'pass', 'unknown');
    await harness.run();
    expect(told()[1]).toEqual(['resolved restore-drill']);
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
    expect(await receiveAlertmanager(harness.log, given)).toEqual({ raised: 2, repeated: 0, resolved: 0 });
    expect(await receiveAlertmanager(harness.log, given)).toEqual({ raised: 0, repeated: 2, resolved: 0 });
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
    expect(await receiveAlertmanager(harness.log, ended)).toEqual({ raised: 0, repeated: 0, resolved: 1 });
    await harness.run();
    expect(harness.arrived).toHaveLength(2);
    expect(new Set((await alerts()).map(({ name, state }) => `${state} ${name}`))).toEqual(
      new Set(['firing alert', 'resolved Disk\\u202efull']),
    );
  });
});

test('what waits is sent to the new address of a target at once, in order, and what fits only now is sent too', async () => {
  harness.answerWith(() => 503);
  const { target_id: id } = await harness.target({ min_severity: 'critical' });
  await harness.incidents('state_rewound', 'ada');
  await harness.incidents('token_replay', 'ada');
  for (let n = 0; n < 4; n += 1) {
    await harness.run();
    await harness.pass(120);
  }
  await harness.run();
  harness.arrived.length = 0;
  harness.answerWith(({ url }) => (url === '/new' ? 204 : 503));
  const changes = { url: `${harness.origin}/new`, min_severity: 'low' as const, reason };
  expect(await updateAlertTarget(harness.ports, { target_id: id, ...changes }, testCaller)).toMatchObject({
    destination: `${harness.origin}/new`,
    is_down: false,
  });
  await harness.pass(120);
  await harness.run();
  await harness.run();
  expect(told('/alerts')).toEqual([]);
  expect(told('/new').flat().sort()).toEqual(['firing state_rewound', 'firing token_replay']);
});

describe('many at once', () => {
  test('10,000 incidents are one message to each target, with their count', async () => {
    const webhook = await harness.target({ name: 'webhook' });
    const slack = await harness.target({ kind: 'slack', name: 'slack', url: `${harness.origin}/slack` });
    await harness.log.raw(
      `WITH made AS (INSERT INTO incidents (id, detection, severity, subject_kind, subject_id)
         SELECT gen_random_uuid(), 'password_guessing', 'medium', 'network', n::text FROM generate_series(1, 10000) n RETURNING id)
       INSERT INTO audit_outbox (type, outcome, actor_kind, target_kind, target_id, detail)
       SELECT 'incident.raised', 'open', 'system', 'incident', id::text,
         '{"detection":"password_guessing","severity":"medium","subject":"network"}' FROM made`,
    );
    await harness.seal();
    const { read } = await harness.run();
    await harness.run();
    expect(read).toBe(10_000);
    expect(harness.arrived.map(({ url }) => url).sort()).toEqual(['/alerts', '/slack']);
    const { data } = eventOf(harness.arrived.find(({ url }) => url === '/alerts') as Arrived);
    expect([data.firing, data.alerts.length, data.truncated]).toEqual([10_000, 100, true]);
    const posted = eventOf(harness.arrived.find(({ url }) => url === '/slack') as Arrived);
    expect(posted.text).toContain('[medium] 10000 alerts firing: password_guessing');
    expect(posted.text).toContain('… and 9990 more');
    for (const { target_id: id } of [webhook, slack])
      expect(await deliveries(id)).toMatchObject([{ firing: 10_000, status: 'sent' }]);
  });

  test('of many kinds at once, those without room for a message of their own are one message', async () => {
    const { target_id: id } = await harness.target({});
    const reported = Array.from({ length: 30 }, (_, n) => ({
      status: 'firing' as const,
      labels: { alertname: `rule-${String(n).padStart(2, '0')}` },
      annotations: {},
      fingerprint: n.toString(16),
    }));
    await receiveAlertmanager(harness.log, { alerts: reported });
    await harness.run({ messagesPerMinute: 4 });
    await harness.run({ messagesPerMinute: 4 });
    expect((await deliveries(id)).map(({ firing }) => firing).sort((a, b) => a - b)).toEqual([1, 1, 1, 27]);
    expect(harness.arrived).toHaveLength(4);
    // Within the minute there is no room for more; then their ends are told.
    await receiveAlertmanager(harness.log, {
      alerts: reported.map((each) => ({ ...each, status: 'resolved' as const })),
    });
    await harness.run({ messagesPerMinute: 4 });
    expect(harness.arrived).toHaveLength(4);
    await harness.pass(61);
    await harness.run({ messagesPerMinute: 4 });
    expect((await deliveries(id)).reduce((sum, { resolved }) => sum + resolved, 0)).toBe(30);
  });

  test('a burst that goes on is one message in half a minute', async () => {
    await harness.target({});
    const pace = { groupSeconds: 30 };
    for (const user of ['a', 'b', 'c']) {
      await harness.incidents('token_replay', user);
      await harness.run(pace);
    }
    expect(told()).toEqual([['firing token_replay']]);
    await harness.pass(31);
    await harness.run(pace);
    expect(told()[1]).toEqual(['firing token_replay', 'firing token_replay']);
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
    expect(told()).toEqual([['firing unusual_passkey']]);
    await endSilence(harness.log, { silence_id: silence.silence_id, reason }, testCaller);
    expect((await listSilences(harness.log, page)).silences).toMatchObject([{ is_active: false }]);
    await harness.run();
    expect(told()[1]).toEqual(['firing token_replay']);
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

  test('in quiet hours only what is critical is sent, and after them what still lasts', async () => {
    const now = new Date();
    const clock = (minutes: number) => new Date(now.getTime() + minutes * 60_000).toISOString().slice(11, 16);
    const { target_id: id } = await harness.target({ quiet_from: clock(-60), quiet_until: clock(60) });
    const [, gone = ''] = await harness.incidents('token_replay', 'ada', 'bob');
    await harness.incidents('state_rewound', 'c');
    await harness.run();
    expect(told()).toEqual([['firing state_rewound']]);
    await harness.changeIncident(gone, 'closed');
    await harness.log.raw('UPDATE alert_targets SET quiet_from = NULL, quiet_until = NULL WHERE id = $1', [id]);
    await harness.run();
    expect(told()[1]).toEqual(['firing token_replay']);
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

describe('escalation', () => {
  const two = async () => {
    const boss = await harness.target({ name: 'boss', url: `${harness.origin}/boss`, only_escalated: true });
    const first = await harness.target({ name: 'first', escalates_to: boss.target_id, escalates_after_minutes: 10 });
    return { boss, first };
  };

  test('an alert that is not acknowledged in time goes to the next target, once, and its end to both', async () => {
    await two();
    const [incident = ''] = await harness.incidents('token_replay', 'ada');
    await harness.run();
    await harness.pass(9 * 60);
    await harness.run();
    expect(told('/boss')).toEqual([]);
    await harness.pass(2 * 60);
    await harness.run();
    await harness.run();
    expect(told('/boss')).toEqual([['escalated token_replay']]);
    await harness.changeIncident(incident, 'closed');
    await harness.run();
    expect([told('/boss')[1], told()[1]]).toEqual([['resolved token_replay'], ['resolved token_replay']]);
  });

  test('an acknowledged one does not, whether the incident or the alert was acknowledged', async () => {
    const { boss } = await two();
    const [incident = ''] = await harness.incidents('token_replay', 'ada');
    await harness.control('restore-drill', 'fail', 'pass');
    await harness.run();
    await harness.changeIncident(incident, 'acknowledged');
    const control = (await alerts()).find(({ source }) => source === 'control');
    const change = { alert_id: control?.alert_id ?? '', reason };
    const acknowledged = await acknowledgeAlert(harness.log, change, testCaller);
    expect(acknowledged).toMatchObject({ state: 'acknowledged', acknowledged_by: 'system:test', resolved_at: null });
    await harness.pass(11 * 60);
    await harness.run();
    expect(told('/boss')).toEqual([]);
    expect((await alerts()).map(({ state }) => state)).toEqual(['acknowledged', 'acknowledged']);
    expect(await resolveAlert(harness.log, change, testCaller)).toMatchObject({ state: 'resolved' });
    await expect(resolveAlert(harness.log, change, testCaller)).rejects.toMatchObject({ code: 'alert_resolved' });
    await harness.run();
    expect(told().at(-1)).toEqual(['resolved restore-drill']);
    await removeAlertTarget(harness.log, { target_id: boss.target_id, reason }, testCaller);
    expect((await listAlertTargets(harness.log)).targets).toMatchObject([{ name: 'first', escalates_to: null }]);
  });
});

describe('a target that is down', () => {
  test('gets everything once it is back, each alert once and in order, and others do not wait for it', async () => {
    const { target_id: id } = await harness.target({});
    await harness.target({ name: 'other', url: `${harness.origin}/other` });
    harness.answerWith(({ url }) => (url === '/other' ? 204 : 503));
    const [first = ''] = await harness.incidents('token_replay', 'ada');
    for (let n = 0; n < 6; n += 1) {
      await harness.run();
      await harness.pass(400);
    }
    const tries = harness.arrived.filter(({ url }) => url === '/alerts');
    // One message, tried with the same id each time.
    expect(new Set(tries.map((one) => eventOf(one).id)).size).toBe(1);
    expect((await listAlertTargets(harness.log)).targets).toMatchObject([{ waiting: 1 }, { waiting: 0 }]);
    expect(harness.logged).toContainEqual({
      target: expect.any(String),
      message: 'a target of alerts is down; its messages wait',
    });
    await harness.changeIncident(first, 'closed');
    await harness.incidents('token_replay', 'ada', 'bob');
    await harness.incidents('unusual_passkey', 'cy');
    await harness.run();
    harness.arrived.length = 0;
    harness.answerWith(() => 204);
    for (let n = 0; n < 4; n += 1) {
      await harness.pass(61);
      await harness.run();
    }
    expect(told().flat().sort()).toEqual(
      [
        'firing token_replay',
        'resolved token_replay',
        'firing token_replay',
        'firing token_replay',
        'firing unusual_passkey',
      ].sort(),
    );
    const order = told()
      .flat()
      .filter((line) => line.endsWith('token_replay'));
    expect(order.slice(0, 2)).toEqual(['firing token_replay', 'resolved token_replay']);
    expect(JSON.stringify(harness.logged)).not.toContain(harness.origin);
    expect(await deliveries(id)).toMatchObject(Array(3).fill({ status: 'sent' }));
  });

  test('a message that it cannot read is given up after six attempts, with an event', async () => {
    const { target_id: id } = await harness.target({ name: 'picky' });
    harness.answerWith(() => 400);
    await harness.incidents('token_replay', 'ada');
    for (let n = 0; n < 7; n += 1) {
      await harness.run();
      await harness.pass(400);
    }
    expect(await deliveries(id)).toMatchObject([{ status: 'given_up', attempts: 6, failure: 'http_400' }]);
    const events = await harness.log.raw(`SELECT detail FROM audit_outbox WHERE type = 'alert.given_up'`);
    expect(events).toEqual([{ detail: { name: 'picky', code: 'http_400', attempts: 6, firing: 1, resolved: 0 } }]);
  });

  test('a private address is refused by the outbound guard unless it is allowed', async () => {
    const { createHandoffTransport } = await import('#services/worker/handoff.ts');
    const guarded = { ...harness.ports, alerts: { transport: createHandoffTransport({ allowsPrivate: false }) } };
    const { target_id: id } = await harness.target({ url: `${harness.origin.replace('http', 'https')}/alerts` });
    await testAlertTarget(harness.log, { target_id: id }, testCaller);
    const { sendAlerts } = await import('./send-alerts.ts');
    const { takeFence } = await import('#services/platform/queue/fences.ts');
    const fence = await takeFence(harness.log.sql, 'send-alerts');
    await sendAlerts(guarded, { fence, signal: new AbortController().signal }, testCaller);
    expect(harness.arrived).toEqual([]);
    expect(await deliveries(id)).toMatchObject([{ kind: 'test', status: 'waiting', failure: 'OutboundRefused' }]);
  });
});

describe('kinds of targets', () => {
  test('a Slack URL is encrypted at rest and shown nowhere; what others wrote is no link or mention', async () => {
    const secret = 'T000/B000/XXXXXXXXXXXXXXXX';
    const made = await harness.target({ kind: 'slack', url: `${harness.origin}/services/${secret}` });
    expect(made.destination).toBe(`${harness.origin}/…`);
    const labels = { alertname: '<!channel> *x* & <https://evil.test|ok>' };
    await receiveAlertmanager(harness.log, {
      alerts: [{ status: 'firing', labels, annotations: {}, fingerprint: 'e1' }],
    });
    await harness.run();
    const [{ body, url, headers }] = harness.arrived as [Arrived];
    expect(url).toBe(`/services/${secret}`);
    expect(headers['idempotency-key']).toMatch(/^"[\da-f-]{36}"$/);
    const { text, blocks } = JSON.parse(body);
    expect(text).toContain('&lt;!channel&gt; *x* &amp; &lt;https://evil.test|ok&gt;');
    expect(blocks.every((block: { text: { type: string } }) => block.text.type === 'plain_text')).toBe(true);
    const stored = await harness.log.raw(
      `SELECT to_jsonb(t)::text AS row FROM alert_targets t UNION ALL SELECT detail::text FROM audit_outbox`,
    );
    expect(JSON.stringify([stored, await listAlertTargets(harness.log), harness.logged])).not.toContain('XXXXXXXX');
  });

  test('a mail goes through the outbox; the next of its group waits until it was sent', async () => {
    const { target_id: id } = await harness.target({ kind: 'mail', to: 'On-Call@Example.com' });
    const folder = await openMailFolder(harness.log);
    try {
      await harness.incidents('token_replay', 'ada');
      await harness.run();
      await harness.incidents('token_replay', 'bob');
      await harness.run();
      await harness.pass(3);
      await harness.run();
      expect(await deliveries(id)).toMatchObject([{ status: 'waiting', firing: 1, attempts: 1 }]);
      const [first, ...none] = await folder.to('on-call@example.com');
      expect(none).toEqual([]);
      expect(first?.subject).toBe('[high] 1 alert firing: token_replay');
      expect(first?.text).toContain('FIRING high token_replay');
      await harness.pass(3);
      await harness.run();
      await harness.run();
      expect((await folder.to('on-call@example.com')).length).toBe(2);
      await harness.log.raw(`UPDATE mail_outbox SET next_attempt_at = NULL, failure = 'smtp_550'`);
    } finally {
      await folder.close();
    }
  });

  test('a mail that the outbox gave up is given up here too', async () => {
    const { target_id: id } = await harness.target({ kind: 'mail', to: 'gone@example.com' });
    await testAlertTarget(harness.log, { target_id: id }, testCaller);
    await harness.run();
    await harness.log.raw(`UPDATE mail_outbox SET next_attempt_at = NULL, failure = 'smtp_550'`);
    await harness.pass(3);
    await harness.run();
    expect(await deliveries(id)).toMatchObject([{ kind: 'test', status: 'given_up', failure: 'smtp_550' }]);
  });

  test('a test says that the target works; a second one while it waits is the same', async () => {
    const { target_id: id } = await harness.target({});
    const [one, two] = [
      await testAlertTarget(harness.log, { target_id: id }, testCaller),
      await testAlertTarget(harness.log, { target_id: id }, testCaller),
    ];
    expect([one.status, two.delivery_id]).toEqual(['waiting', one.delivery_id]);
    await harness.run();
    expect(eventOf(harness.arrived[0] as Arrived)).toMatchObject({ type: 'alert.test', id: one.delivery_id });
    expect(await deliveries(id)).toMatchObject([{ kind: 'test', status: 'sent', attempts: 1 }]);
  });

  test.each([
    ['mail without an address', { kind: 'mail' }],
    ['mail to two addresses', { kind: 'mail', to: 'a@b.test, c@d.test' }],
    ['a webhook without a URL', { kind: 'webhook', url: undefined }],
    ['a webhook with credentials', { kind: 'webhook', url: 'https://user:pw@hooks.test/' }],
    ['a webhook of another scheme', { kind: 'webhook', url: 'file:///etc/passwd' }],
    ['a time zone that does not exist', { time_zone: 'Mars/Olympus' }],
    ['half of the quiet hours', { quiet_from: '22:00' }],
    ['an escalation to a target that does not exist', { escalates_to: '019f0000-0000-7000-8000-000000000000' }],
  ] as const)('%s is refused', async (_, input) => {
    await expect(harness.target(input as object)).rejects.toMatchObject({ code: 'alert_target_invalid' });
  });

  test('a name is taken once; an unknown target, alert and cursor are answered as such', async () => {
    await harness.target({ name: 'one' });
    await expect(harness.target({ name: 'one' })).rejects.toMatchObject({ code: 'alert_target_exists' });
    const id = '019f0000-0000-7000-8000-000000000000';
    await expect(testAlertTarget(harness.log, { target_id: id }, testCaller)).rejects.toMatchObject({
      code: 'alert_target_unknown',
    });
    await expect(acknowledgeAlert(harness.log, { alert_id: id, reason }, testCaller)).rejects.toMatchObject({
      code: 'alert_unknown',
    });
    await expect(listAlerts(harness.log, { limit: 1, cursor: 'x' })).rejects.toMatchObject({ code: 'cursor_invalid' });
  });
});
