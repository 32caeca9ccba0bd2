import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryStore, type PushedEvent } from '#examples/event-receiver/event-store.ts';
import { createEventReceiver } from '#examples/event-receiver/receiver.ts';
import { sealAuditEventsJob } from '#jobs/contracts/audit.ts';
import { pushHandoffsJob } from '#jobs/contracts/handoff.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { signIn, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { newPerson, type Person, pairOf } from '#tools/testing/flows/people.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { composeJobs } from '#tools/testing/harness/job.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import type { Composed } from './compose.ts';

/** Every event that the receiver acted on, and how many requests reached its port. */
const received: PushedEvent[] = [];
let requests = 0;
/** While true the receiver fails. */
let isDown = false;
let answer: RequestListener;
const server = createServer((request, response) => {
  requests += 1;
  if (isDown) response.writeHead(503).end();
  else answer(request, response);
});
let folder: string;
let harness: ApiHarness;
let api: ApiCopy;
let worker: Composed;
let ada: TestUser;
let admin: Person;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-handoff-'));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
  harness = await openApiHarness();
  api = await harness.startCopy();
  answer = createEventReceiver({
    api: api.url,
    issuer: API_URL,
    url,
    store: createMemoryStore((event) => void received.push(event)),
  });
  const env = { BETTER_AUTH_URL: API_URL, HANDOFF_ENDPOINTS: `siem=${url}`, HANDOFF_PRIVATE: 'true' };
  worker = await composeJobs(harness, [pushHandoffsJob, sealAuditEventsJob], { env, dataDir: folder });
  await worker.start();
  await eventually('the endpoint to be followed', async () => {
    return (await harness.rows`SELECT 1 FROM handoff_endpoints`).length > 0;
  });
  ada = await signUp({ api: api.url });
  admin = await newPerson(api, ['admin']);
});
afterAll(async () => {
  await worker?.drain(5_000);
  await harness?.close();
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

const sessionEvents = (sessionId: string) =>
  harness.rows`SELECT event_id AS id FROM audit_outbox WHERE type = 'session.created' AND target_id = ${sessionId}`;
/** Waits until the receiver has the event of this session. */
async function arrival({ sessionId }: TestUser): Promise<void> {
  const [event] = await eventually('the event of the session', async () => {
    const events = await sessionEvents(sessionId);
    return events.length > 0 && events;
  });
  await eventually('the receiver to have the event', () => received.some(({ id }) => id === event.id));
}

describe('sign-ins are pushed by a worker', () => {
  test('to a receiver that verifies them with the published keys, once and in order', async () => {
    const session = await signIn({ api: api.url }, ada);
    await arrival(session);
    const ofAda = () => received.filter(({ subject }) => subject === `user:${ada.id}`);
    for (const wanted of ['user.created', 'user.login'])
      await eventually(`the event ${wanted}`, () => ofAda().some(({ type }) => type === wanted));
    const own = ofAda();
    const order = own.map(({ data }) => data.seq);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(new Set(received.map(({ id }) => id)).size).toBe(received.length);
  });

  test('and do not wait for a target that is down: everything arrives once when it is up again', async () => {
    isDown = true;
    const before = requests;
    const sessions = [];
    for (let n = 0; n < 3; n += 1) sessions.push(await signIn({ api: api.url }, ada));
    await eventually('an attempt to fail', async () => {
      const [row] = await harness.rows`SELECT failures FROM handoff_endpoints`;
      return row.failures > 0;
    });
    sessions.push(await signIn({ api: api.url }, ada));
    expect(requests).toBeGreaterThan(before);
    isDown = false;
    for (const session of sessions) await arrival(session);
    await eventually('nothing to wait', async () => {
      return (await harness.rows`SELECT 1 FROM handoff_deliveries`).length === 0;
    });
    expect(new Set(received.map(({ id }) => id)).size).toBe(received.length);
  });

  test('and touch no table of the hand-off: they succeed while both are locked', async () => {
    const session = await harness.owner.transact(async (tx) => {
      const tables = 'handoff_endpoints, handoff_deliveries';
      await tx.query(defineStatement('')`LOCK TABLE ${tables} IN ACCESS EXCLUSIVE MODE`, []);
      return signIn({ api: api.url }, ada);
    });
    await arrival(session);
  });
});

describe('dead letters', () => {
  const path = '/v1/handoff/dead-letters';
  const json = { reason: 'the endpoint is fixed' };
  /** A dead letter of an event that exists. */
  async function newDeadLetter(): Promise<string> {
    const [row] = await harness.rows`
      INSERT INTO handoff_deliveries (id, endpoint, seq, subject, attempts, failure, failed_at, next_attempt_at)
      SELECT gen_random_uuid(), 'siem', seq, repeat('0', 64), 6, 'http_400', now(), NULL FROM audit_events
      WHERE type = 'user.login' ORDER BY seq LIMIT 1 RETURNING id`;
    return row.id;
  }

  test('are listed and replayed by an operator, and the receiver does not act on the event twice', async () => {
    const id = await newDeadLetter();
    const listed = await send(api.url, 'GET', path, { bearer: admin.bearer });
    expect(listed.body).toMatchObject({ count: 1, dead_letters: [{ delivery_id: id, endpoint: 'siem', attempts: 6 }] });
    const before = requests;
    const replayed = await send(api.url, 'POST', `${path}/${id}/replay`, { bearer: admin.bearer, json });
    expect([replayed.status, replayed.body.delivery_id]).toEqual([200, id]);
    await eventually('the event to be accepted again', async () => {
      return (await harness.rows`SELECT 1 FROM handoff_deliveries WHERE id = ${id}`).length === 0;
    });
    expect(requests).toBeGreaterThan(before);
    expect(received.filter(({ data }) => data.seq === replayed.body.seq)).toHaveLength(1);
    const again = await send(api.url, 'POST', `${path}/${id}/replay`, { bearer: admin.bearer, json });
    expectProblem(again, 404, 'handoff_unknown');
  });

  test('are replayed only by a caller with the permission and a recent sign-in', async () => {
    const id = await newDeadLetter();
    const other = await newPerson(api);
    const stale = await pairOf(api, admin, Math.floor(Date.now() / 1_000) - 86_400);
    for (const [bearer, code] of [
      [other.bearer, 'permission_missing'],
      [stale.bearer, 'step_up_required'],
    ] as const)
      expectProblem(await send(api.url, 'POST', `${path}/${id}/replay`, { bearer, json }), 403, code);
    expect(await harness.rows`SELECT attempts FROM handoff_deliveries WHERE id = ${id}`).toEqual([{ attempts: 6 }]);
  });
});
