// The product with a worker of its own, a mail server, a webhook and a channel that takes Slack's messages.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { type SmtpServer, startSmtpServer } from '#tools/testing/fakes/smtp-server.ts';
import { clientToken, newClient } from '#tools/testing/flows/flows.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { type ProductHarness, startProductHarness } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { parseMail } from '#tools/testing/mail-folder.ts';

/** A message as its reader sees it: its id where it has one, and one line for each alert. */
type Message = { readonly id?: string; readonly lines: readonly string[] };
const TARGETS = ['webhook', 'slack', 'mail'] as const;
type Target = (typeof TARGETS)[number];

const messages: Record<Target, Message[]> = { webhook: [], slack: [], mail: [] };
let isDown = false;
let attempts = 0;
let smtp: SmtpServer;
let harness: ProductHarness;
let bearer: string;

const LINE = /(FIRING|RESOLVED) \w+ (\w+): (\S+)/g;
const linesOf = (shown: string): string[] =>
  [...shown.matchAll(LINE)].map(([, what = '', , summary]) => `${what.toLowerCase()} ${summary}`);

function take(url: string, body: string): void {
  const json = JSON.parse(body);
  if (url === '/slack') {
    messages.slack.push({ lines: linesOf(json.text) });
    return;
  }
  const lines = json.data.alerts.map(
    (alert: { status: string; summary: string }) => `${alert.status} ${alert.summary}`,
  );
  messages.webhook.push({ id: json.id, lines });
}
const server = createServer(async (request, response) => {
  const body = await text(request);
  if (isDown) attempts += 1;
  else take(request.url ?? '', body);
  response.writeHead(isDown ? 503 : 204).end();
});

/** Mails that arrived join the others. */
function readMails(): void {
  for (const { data } of smtp.taken.splice(0)) {
    const { text: shown } = parseMail(data);
    messages.mail.push({ lines: linesOf(shown.replaceAll(/\s+/g, ' ')) });
  }
}
const rows = rawSql((text, values) => queryRows(harness.databaseUrl)(text, values));

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  smtp = await startSmtpServer((to) => {
    if (isDown && to === 'on-call@people.test') attempts += 1;
    return isDown ? '451 4.3.0 try again later' : undefined;
  });
  harness = await startProductHarness({
    WORKER_COPIES: '1',
    ALERTS_PRIVATE: 'true',
    SMTP_URL: smtp.url,
    MAIL_FROM: 'Sallyport <no-reply@sallyport.test>',
  });
  const { api } = harness.product;
  const credential_scopes = ['alerts:manage', 'alerts:read', 'alerts:receive'];
  const client = await newClient(harness.product, { credential_scopes });
  bearer = await clientToken({ api, credentials: { client } });
  // Controls turn red and green as they like.
  const all = { sources: ['alertmanager'], reason: 'test' };
  for (const target of [
    { kind: 'webhook', url: `${origin}/alerts` },
    { kind: 'slack', url: `${origin}/slack` },
    { kind: 'mail', to: 'on-call@people.test' },
  ])
    expect(
      (await send(api, 'POST', '/v1/admin/alert-targets', { basic: client, json: { ...target, ...all } })).status,
    ).toBe(201);
});
afterAll(async () => {
  await harness?.close();
  await smtp?.close();
  server.closeAllConnections();
  server.close();
});
/** Reports of a monitoring system: `firing disk-1`. The name of the group is what precedes the dash. */
async function report(...reports: readonly string[]): Promise<void> {
  const alerts = reports.map((each) => {
    const [status, summary = ''] = each.split(' ');
    const fingerprint = Buffer.from(summary).toString('hex');
    const labels = { alertname: summary.replace(/-.*/, ''), severity: 'critical' };
    return { status, labels, annotations: { summary }, fingerprint };
  });
  const path = '/v1/alerts/alertmanager';
  expect((await send(harness.product.api, 'POST', path, { bearer, json: { version: '4', alerts } })).status).toBe(200);
}

/** What waits has waited for so long. The jobs of a queue run one at a time, so no attempt is made twice by this. */
async function pass(seconds: number): Promise<void> {
  const back = 'make_interval(secs => $1)';
  for (const change of [
    `alert_deliveries SET created_at = created_at - ${back}, next_attempt_at = next_attempt_at - ${back}`,
    `alert_targets SET open_until = open_until - ${back}`,
    `mail_outbox SET next_attempt_at = next_attempt_at - ${back}`,
  ])
    await rows(`UPDATE ${change}`, [seconds]);
}

/** Lets minutes pass until it is so. */
const eventuallyAfter = (what: string, isSo: () => boolean | Promise<boolean>): Promise<true> =>
  eventually(what, async () => {
    if (await isSo()) return true;
    await pass(60);
    await sleep(300);
    return false;
  });
const untilTold = (isTold: (of: readonly Message[]) => boolean): Promise<true> =>
  eventuallyAfter('every target to be told', () => {
    readMails();
    return TARGETS.every((target) => isTold(messages[target]));
  });

test('targets that were all down for an hour are told of everything when they are back: once, and in order', async () => {
  isDown = true;
  attempts = 0;
  await report('firing disk-1', 'firing link-1');
  // The mail server too: twice at each target, and the circuit of those that are asked directly opens.
  await eventuallyAfter('attempts to fail', async () => {
    const [row] = await rows<{ failing: number }>`SELECT count(*)::int AS failing FROM alert_targets
      WHERE failures >= 3`;
    const [mail] = await rows`SELECT 1 FROM mail_outbox WHERE attempts >= 2`;
    return row!.failing >= 2 && mail !== undefined;
  });
  await report('firing disk-2', 'resolved disk-1');
  await pass(3_600);
  const before = attempts;
  await eventuallyAfter('attempts after an hour', () => attempts >= before + 3);
  await report('firing disk-3');
  isDown = false;
  const due = ['firing disk-1', 'firing disk-2', 'resolved disk-1', 'firing disk-3', 'firing link-1'];
  await untilTold((of) => due.every((line) => of.some(({ lines }) => lines.includes(line))));
  for (const target of TARGETS) {
    const told = messages[target].flatMap(({ lines }) => lines);
    expect([target, told.toSorted()]).toEqual([target, due.toSorted()]);
    const ofDisk = told.filter((line) => line.includes('disk'));
    expect([target, ofDisk.filter((line) => line.startsWith('firing'))]).toEqual([
      target,
      ['firing disk-1', 'firing disk-2', 'firing disk-3'],
    ]);
    expect(ofDisk.indexOf('resolved disk-1')).toBeGreaterThan(ofDisk.indexOf('firing disk-1'));
  }
  // A mail that arrived counts as sent once the outbox was asked.
  await eventuallyAfter(
    'every message to count as sent',
    async () => (await rows`SELECT 1 FROM alert_deliveries WHERE sent_at IS NULL`).length === 0,
  );
  expect(new Set(messages.webhook.map(({ id }) => id)).size).toBe(messages.webhook.length);
});
