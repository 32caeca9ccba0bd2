import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { addressRefusal } from '#services/platform/http/outbound.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { type Arrived, eventOf, openAlertsHarness } from './alerts-harness.ts';
import { acknowledgeAlert, listAlerts } from './manage-alerts.ts';
import { createAlertTarget, listAlertTargets, testAlertTarget, updateAlertTarget } from './manage-targets.ts';
import { receiveAlertmanager } from './receive-alertmanager.ts';

const harness = opened(openAlertsHarness);
beforeEach(() => harness.clear());

const reason = 'test';

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
  expect(harness.told('/alerts')).toEqual([]);
  expect(harness.told('/new').flat().sort()).toEqual(['firing state_rewound', 'firing token_replay']);
});

describe('a target that is down', () => {
  test('does not delay another; what lasted and ended meanwhile follows in order, and the log names no address', async () => {
    const { target_id: id } = await harness.target({});
    await harness.target({ name: 'other', url: `${harness.origin}/other` });
    harness.answerWith(({ url }) => (url === '/other' ? 204 : 503));
    const [first = ''] = await harness.incidents('token_replay', 'ada');
    for (let n = 0; n < 4; n += 1) {
      await harness.run();
      await harness.pass(400);
    }
    expect((await listAlertTargets(harness.log)).targets).toMatchObject([{ waiting: 1 }, { waiting: 0 }]);
    const message = 'a target of alerts is down; its messages wait';
    expect(harness.logged).toContainEqual({ target: expect.any(String), message });
    await harness.changeIncident(first, 'closed');
    await harness.incidents('token_replay', 'ada', 'bob');
    harness.arrived.length = 0;
    harness.answerWith(() => 204);
    for (let n = 0; n < 4; n += 1) {
      await harness.pass(61);
      await harness.run();
    }
    const lasts = 'firing token_replay';
    expect(harness.told().flat()).toEqual([lasts, 'resolved token_replay', lasts, lasts]);
    expect(JSON.stringify(harness.logged)).not.toContain(harness.origin);
    expect(await harness.deliveries(id)).toMatchObject(Array(2).fill({ status: 'sent' }));
  });

  test('a private address is refused by the outbound guard unless it is allowed', async () => {
    const { createHandoffTransport } = await import('#services/worker/handoff.ts');
    const guarded = {
      ...harness.ports,
      alerts: { transport: createHandoffTransport({ allowsPrivate: false }), rules: [] },
    };
    const { target_id: id } = await harness.target({ url: `${harness.origin.replace('http', 'https')}/alerts` });
    await testAlertTarget(harness.log, { target_id: id }, testCaller);
    const { sendAlerts } = await import('./send-alerts.ts');
    const { takeFence } = await import('#services/platform/queue/fences.ts');
    const fence = await takeFence(harness.log.sql, 'send-alerts');
    await sendAlerts(guarded, { fence, signal: new AbortController().signal }, testCaller);
    expect(harness.arrived).toEqual([]);
    expect(await harness.deliveries(id)).toMatchObject([
      {
        ...{ kind: 'test', status: 'waiting', failure: 'private_address' },
        explanation: expect.stringContaining('ALERTS_PRIVATE=true'),
      },
    ]);
  });
});

describe('an address to which nothing can ever be delivered', () => {
  const strict = (refusal: (url: string) => Promise<string | undefined>) => ({
    ...harness.ports,
    alertAddresses: { refusalOf: refusal },
  });
  const guarded = () => strict((url) => addressRefusal({ allowsPrivate: false }, url));
  const settings = {
    min_severity: 'low' as const,
    reason: 'test',
    kind: 'webhook' as const,
    sources: ['incident' as const],
  };
  const refusal = (words: string) => ({
    code: 'alert_target_invalid',
    options: { detail: expect.stringContaining(words) },
  });

  test.each([
    ['https://127.0.0.1/hook', 'ALERTS_PRIVATE=true'],
    ['https://localhost/hook', 'ALERTS_PRIVATE=true'],
    ['http://hooks.example.com/hook', 'ALERTS_PRIVATE=true'],
  ])('%s is refused when the target is made or moved, with the setting to change', async (url, words) => {
    await expect(createAlertTarget(guarded(), { ...settings, url }, testCaller)).rejects.toMatchObject(refusal(words));
    const { target_id: id } = await harness.target({});
    const moved = updateAlertTarget(guarded(), { target_id: id, url, reason: 'test' }, testCaller);
    await expect(moved).rejects.toMatchObject(refusal(words));
  });
});

describe('kinds of targets', () => {
  test('a Slack URL is encrypted at rest and shown nowhere; what others wrote is no link or mention', async () => {
    const secret = 'T000/B000/XXXXXXXXXXXXXXXX';
    const made = await harness.target({ kind: 'slack', url: `${harness.origin}/services/${secret}` });
    expect(made.destination).toBe(`${harness.origin}/…`);
    const labels = { alertname: '<!channel> *x* & <https://evil.test|ok>\r\nRESOLVED all' };
    const alert = { status: 'firing', labels, annotations: {}, fingerprint: 'e1' } as const;
    await receiveAlertmanager(harness.log, { alerts: [alert] }, testCaller);
    await harness.run();
    const [{ body, url, headers }] = harness.arrived as [Arrived];
    expect(url).toBe(`/services/${secret}`);
    expect(headers['idempotency-key']).toMatch(/^"[\da-f-]{36}"$/);
    const { text, blocks } = JSON.parse(body);
    expect(text).toContain('&lt;!channel&gt; *x* &amp; &lt;https://evil.test|ok&gt; RESOLVED all');
    // The headline and one line for the alert: no line of the alert's own.
    expect(text.split('\n')).toHaveLength(2);
    expect(blocks.every((block: { text: { type: string } }) => block.text.type === 'plain_text')).toBe(true);
    const stored = await harness.log
      .raw`SELECT to_jsonb(t)::text AS row FROM alert_targets t UNION ALL SELECT detail::text FROM audit_outbox`;
    expect(JSON.stringify([stored, await listAlertTargets(harness.log), harness.logged])).not.toContain('XXXXXXXX');
  });

  test('a mail goes through the outbox; the next of its group waits until it was sent', async () => {
    const { target_id: id } = await harness.target({ kind: 'mail', to: 'On-Call@Example.com' });
    const folder = await openMailFolder(harness.log);
    onTestFinished(() => folder.close());
    await harness.incidents('token_replay', 'ada');
    await harness.run();
    await harness.incidents('token_replay', 'bob');
    await harness.run();
    await harness.pass(3);
    await harness.run();
    expect(await harness.deliveries(id)).toMatchObject([{ status: 'waiting', firing: 1, attempts: 1 }]);
    const [first, ...none] = await folder.to('on-call@example.com');
    expect([none, first?.subject]).toEqual([[], '[high] 1 alert firing: token_replay']);
    expect(first?.text).toContain('FIRING high token_replay');
    await harness.pass(3);
    await harness.run();
    await harness.run();
    expect((await folder.to('on-call@example.com')).length).toBe(2);
    await harness.log.raw`UPDATE mail_outbox SET next_attempt_at = NULL, failure = 'smtp_550'`;
  });

  test('a mail that the outbox gave up is given up here too', async () => {
    const { target_id: id } = await harness.target({ kind: 'mail', to: 'gone@example.com' });
    await testAlertTarget(harness.log, { target_id: id }, testCaller);
    await harness.run();
    await harness.log.raw`UPDATE mail_outbox SET next_attempt_at = NULL, failure = 'smtp_550'`;
    await harness.pass(3);
    await harness.run();
    expect(await harness.deliveries(id)).toMatchObject([{ kind: 'test', status: 'given_up', failure: 'smtp_550' }]);
    const events = await harness.log.raw`SELECT detail FROM audit_outbox WHERE type = 'alert.given_up'`;
    expect(events).toMatchObject([{ detail: { code: 'smtp_550', firing: 0, resolved: 0 } }]);
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
    expect(await harness.deliveries(id)).toMatchObject([{ kind: 'test', status: 'sent', attempts: 1 }]);
  });

  test.each([
    ['mail without an address', { kind: 'mail' }],
    ['mail to two addresses', { kind: 'mail', to: 'a@b.test, c@d.test' }],
    ['a webhook without a URL', { kind: 'webhook', url: undefined }],
    ['a webhook with credentials', { kind: 'webhook', url: 'https://user:pw@hooks.test/' }],
    ['a webhook of another scheme', { kind: 'webhook', url: 'file:///etc/passwd' }],
  ] as const)('%s is refused', async (_, input) => {
    await expect(harness.target(input as object)).rejects.toMatchObject({ code: 'alert_target_invalid' });
  });

  test('a name is taken once; an unknown target, alert and cursor are answered as such', async () => {
    await harness.target({ name: 'one' });
    await expect(harness.target({ name: 'one' })).rejects.toMatchObject({ code: 'alert_target_exists' });
    const id = '019f0000-0000-7000-8000-000000000000';
    expect(await outcomeOf(testAlertTarget(harness.log, { target_id: id }, testCaller))).toBe('alert_target_unknown');
    expect(await outcomeOf(acknowledgeAlert(harness.log, { alert_id: id, reason }, testCaller))).toBe('alert_unknown');
    await expect(listAlerts(harness.log, { limit: 1, cursor: 'x' })).rejects.toMatchObject({ code: 'cursor_invalid' });
  });
});
