// For tests only: a sealed log with incidents and controls, a receiver over HTTP, and one run of the job.
import { createPublicKey, verify } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { createKeyRing } from '#services/core/keys/key-ring.ts';
import { detections } from '#services/core/security/detections.ts';
import { acknowledgeIncident, closeIncident } from '#services/core/security/manage-incidents.ts';
import { raiseIncident } from '#services/core/security/raise-incident.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { addressRefusal } from '#services/platform/http/outbound.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { controlChanged } from '#services/wings/compliance/audit-events.ts';
import { controlAlerts } from '#services/wings/compliance/control-alerts.ts';
import { createHandoffTransport } from '#services/worker/handoff.ts';
import { type OwnLogHarness, openLogHarness } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { listening } from '#tools/testing/listening.ts';
import type { AlertTargetView, NewAlertTarget } from './contract.ts';
import type { AlertPace, SendAlertsPorts } from './deliver-alert.ts';
import { createAlertTarget, type HasAlertAddresses, listAlertDeliveries } from './manage-targets.ts';
import { sendAlerts } from './send-alerts.ts';

const ISSUER = 'https://auth.example.test';

export type Arrived = { readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: string };
type DetectionName = (typeof detections)[number]['name'];

type AlertsHarness = {
  readonly log: OwnLogHarness;
  readonly ports: SendAlertsPorts & HasAlertAddresses;
  /** Requests in the order of their arrival. */
  readonly arrived: Arrived[];
  readonly logged: object[];
  /** Origin of the receiver. */
  readonly origin: string;
  /** How the receiver answers from now on. */
  answerWith(answer: (arrived: Arrived) => number | Promise<number>): void;
  target(input: Partial<NewAlertTarget>): Promise<AlertTargetView>;
  /** Raises one sealed incident for each of these users. Returns their ids. */
  incidents(detection: DetectionName, ...userIds: readonly string[]): Promise<string[]>;
  changeIncident(id: string, state: 'acknowledged' | 'closed'): Promise<void>;
  control(name: string, outcome: 'pass' | 'fail' | 'unknown', before?: string): Promise<void>;
  seal(): Promise<void>;
  run(pace?: Partial<AlertPace>): Promise<{ readonly read: number; readonly planned: number; readonly taken: number }>;
  /** Lets time pass for what waits. */
  pass(seconds: number): Promise<void>;
  /** Removes targets, alerts, silences and incidents, and forgets what arrived. */
  clear(): Promise<void>;
  /** What arrived, as lines: which alerts began or ended. */
  told(at?: string): string[][];
  deliveries(targetId: string): Promise<Awaited<ReturnType<typeof listAlertDeliveries>>['deliveries']>;
  /** Whether a request has our signature (RFC 9421 §2.5), by its base as a receiver sees it. */
  isSigned(arrived: Arrived): boolean;
  close(): Promise<void>;
};

export const eventOf = ({ body }: Pick<Arrived, 'body'>) => JSON.parse(body);

/** On its own database, which `close` drops. */
export async function openAlertsHarness(): Promise<AlertsHarness> {
  const log = await openLogHarness();
  const keyRing = createKeyRing(log, loadConfig({}).keys);
  await keyRing.load();
  const arrived: Arrived[] = [];
  const logged: object[] = [];
  let answer: (one: Arrived) => number | Promise<number> = () => 204;
  const server = createServer(async (request, response) => {
    const one = { url: request.url ?? '', headers: request.headers, body: await text(request) };
    arrived.push(one);
    response.writeHead(await answer(one)).end();
  });
  const { url: origin, close } = await listening(server);
  const say = (fields: object, message: string): void => void logged.push({ ...fields, message });
  const ports: SendAlertsPorts & HasAlertAddresses = {
    ...log,
    log: { debug: say, info: say, warn: say, error: say },
    keyRing,
    mailer: { publicUrl: ISSUER, wake: () => {} },
    tokenSettings: { issuer: ISSUER, accessTokenSeconds: 900 },
    alerts: { transport: createHandoffTransport({ allowsPrivate: true }), rules: [controlAlerts] },
    alertAddresses: { refusalOf: (url) => addressRefusal({ allowsPrivate: true }, url) },
  };
  const seal = async (): Promise<void> => void (await sealEvents(log, {}, testCaller));
  const run: AlertsHarness['run'] = async (pace = {}) => {
    const fence = await takeFence(log.sql, 'send-alerts');
    const alerts = { ...ports.alerts, pace: { groupSeconds: 0, ...pace } };
    return sendAlerts({ ...ports, alerts }, { fence, signal: new AbortController().signal }, testCaller);
  };
  // The first run begins at the end of the log.
  await run();
  return {
    log,
    ports,
    arrived,
    logged,
    origin,
    answerWith: (given) => {
      answer = given;
    },
    target: (input) =>
      createAlertTarget(
        ports,
        {
          kind: 'webhook',
          sources: ['incident', 'control', 'alertmanager'],
          min_severity: 'low',
          reason: 'test',
          ...(input.kind === 'mail' ? {} : { url: `${origin}/alerts` }),
          ...input,
        },
        testCaller,
      ),
    incidents: async (name, ...userIds) => {
      const detection = detections.find((known) => known.name === name) as (typeof detections)[number];
      const ids: string[] = [];
      for (const id of userIds)
        ids.push((await raiseIncident(log.sql, log, testCaller, detection, { target: { kind: 'user', id } })).id);
      await seal();
      return ids;
    },
    changeIncident: async (incidentId, state) => {
      const change = state === 'closed' ? closeIncident : acknowledgeIncident;
      await change(log, { incident_id: incidentId, reason: 'test' }, testCaller);
      await seal();
    },
    control: async (name, outcome, before) => {
      await recordEvent(log.sql, testCaller, controlChanged, {
        outcome,
        target: { kind: 'control', id: name },
        detail: { clause: '45 CFR 164.312', ...(before === undefined ? {} : { before }) },
      });
      await seal();
    },
    seal,
    run,
    pass: async (seconds) => {
      await log.raw`UPDATE alert_deliveries SET next_attempt_at = next_attempt_at - make_interval(secs => ${seconds}),
        created_at = created_at - make_interval(secs => ${seconds}) WHERE next_attempt_at IS NOT NULL`;
      await log.raw`UPDATE alert_deliveries SET created_at = created_at - make_interval(secs => ${seconds})
        WHERE next_attempt_at IS NULL`;
      await log.raw`UPDATE alert_targets SET open_until = open_until - make_interval(secs => ${seconds})`;
    },
    clear: async () => {
      await log.raw`TRUNCATE alert_targets CASCADE`;
      // What was not read yet raises no alert in the next test.
      await seal();
      await run();
      await log.raw`TRUNCATE alerts, alert_silences, incidents CASCADE`;
      arrived.length = 0;
      logged.length = 0;
      answer = () => 204;
    },
    told: (at = '/alerts') =>
      arrived
        .filter(({ url }) => url === at)
        .map((one) =>
          eventOf(one).data.alerts.map((each: { status: string; name: string }) => `${each.status} ${each.name}`),
        ),
    deliveries: async (targetId) => (await listAlertDeliveries(log, { target_id: targetId, limit: 50 })).deliveries,
    isSigned: ({ headers, url }) => {
      const params = (headers['signature-input'] as string).replace(/^sallyport=/, '');
      const [, list = '', kid] = /^\(([^)]*)\).*;keyid="([^"]+)"/.exec(params) ?? [];
      const values: Record<string, unknown> = { ...headers, '@method': 'POST', '@target-uri': `${origin}${url}` };
      const lines = list.split(' ').map((name) => `${name}: ${values[name.slice(1, -1)]}`);
      const jwk = JSON.parse(keyRing.jwks().body).keys.find((key: { kid: string }) => key.kid === kid);
      const signature = Buffer.from((headers.signature as string).slice('sallyport=:'.length, -1), 'base64');
      const base = [...lines, `"@signature-params": ${params}`].join('\n');
      return verify(null, Buffer.from(base), createPublicKey({ key: jwk, format: 'jwk' }), signature);
    },
    close: async () => {
      await close();
      await log.end();
    },
  };
}
