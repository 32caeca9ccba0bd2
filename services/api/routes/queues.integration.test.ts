import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { queueNames } from '#jobs/schedules.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { signIn, signUp } from '#tools/testing/flows/flows.ts';
import { composeWorker, effectJob, effectJobId } from '#tools/testing/harness/job.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { readyProducer } from '#tools/testing/harness/redis.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

const BOARD = '/v1/admin/queues';
let admin: string;
let person: string;

// Without a worker, which would run the jobs that these tests inspect.
const harness = opened(startProductHarness);
const product = partOf(() => harness.product);
const producer = opened(() => readyProducer(product.credentials.redis_url));
beforeAll(async () => {
  admin = (await signIn(product, product.credentials.admin)).cookie;
  person = (await signUp(product)).cookie;
});
beforeEach(() => producer.queue('audit-seal').obliterate({ force: true }));
// Stopped rather than killed, so that it reports coverage.
afterAll(() => product?.stop());

const look = (path: string, cookie?: string) =>
  send(product.api, 'GET', BOARD + path, cookie === undefined ? {} : { cookie });
const change = (path: string, cookie = admin, origin = product.api) =>
  send(product.api, 'PUT', BOARD + path, { cookie, headers: { origin } });
const stateOf = (ownId: string) => producer.queue('audit-seal').getJobState(effectJobId(ownId));
const changes = () =>
  queryRows(product.credentials.database_url)`SELECT actor_kind, target_id, detail FROM audit_outbox
    WHERE type = 'operations.queue_changed' ORDER BY id`;

async function deadLetter(jobId: string): Promise<void> {
  const worker = composeWorker({
    databaseUrl: product.credentials.database_url,
    redisUrl: product.credentials.redis_url,
    processors: [
      {
        job: effectJob,
        work: async () => {
          throw permissionMissing();
        },
      },
    ],
  });
  await worker.start();
  await producer.enqueue(effectJob, {}, { jobId });
  await eventually('the dead letter', async () => (await stateOf(jobId)) === 'failed');
  await worker.drain(5_000);
}

const PATHS = ['', ...'/ /queue/audit-seal /api/queues /api/redis/stats /static/favicon.ico /no/such/thing'.split(' ')];

test.each(PATHS)('%j needs the permission to manage queues', async (path) => {
  expectProblem(await look(path), 401, 'unauthenticated');
  expectProblem(await look(path, person), 403, 'permission_missing');
});

test('the page and its assets come from this origin, under a policy that allows no other', async () => {
  for (const path of ['', '/', '/queue/audit-seal', '/queue/audit-seal/1', '/job-schedulers']) {
    const page = await look(path, admin);
    expect([path, page.status, page.headers.get('content-type')]).toEqual([path, 200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    expect(page.text).not.toMatch(/(src|href)="https?:/);
    expect(page.text).not.toContain('<%');
  }
  const { text } = await look('', admin);
  expect(text).toContain(`<base href="${BOARD}/" />`);
  const files = [...text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file]) => file);
  expect(files.length).toBeGreaterThan(4);
  for (const file of files) expect([file, (await look(`/${file}`, admin)).status]).toEqual([file, 200]);
});

test('its API shows the queues and a dead letter by code', async () => {
  await deadLetter('shown');
  const { body } = await look('/api/queues?activeQueue=audit-seal&status=failed', admin);
  const queue = body.queues.find(({ name }: { name: string }) => name === 'audit-seal');
  // A sealing job that the product enqueued meanwhile is unknown to this worker and becomes a dead letter too.
  expect(queue.counts.failed).toBe(queue.jobs.length);
  expect(queue.jobs).toContainEqual(
    expect.objectContaining({ id: effectJobId('shown'), failedReason: 'permission_missing' }),
  );
});

test('a retry happens only after it is in the audit log; from another origin’s page it is refused', async () => {
  await deadLetter('again');
  const path = `/api/queues/audit-seal/${effectJobId('again')}/retry/failed`;
  const before = (await changes()).length;
  expectProblem(await change(path.replace('/failed', ''), admin, 'https://evil.example'), 403, 'origin_refused');
  expect(await stateOf('again')).toBe('failed');
  expect((await changes()).length).toBe(before);
  const retried = await change(path.replace('/failed', ''));
  expect(retried.status, retried.text).toBeLessThan(300);
  expect(await stateOf('again')).toBe('waiting');
  expect((await changes()).slice(before)).toEqual([
    { actor_kind: 'user', target_id: 'audit-seal', detail: { action: 'retry', job_id: effectJobId('again') } },
  ]);
});

test('actions that could forge or rewrite a job, or bypass "one at a time", do not exist', async () => {
  await producer.enqueue(effectJob, {}, { jobId: 'kept', delayMs: 60_000 });
  for (const path of [
    '/api/queues/audit-seal/add',
    '/api/queues/audit-seal/obliterate',
    '/api/queues/audit-seal/empty',
    '/api/queues/audit-seal/concurrency',
    '/api/queues/audit-seal/rate-limit',
    `/api/queues/audit-seal/${effectJobId('kept')}/update-data`,
    '/api/queues/pause',
  ])
    expectProblem(await change(path), 404, 'route_unknown');
  const added = await send(product.api, 'POST', `${BOARD}/api/queues/audit-seal/add`, { cookie: admin, json: {} });
  expectProblem(added, 405, 'method_not_allowed');
  expect(await stateOf('kept')).toBe('delayed');
});

/** On a busy machine Redis may answer later than a request waits. */
const admitted = async (method: string, path: string, json?: object) => {
  for (;;) {
    const answer = await send(product.api, method, `/v1/admin${path}`, {
      cookie: admin,
      ...(json === undefined ? {} : { json, headers: { origin: product.api } }),
    });
    if (answer.status !== 503 || method !== 'GET') return answer;
  }
};

test('queues have counts, and the timetable says what is stale', async () => {
  // First, because a worker keeps only the schedules that it declares.
  await deadLetter('counted');
  await queryRows(product.credentials.database_url)`
    INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, created_at)
    VALUES ('clean-up-expired-tokens', 'token-cleanup', 3600, now() - interval '1 hour', now() - interval '30 days')`;
  const { status, body } = await admitted('GET', '/job-queues');
  expect(status).toBe(200);
  expect(body.queues.map(({ name }: { name: string }) => name)).toEqual(
    hasWings ? [...queueNames] : expect.arrayContaining(['audit-seal', 'mail', 'incident-detection']),
  );
  expect(body.queues.find(({ name }: { name: string }) => name === 'audit-seal').dead).toBeGreaterThan(0);
  expect(body.schedules).toContainEqual(
    expect.objectContaining({
      job: 'clean-up-expired-tokens',
      meaning: expect.stringMatching(/\w/),
      stale: true,
      late: true,
      last_succeeded_at: null,
    }),
  );
});

test('dead letters are listed page by page, of one queue or of all', async () => {
  for (const id of ['p1', 'p2', 'p3']) await deadLetter(id);
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { status, body } = await admitted(
      'GET',
      `/dead-letters?queue=audit-seal&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    expect(status).toBe(200);
    seen.push(...body.dead_letters.map(({ job_id: id }: { job_id: string }) => id));
    cursor = body.next;
  }
  expect(seen).toEqual([...new Set(seen)]);
  expect(seen).toEqual(expect.arrayContaining(['p1', 'p2', 'p3'].map(effectJobId)));
  expect((await admitted('GET', '/dead-letters?queue=mail')).body.dead_letters).toEqual([]);
  const byPerson = await send(product.api, 'GET', '/v1/admin/dead-letters', { cookie: person });
  expectProblem(byPerson, 403, 'permission_missing');
});

test('a dead letter is retried with all its attempts, or discarded for good, each with its reason in the audit log', async () => {
  for (const id of ['back', 'gone']) await deadLetter(id);
  const at = (id: string) => `/dead-letters/audit-seal/${effectJobId(id)}`;
  expect((await admitted('GET', at('back'))).body).toMatchObject({ code: 'permission_missing', payload: {} });
  const retried = await admitted('POST', `${at('back')}/retry`, { reason: 'the right is granted' });
  expect([retried.status, retried.body.job_id]).toEqual([200, effectJobId('back')]);
  expect(await stateOf('back')).toBe('waiting');
  expect((await admitted('POST', `${at('gone')}/discard`, { reason: 'done by hand' })).status).toBe(200);
  expect(await stateOf('gone')).toBe('unknown');
  for (const id of ['back', 'gone'])
    expectProblem(await admitted('POST', `${at(id)}/discard`, { reason: 'again' }), 404, 'dead_letter_unknown');
  expectProblem(await admitted('GET', '/dead-letters/no-such-queue/x'), 404, 'dead_letter_unknown');
  expect((await changes()).slice(-2).map(({ detail }) => detail)).toEqual([
    { action: 'retry', job_id: effectJobId('back'), reason: 'the right is granted' },
    { action: 'discard', job_id: effectJobId('gone'), reason: 'done by hand' },
  ]);
});

test.each(
  `/static/../index.ejs /static/%2e%2e/index.ejs /static/..%2f..%2fpackage.json /static//favicon.ico /static/js/%00.js
  /index.ejs //etc/passwd`.split(/\s+/),
)('no file outside its own is served: %s', async (path) => {
  const answer = await look(path, admin);
  expect([400, 404]).toContain(answer.status);
});
