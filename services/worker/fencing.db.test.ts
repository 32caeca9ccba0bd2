import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { repositoryRoot } from '../platform/local/data-dir.ts';
import { createProducer, type Producer } from '../platform/queue/producer.ts';
import { createEffectTables, effectJob, openGate } from '../platform/testing/job-world.ts';
import { eventually, queryRows } from '../platform/testing/product.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../platform/testing/stores.ts';

let database: TestDatabase;
let producer: Producer;
const redisUrl = testRedisUrl();
const workers: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await createEffectTables(database.url);
  producer = createProducer(redisUrl, () => {});
  await eventually('redis', () => producer.isReady());
  await producer.queue('audit-seal').obliterate({ force: true });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) {
    worker.kill('SIGKILL');
    if (worker.exitCode === null && worker.signalCode === null) await new Promise((done) => worker.once('exit', done));
  }
});
afterAll(async () => {
  await producer?.close();
  await database?.drop();
});

async function startWorker(): Promise<ChildProcess> {
  const worker = fork(new URL('../platform/testing/job-worker.ts', import.meta.url), {
    execPath: join(repositoryRoot, 'node_modules/.bin/node'),
    env: { ...process.env, DATABASE_URL: database.url, REDIS_URL: redisUrl },
  });
  workers.push(worker);
  await new Promise((ready) => worker.once('message', ready));
  return worker;
}

const begun = (effect: string) => queryRows(database.url, 'SELECT pid, fence FROM begun WHERE effect = $1', [effect]);
const ended = (effect: string) => queryRows(database.url, 'SELECT pid, outcome FROM ended WHERE effect = $1', [effect]);
const effects = (effect: string) =>
  queryRows(database.url, 'SELECT fence, job_id FROM effects WHERE effect = $1', [effect]);
const isDone = async (jobId: string) =>
  (await (await producer.queue('audit-seal').getJob(jobId))?.getState()) === 'completed';

test('kill -9 in the middle of a job: another worker takes it, and its effect is there once', async () => {
  const [first, second] = [await startWorker(), await startWorker()];
  const effect = 'held by the killed';
  const { jobId } = await producer.enqueue(effectJob, { effect }, { jobId: 'killed' });
  const [run] = await eventually('the first run', async () => (await begun(effect)).length > 0 && begun(effect));
  const [victim, heir] = run!.pid === first.pid ? [first, second] : [second, first];
  victim.kill('SIGKILL');
  await eventually('the second run', async () => (await begun(effect)).length > 1);
  await openGate(database.url, effect);
  await eventually('the end', () => isDone(jobId));
  expect(await effects(effect)).toEqual([{ fence: '2', job_id: jobId }]);
  expect(await ended(effect)).toEqual([{ pid: heir.pid, outcome: 'written' }]);
});

test('SIGSTOP past the lock: the late write of the frozen worker changes no row', async () => {
  const [first, second] = [await startWorker(), await startWorker()];
  const effect = 'held by the frozen';
  const { jobId } = await producer.enqueue(effectJob, { effect }, { jobId: 'frozen' });
  const [run] = await eventually('the first run', async () => (await begun(effect)).length > 0 && begun(effect));
  const [frozen, heir] = run!.pid === first.pid ? [first, second] : [second, first];
  frozen.kill('SIGSTOP');
  await eventually('the second run', async () => (await begun(effect)).length > 1);
  await openGate(database.url, effect);
  await eventually('the end', () => isDone(jobId));
  expect(await effects(effect)).toHaveLength(1);
  frozen.kill('SIGCONT');
  const outcomes = await eventually('the late write', async () => (await ended(effect)).length > 1 && ended(effect));
  expect(outcomes).toEqual([
    { pid: heir.pid, outcome: 'written' },
    { pid: frozen.pid, outcome: 'run_superseded' },
  ]);
  expect(await effects(effect)).toHaveLength(1);
});

test('a job whose workers die each time ends as a dead letter instead of taking down every worker', async () => {
  const effect = 'held by the poisonous';
  const { jobId } = await producer.enqueue(effectJob, { effect }, { jobId: 'poison' });
  for (let deaths = 1; deaths <= 4; deaths += 1) {
    const worker = await startWorker();
    await eventually(`run ${deaths}`, async () => (await begun(effect)).length >= deaths);
    worker.kill('SIGKILL');
  }
  await startWorker();
  await eventually(
    'the dead letter',
    async () => (await (await producer.queue('audit-seal').getJob(jobId))?.getState()) === 'failed',
  );
  expect(await begun(effect)).toHaveLength(4);
  expect(await effects(effect)).toEqual([]);
});
