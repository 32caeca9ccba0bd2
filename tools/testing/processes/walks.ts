// For tests only: a process that prints which files of the product run between a request and its response.
import { Session } from 'node:inspector/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sealAuditEventsJob } from '#jobs/contracts/audit.ts';
import { advanceKeyRingJob } from '#jobs/contracts/keys.ts';
import { processorsOf } from '#jobs/processors.ts';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import { eventually } from '../eventually.ts';
import { signUp } from '../flows/flows.ts';
import { newSignedIn } from '../flows/signed-in.ts';
import { startApiCopy } from '../harness/api.ts';
import { composeWorker, WORKER_AUTH_SECRET } from '../harness/job.ts';
import { queryRows } from '../harness/ports.ts';
import { send } from '../http-client.ts';

const ROUNDS = 4;
const IDLE_MS = 2_000;
const root = repositoryRoot;
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

/** Files of the product in which a function has run since the last call. */
async function filesRun(): Promise<Set<string>> {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const files = result
    .filter(({ functions }) => functions.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0))
    .flatMap(({ url }) => (url.startsWith('file:') ? [fileURLToPath(url).slice(root.length + 1)] : []));
  return new Set(files.filter((file) => /^(services|jobs)\//.test(file)));
}

let slowestMs = 0;
/** Files that run in every round: several rounds leave out what a timer runs now and then. */
async function walk(prepare: () => Promise<() => Promise<unknown>>, rounds = 1): Promise<string[]> {
  let common: Set<string> | undefined;
  for (let round = 0; round < rounds; round += 1) {
    const act = await prepare();
    // Work that the preparation started has ended.
    await sleep(100);
    await filesRun();
    const startedMs = performance.now();
    await act();
    if (rounds > 1) slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    const run = await filesRun();
    common = new Set(common === undefined ? run : [...common].filter((file) => run.has(file)));
  }
  return [...(common ?? [])].sort();
}

const ROTATION_SECONDS = 2;
const env = {
  JWT_ALGORITHM: 'ES256',
  KEY_ROTATION_DAYS: (ROTATION_SECONDS / 86_400).toFixed(9),
  KEY_PREPUBLISH_SECONDS: '1',
  JWKS_MAX_AGE_SECONDS: '1',
  JWT_ACCESS_EXPIRY: '600',
  REVOCATION_POLL_MS: '1000',
};
const [databaseUrl = '', redisUrl = ''] = process.argv.slice(2);
const stores = { databaseUrl, redisUrl };
const api = await startApiCopy({ ...stores, authSecret: WORKER_AUTH_SECRET, env });
const post = async (path: string, json: object): Promise<void> => {
  const { status } = await send(api.url, 'POST', path, { json });
  if (status !== 200) throw new Error(`${path} answered ${status}`);
};
const kids = async (): Promise<string[]> =>
  (await queryRows(databaseUrl)<{ id: string }>`SELECT id FROM jwks WHERE purpose = 'access'`).map(({ id }) => id);
const waiting = async (): Promise<number> =>
  (await queryRows(databaseUrl)`SELECT 1 FROM audit_outbox WHERE seq IS NULL`).length;

const user = await signUp({ api: api.url });
const requests = {
  idle: await walk(async () => () => sleep(IDLE_MS)),
  Validate: await walk(async () => {
    const { tokens } = await newSignedIn(api);
    return () => post('/v1/tokens/validate', { token: tokens.access_token });
  }, ROUNDS),
  Refresh: await walk(async () => {
    const { tokens } = await newSignedIn(api);
    return () => post('/v1/tokens/refresh', { refresh_token: tokens.refresh_token });
  }, ROUNDS),
  'Sign in': await walk(
    async () => () => post('/api/auth/signin', { email: user.email, password: user.password }),
    ROUNDS,
  ),
};

// Within a request on a busy machine timers run that did not in the first watch.
if (slowestMs > IDLE_MS) requests.idle.push(...(await walk(async () => () => sleep(slowestMs))));

const worker = composeWorker({ ...stores, processors: await processorsOf({ leftOut: [] }), env });
const producer = createProducer(redisUrl, () => {});
await producer.ready(30_000);
await worker.start();
const jobs = {
  'Key rotation': await walk(async () => {
    await sleep(ROTATION_SECONDS * 1_000);
    const before = await kids();
    const known = async (): Promise<number> =>
      (await kids()).filter((kid) => !before.includes(kid) && api.ports.keyRing.find(kid) !== undefined).length;
    return () =>
      // The first may be of a run of the timetable that began before the watch.
      eventually('two new keys, known to the API', async () => {
        await producer.enqueue(advanceKeyRingJob, {});
        await sleep(500);
        return (await known()) > 1;
      });
  }),
  'Audit event': await walk(async () => {
    await eventually('an empty outbox', async () => (await waiting()) === 0);
    return async () => {
      await newSignedIn(api);
      await producer.enqueue(sealAuditEventsJob, {});
      await eventually('the sealed event', async () => (await waiting()) === 0);
    };
  }),
};
process.stdout.write(`${JSON.stringify({ ...requests, ...jobs })}\n`, () => process.exit(0));
