import { expect, test } from 'vitest';
import { newPerson } from '#tools/testing/flows/people.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openApiKeyHarness } from './api-keys-harness.ts';

// The addresses of targets here are names that lead nowhere, which is asked only of public addresses.
const harness = opened(() => openApiKeyHarness({ ALERTS_PRIVATE: 'true' }));
const admin = opened(() => newPerson(harness.api, ['admin']));

const ask = (method: string, path: string, bearer: string, json?: object) =>
  send(harness.api.url, method, path, { bearer, ...(json === undefined ? {} : { json }) });

test('an API key with alerts:receive alone reports alerts as Alertmanager sends them, and nothing else', async () => {
  const { secret } = await harness.makeKey({ bearer: admin.bearer }, { permissions: ['alerts:receive'] });
  const report = {
    version: '4',
    groupKey: '{}:{alertname="DiskFull"}',
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'sallyport',
    groupLabels: { alertname: 'DiskFull' },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://alertmanager.test',
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'DiskFull', severity: 'critical' },
        annotations: { summary: '90 % full' },
        startsAt: '2026-11-25T12:00:00Z',
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: 'http://prometheus.test/graph',
        fingerprint: '3f7a90c1d2e4b586',
      },
    ],
  };
  const taken = await ask('POST', '/v1/alerts/alertmanager', secret, report);
  expect([taken.status, taken.body]).toEqual([200, { raised: 1, repeated: 0, resolved: 0 }]);
  expectProblem(await ask('GET', '/v1/admin/alerts', secret), 403, 'permission_missing');
  const ofOtherVersion = await ask('POST', '/v1/alerts/alertmanager', secret, { ...report, version: '3' });
  expectProblem(ofOtherVersion, 400, 'request_invalid');
  const { body } = await ask('GET', '/v1/admin/alerts?state=firing', admin.bearer);
  expect(body.alerts).toMatchObject([{ source: 'alertmanager', name: 'DiskFull', severity: 'critical', count: 1 }]);
});

test('an administrator names a target, tests it without a body, and silences; the answers never show a Slack URL', async () => {
  const { bearer } = admin;
  const url = 'https://hooks.slack.test/services/T0/B0/secret';
  const made = await ask('POST', '/v1/admin/alert-targets', bearer, { kind: 'slack', url, reason: 'on call' });
  expect([made.status, made.body]).toMatchObject([
    201,
    { kind: 'slack', destination: 'https://hooks.slack.test/…', min_severity: 'medium', waiting: 0, is_down: false },
  ]);
  const path = `/v1/admin/alert-targets/${made.body.target_id}`;
  const tested = await ask('POST', `${path}/test`, bearer);
  expect([tested.status, tested.body]).toMatchObject([202, { kind: 'test', status: 'waiting' }]);
  const { body } = await ask('GET', `${path}/deliveries`, bearer);
  expect(body.deliveries).toMatchObject([{ delivery_id: tested.body.delivery_id }]);
  const until = new Date(Date.now() + 60_000).toISOString();
  const silence = { matchers: ['name=DiskFull'], until, reason: 'known' };
  expect((await ask('POST', '/v1/admin/silences', bearer, silence)).status).toBe(201);
  const other = await newPerson(harness.api);
  for (const each of [made.text, JSON.stringify(body), (await ask('GET', '/v1/admin/alert-targets', bearer)).text])
    expect(each).not.toContain('secret');
  expectProblem(await ask('GET', '/v1/admin/alert-targets', other.bearer), 403, 'permission_missing');
});

test('an administrator changes a target: what is not named stays, and a replaced URL is in no answer or event', async () => {
  const { bearer } = admin;
  const url = 'https://hooks.slack.test/services/T0/B0/first-secret';
  const given = { kind: 'slack', name: 'duty', url, sources: ['incident'], reason: 'on call' };
  const { body: made } = await ask('POST', '/v1/admin/alert-targets', bearer, given);
  const path = `/v1/admin/alert-targets/${made.target_id}`;
  const change = (changes: object) => ask('PATCH', path, bearer, { reason: 'test', ...changes });
  const moved = await change({ url: 'https://chat.test/hooks/second-secret', min_severity: 'critical' });
  expect([moved.status, moved.body]).toEqual([
    200,
    { ...made, destination: 'https://chat.test/…', min_severity: 'critical' },
  ]);
  const night = { sources: ['control'], name: 'night' };
  expect((await change(night)).body).toMatchObject({ ...night, min_severity: 'critical' });
  expectProblem(await change({ to: 'a@b.test' }), 400, 'alert_target_invalid');
  await ask('POST', '/v1/admin/alert-targets', bearer, { ...given, name: 'desk' });
  expectProblem(await change({ name: 'desk' }), 409, 'alert_target_exists');
  const unknown = '/v1/admin/alert-targets/00000000-0000-4000-8000-000000000000';
  expectProblem(await ask('PATCH', unknown, bearer, { reason: 'test' }), 404, 'alert_target_unknown');
  const events = await harness.rows`SELECT outcome, detail FROM audit_outbox
    WHERE type = 'alert.target_changed' AND detail ->> 'target_id' = ${made.target_id}`;
  expect(events.map(({ outcome, detail }) => [outcome, detail.name, detail.changed])).toEqual([
    ['created', 'duty', undefined],
    ['changed', 'duty', ['url', 'min_severity']],
    ['changed', 'night', ['sources', 'name']],
  ]);
  expect(moved.text + JSON.stringify(events)).not.toContain('secret');
});
