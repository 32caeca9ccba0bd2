// For tests only: the programs that a test's supervisor and its child run.
const here = new URL('.', import.meta.url).pathname;

/**
 * An HTTP child: `/` answers its pid, `/env?name` a variable, `/wait` only once the file `release` exists, `/crash`
 * ends it. When draining it queries both stores and writes their answers to the file `drained`.
 */
export const childSource = `
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
const require = createRequire(${JSON.stringify(here)});
const folder = process.env.TEST_FOLDER;
const at = (name) => folder + '/' + name;
if (process.env.TEST_FATAL) {
  fs.appendFileSync(at('starts'), 'x');
  process.send({ type: 'fatal', code: 'bad_setting', message: 'SETTING is bad', fix: 'set SETTING=good' });
  process.exit(1);
}
if (process.env.TEST_BROKEN) {
  fs.appendFileSync(at('starts'), 'x');
  process.exit(7);
}
const server = http.createServer(async (req, res) => {
  const [path, query] = req.url.split('?');
  if (path === '/crash') process.exit(3);
  if (path === '/outage') {
    const fatal = { type: 'fatal', code: 'store_unreachable', message: 'PostgreSQL is away', fix: 'start it' };
    return process.send(fatal, () => process.exit(1));
  }
  if (path === '/env') return res.end(process.env[query] ?? '');
  if (path === '/wait') {
    fs.writeFileSync(at('waiting'), '');
    while (!fs.existsSync(at('release'))) await new Promise((done) => setTimeout(done, 10));
  }
  res.end(String(process.pid));
});
server.once('error', (err) => {
  process.send({ type: 'fatal', code: err.code, message: err.message, fix: 'none' });
  process.exitCode = 1;
  process.disconnect();
});
server.listen({ port: Number(process.env.PORT), host: process.env.HOST }, () => process.send({ type: 'ready' }));
const text = '# HELP sample Of the test.\\n# TYPE sample counter\\nsample{kind="a"} 1\\n';
const metrics = http.createServer((req, res) => {
  if (process.env.TEST_MUTE_METRICS) return;
  if (req.url === '/healthz') res.statusCode = 404;
  res.end(text);
});
metrics.listen(process.env.SALLYPORT_METRICS_SOCKET);
async function drain() {
  process.off('SIGTERM', drain);
  process.off('disconnect', drain);
  process.on('SIGTERM', () => {});
  if (process.env.TEST_HANG) return setInterval(() => {}, 1000);
  fs.writeFileSync(at('draining'), '');
  metrics.close();
  metrics.closeAllConnections();
  server.closeIdleConnections();
  await new Promise((done) => server.close(done));
  const { Client } = require('pg');
  const { Redis } = require('ioredis');
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  const redis = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: 0 });
  redis.on('error', () => {});
  const answers = await Promise.allSettled([client.connect().then(() => client.query('SELECT 1')), redis.ping()]);
  fs.writeFileSync(at('drained.new'), answers.map((answer) => answer.status).join(' '));
  fs.renameSync(at('drained.new'), at('drained'));
  process.exit(0);
}
process.on('SIGTERM', drain);
process.on('disconnect', drain);
`;

/** The program of the supervisor's process. `TEST_STEP`: `hang` never ends its preparation, `fail` throws in it. */
export const runnerSource = `
import fs from 'node:fs';
import { StartError } from ${JSON.stringify(`${here}../platform/local/errors.ts`)};
import { readyLine } from ${JSON.stringify(`${here}ready.ts`)};
import { listenForStop } from ${JSON.stringify(`${here}stop-requests.ts`)};
import { supervise } from ${JSON.stringify(`${here}supervise.ts`)};
const { TEST_STEP, TEST_CHILD } = process.env;
const run = async () => {
  fs.writeFileSync(process.env.TEST_FOLDER + '/prepared', '');
  if (TEST_STEP === 'fail') throw new StartError('step_failed', 'the step failed', 'mend the step');
  if (TEST_STEP === 'hang') await new Promise((done) => setTimeout(done, 1e9));
};
// A request that comes before the function is known waits for it.
const running = Promise.withResolvers();
process.on('SIGUSR2', async () => (await running.promise)());
try {
  await supervise({
    env: process.env,
    steps: [{ name: 'the test step', run }],
    requests: listenForStop(),
    say: (text) => process.stderr.write(text + '\\n'),
    onReady: (state) => process.stdout.write(readyLine(state) + '\\n'),
    children: [JSON.parse(TEST_CHILD)],
    onRunning: running.resolve,
    backoff: { firstMs: 20, capMs: 80, healthyAfterMs: 1e9 },
  });
  process.exit(0);
} catch (err) {
  process.stderr.write(err.message + ' | ' + err.fix + '\\n');
  process.exit(1);
}
`;
