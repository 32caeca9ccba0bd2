import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { queueNames } from '../jobs/schedules.ts';
import { permissionMissing } from '../services/platform/errors.ts';
import { createFileMarks } from '../services/platform/marks/file-marks.ts';
import { eventually } from '../tools/testing/eventually.ts';
import { composeWorker, effectJob, effectJobId } from '../tools/testing/harness/job.ts';
import { queryRows } from '../tools/testing/harness/ports.ts';
import { readyProducer } from '../tools/testing/harness/redis.ts';
import { createTestDatabase, testRedisUrl } from '../tools/testing/harness/stores.ts';
import { type CliRun, runCli } from '../tools/testing/processes/run-cli.ts';

const dataDir = testFolder();
const redisUrl = testRedisUrl();
const database = opened(createTestDatabase);
const producer = opened(() => readyProducer(redisUrl));
beforeEach(async () => {
  for (const name of queueNames) await producer.queue(name).obliterate({ force: true });
});

const sallyport = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun> =>
  runCli(['queue', ...args], { DATABASE_URL: database.url, REDIS_URL: redisUrl, SALLYPORT_DATA_DIR: dataDir, ...env });

async function json(...args: string[]) {
  const { code, out, err } = await sallyport([...args, '--json']);
  expect(code, err).toBe(0);
  return JSON.parse(out);
}

const startWorker = async (work: () => Promise<void>) => {
  const worker = composeWorker({ databaseUrl: database.url, redisUrl, processors: [{ job: effectJob, work }] });
  await worker.start();
  return worker;
};

/** Jobs that failed for good. */
async function deadLetters(...ids: readonly string[]): Promise<void> {
  const worker = await startWorker(async () => {
    throw permissionMissing({ detail: 'not for the list' });
  });
  for (const jobId of ids) await producer.enqueue(effectJob, {}, { jobId });
  await eventually(
    'the dead letters',
    async () => (await producer.queue('audit-seal').getFailedCount()) === ids.length,
  );
  await worker.drain(5_000);
}

const changes = () =>
  queryRows(database.url)`SELECT actor_id, target_id, detail FROM audit_outbox
    WHERE type = 'operations.queue_changed' ORDER BY id`;

test('no verb writes to a database that is behind its high-water marks, and the queue stays as it is', async () => {
  await producer.enqueue(effectJob, {}, { jobId: 'kept' });
  const [state] = await queryRows(database.url)`SELECT incarnation, beat FROM feed_state`;
  const marksDir = testFolder(onTestFinished);
  await createFileMarks(marksDir).raise({
    incarnation: state?.incarnation as string,
    revocationEpoch: 0,
    beat: Number(state?.beat) + 1,
  });
  const refused = await sallyport(['drain', 'audit-seal', '--yes'], { SALLYPORT_DATA_DIR: marksDir });
  expect(refused).toMatchObject({ code: 3, err: expect.stringContaining('state_rewound') });
  expect(await producer.queue('audit-seal').getWaitingCount()).toBe(1);
  expect(await changes()).toEqual([]);
});

test('list prints queues with their workers, the timetable, and dead letters with their codes', async () => {
  await deadLetters('refused');
  const scheduled = `INSERT INTO job_schedules (job, queue, every_seconds, next_run_at, created_at)
     VALUES ('clean-up-expired-tokens', 'token-cleanup', 3600, now(), now() - interval '1 day')`;
  const worker = await startWorker(async () => {});
  const state = await eventually('the worker to be seen', async () => {
    const seen = await json('list');
    // A worker of the test before may still be among the connections.
    const { workers } = seen.queues.find((queue: { name: string }) => queue.name === 'audit-seal');
    return workers === 1 && seen;
  });
  await worker.drain(5_000);
  expect(state.queues.map((queue: { name: string }) => queue.name)).toEqual([...queueNames]);
  expect(state.queues.find((queue: { name: string }) => queue.name === 'audit-seal')).toMatchObject({
    waiting: 0,
    active: 0,
    delayed: 0,
    dead: 1,
    oldest_age_seconds: 0,
    workers: 1,
  });
  await queryRows(database.url)(scheduled);
  expect((await json('list')).schedules).toEqual([
    expect.objectContaining({ job: 'clean-up-expired-tokens', last_outcome: null, stale: true }),
  ]);
  expect(state.dead).toEqual([
    {
      queue: 'audit-seal',
      job_id: effectJobId('refused'),
      job: effectJob.name,
      code: 'permission_missing',
      attempts: 1,
      failed_at: expect.stringMatching(/Z$/),
    },
  ]);
  const text = await sallyport(['list']);
  expect(text.out).toContain('refused');
  expect(text.out + text.err).not.toContain('not for the list');
});

test('retry gives a dead letter all its attempts again, and records that in the audit log', async () => {
  await deadLetters('one', 'two', 'three');
  expect((await json('retry', effectJobId('two'))).retried).toMatchObject([
    { job_id: effectJobId('two'), queue: 'audit-seal' },
  ]);
  expect((await json('retry', '--all', '--queue', 'token-cleanup')).retried).toEqual([]);
  expect((await json('retry', '--all')).retried).toHaveLength(2);
  expect(await producer.queue('audit-seal').getJobCounts('wait', 'failed')).toMatchObject({ wait: 3, failed: 0 });
  expect((await producer.queue('audit-seal').getJob(effectJobId('two')))?.attemptsMade).toBe(0);
  expect((await changes()).map(({ actor_id, target_id, detail }) => [actor_id, target_id, detail.job_id])).toEqual([
    ['sallyport queue', 'audit-seal', effectJobId('two')],
    ['sallyport queue', 'audit-seal', expect.stringMatching(/-(one|three)$/)],
    ['sallyport queue', 'audit-seal', expect.stringMatching(/-(one|three)$/)],
  ]);
});

test('a dead letter is shown with its payload, and discarded for good after a confirmation and with a reason', async () => {
  await deadLetters('obsolete');
  const letter = ['audit-seal', effectJobId('obsolete')] as const;
  expect(await json('show', ...letter)).toMatchObject({
    job: effectJob.name,
    code: 'permission_missing',
    payload: {},
    enqueued_at: expect.stringMatching(/Z$/),
  });
  expect((await sallyport(['discard', ...letter, '--reason', 'done by hand'])).code).toBe(4);
  expect(await json('discard', ...letter, '--reason', 'done by hand', '--dry-run')).toMatchObject({ discarded: null });
  expect(await producer.queue('audit-seal').getFailedCount()).toBe(1);
  expect(await json('discard', ...letter, '--reason', 'done by hand', '--yes')).toMatchObject({
    discarded: { queue: 'audit-seal', job_id: letter[1] },
  });
  expect(await producer.queue('audit-seal').getJob(letter[1])).toBeUndefined();
  expect((await changes()).at(-1)).toMatchObject({
    target_id: 'audit-seal',
    detail: { action: 'discard', job_id: letter[1], reason: 'done by hand' },
  });
  expect((await sallyport(['show', ...letter])).err).toContain('dead_letter_unknown');
});

test('a logout token that was given up is listed as a dead letter of its queue, and retried by its id', async () => {
  const [row] = await queryRows(database.url)`
    INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id, attempts, failure, failed_at, next_attempt_at)
    VALUES ('c', false, 'u', 's', 33, 'http_503', now(), NULL) RETURNING id`;
  const state = await json('list', '--queue', 'logout');
  expect(state.queues.find((queue: { name: string }) => queue.name === 'logout').dead).toBe(1);
  expect(state.dead).toMatchObject([{ job_id: row?.id, code: 'http_503', attempts: 33 }]);
  expect((await json('retry', row?.id)).retried).toMatchObject([{ queue: 'logout', job_id: row?.id }]);
  expect((await json('list')).dead).toEqual([]);
  expect((await changes()).at(-1)).toMatchObject({ target_id: 'logout', detail: { job_id: row?.id } });
});

test('an event that an endpoint did not accept is listed as a dead letter of its queue, and retried by its id', async () => {
  await queryRows(database.url)`INSERT INTO handoff_endpoints (name, reached_seq) VALUES ('siem', 7)`;
  const [row] = await queryRows(database.url)`
    INSERT INTO handoff_deliveries (id, endpoint, seq, subject, attempts, failure, failed_at, next_attempt_at)
    VALUES (gen_random_uuid(), 'siem', 7, repeat('0', 64), 6, 'http_400', now(), NULL) RETURNING id`;
  const state = await json('list', '--queue', 'handoff');
  expect(state.queues.find((queue: { name: string }) => queue.name === 'handoff').dead).toBe(1);
  expect(state.dead).toMatchObject([{ job_id: row?.id, job: 'push-handoffs', code: 'http_400', attempts: 6 }]);
  expect((await json('retry', row?.id)).retried).toMatchObject([{ queue: 'handoff', job_id: row?.id }]);
  expect((await json('list')).dead).toEqual([]);
  expect((await changes()).at(-1)).toMatchObject({ target_id: 'handoff', detail: { job_id: row?.id } });
});

test('drain removes waiting jobs after a confirmation; it removes nothing with --dry-run or without a terminal', async () => {
  await producer.enqueue(effectJob, {}, { jobId: 'waiting' });
  await producer.enqueue(effectJob, {}, { jobId: 'delayed', delayMs: 60_000 });
  expect(await json('drain', 'audit-seal', '--dry-run')).toEqual({ queue: 'audit-seal', removed: 0, would_remove: 2 });
  expect((await sallyport(['drain', 'audit-seal'])).code).toBe(4);
  expect(await producer.queue('audit-seal').count()).toBe(2);
  expect(await json('drain', 'audit-seal', '--yes')).toEqual({ queue: 'audit-seal', removed: 2 });
  expect(await producer.queue('audit-seal').count()).toBe(0);
  expect((await changes()).at(-1)).toMatchObject({ target_id: 'audit-seal', detail: { action: 'drain' } });
});

test.each([
  [2, ['drain', 'no-such-queue', '--yes'], {}],
  [2, ['list', '--queue', 'no-such-queue'], {}],
  [2, ['list', '--dead', '0'], {}],
  [2, ['retry'], {}],
  [2, ['retry', 'x', '--all'], {}],
  [2, ['retry', 'no-such-job'], {}],
  [2, ['show', 'no-such-queue', 'x'], {}],
  [3, ['list'], { REDIS_URL: 'redis://127.0.0.1:1' }],
  [3, ['list'], { DATABASE_URL: 'postgresql://absent@127.0.0.1:1/none' }],
] as const)('exit code %i: queue %j', async (code, args, env) => {
  const ended = await sallyport(args, env);
  expect([ended.code, ended.out], ended.err).toEqual([code, '']);
});
