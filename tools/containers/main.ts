/** `npm run stack:containers`: the system of docker-compose.yml as containers, and proof that it works and keeps its data. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeImage, TAG } from '../image/build.ts';
import { type Engine, findEngine, root } from '../image/engine.ts';
import { basesOf, composeImages, ensureImages } from '../image/stand-ins.ts';
import { checkScrapes } from '../stack/checks.ts';
import { eventually } from '../stack/children.ts';
import { makeStack, type Stack } from './stack.ts';

const HELP = `npm run stack:containers [-- --build] [-- --keep] [-- --down]

Builds the images that are missing and starts docker-compose.yml, unchanged, with Docker or with podman. Then it takes the tour
through nginx, waits until every health check is healthy and every target of Prometheus is up, kills processes, stops
all within their grace, starts all, and finds the data again. At the end it removes the containers, and the volumes if it made them.

Images that cannot be pulled are replaced by stand-ins of Debian packages, named aloud: see tools/image/stand-ins.ts.
Services without image or stand-in are left out, and named.

  --build   build our images even if they are there
  --keep    leave it running until Ctrl-C; then it stops, and the volumes stay
  --down    only remove the containers of an earlier run, with their volumes
`;

const API = 'http://localhost:8080';
const TASKS = 'http://localhost:8000';
const TASKS_TAG = 'sallyport-tasks:local';
const TASKS_DOCKERFILE = 'examples/tasks-fastapi/Dockerfile';

const startedMs = performance.now();
const since = (fromMs: number): string => `${((performance.now() - fromMs) / 1_000).toFixed(1)} s`;
const say = (text: string): void => void process.stdout.write(`stack: ${since(startedMs).padStart(7)} ${text}\n`);
const { values } = parseArgs({
  options: {
    build: { type: 'boolean' },
    keep: { type: 'boolean' },
    down: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});

/** Our images and those of others. @returns services that have none */
function prepareImages(engine: Engine): readonly string[] {
  const isHere = (tag: string): boolean => !values.build && engine.ask('image', 'inspect', tag).status === 0;
  if (!isHere(TAG)) makeImage(engine, TAG, say);
  if (!isHere(TASKS_TAG)) {
    const missing = ensureImages(engine, basesOf(TASKS_DOCKERFILE), say);
    if (missing.length > 0) throw new Error(`base images cannot be had: ${missing.join(', ')}`);
    engine.show('build', ...engine.buildOptions, '-t', TASKS_TAG, '-f', TASKS_DOCKERFILE, '.');
  }
  const images = composeImages();
  const missing = ensureImages(engine, Object.values(images), say);
  const without = Object.entries(images).flatMap(([service, image]) => (missing.includes(image) ? [service] : []));
  if (without.length > 0) say(`LEFT OUT, because their images cannot be had here: ${without.join(', ')}`);
  return without;
}

/** Every container runs and is healthy, every one-shot has ended well. */
async function expectReady(stack: Stack, leftOut: readonly string[]): Promise<void> {
  const services = stack.file.services.filter(({ name }) => !leftOut.includes(name));
  for (const { name, isOneShot, replicas } of services)
    await eventually(`${name} to be as it should`, () => {
      const states = stack.states(name);
      const isAsItShould = isOneShot
        ? states.every(({ isRunning, exitCode }) => !isRunning && exitCode === 0)
        : states.every(
            ({ isRunning, health, restarts }) =>
              isRunning && (health === 'healthy' || (health === '' && restarts === 0)),
          );
      return states.length === replicas && isAsItShould;
    }).catch((err) => {
      throw new Error(`${(err as Error).message}\n${JSON.stringify(stack.states(name))}\n${stack.logOf(name)}`);
    });
  await eventually('the API behind nginx to be ready', () => fetch(`${API}/readyz`).then(({ ok }) => ok));
  const states = services.flatMap(({ name }) => stack.states(name));
  const healthy = states.filter(({ health }) => health === 'healthy').length;
  say(`${states.length} containers are as they should be, ${healthy} of them by a health check`);
}

function tour(): void {
  const env = { ...process.env, SALLYPORT_API: API, TASKS };
  const node = join(root, 'node_modules/.bin/node');
  const { status, stdout, stderr } = spawnSync(node, ['tools/tour.ts'], { cwd: root, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the tour through nginx failed:\n${stdout}${stderr}`);
  for (const line of stdout.trim().split('\n')) say(`tour: ${line}`);
}

/** A user who is asked for again after the stack was stopped. */
const user = {
  email: `stack-${randomBytes(6).toString('hex')}@example.test`,
  password: randomBytes(18).toString('base64url'),
};

/** Sends again for a while where the answer says that it may be: a machine is busiest just after a start. */
async function post(path: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  const deadline = performance.now() + 90_000;
  for (;;) {
    const answer = await fetch(API + path, { method: 'POST', headers, body: JSON.stringify(body) });
    const seconds = Number(answer.headers.get('retry-after'));
    if (answer.status !== 503 || !(seconds > 0) || performance.now() > deadline) return answer;
    await sleep(seconds * 1_000);
  }
}

async function expectStatus(what: string, answer: Response, status: number): Promise<void> {
  if (answer.status !== status)
    throw new Error(`${what} answered ${answer.status}, not ${status}: ${await answer.text()}`);
}

/** Kills process 1 of a container from outside, as the kernel would when memory is short; the engine must not think we asked for it. */
async function kill(engine: Engine, stack: Stack, service: string): Promise<void> {
  const [victim] = stack.states(service);
  if (victim === undefined) throw new Error(`${service} does not run`);
  const fromMs = performance.now();
  const killer = ['--rm', '--pid=host', '--privileged', '--network=none', '--entrypoint=sh'];
  engine.run('run', ...killer, composeImages().redis as string, '-c', `kill -9 ${victim.pid}`);
  await eventually(`${service} to come back`, () => {
    const now = stack.states(service).find(({ id }) => id === victim.id);
    return now?.isRunning === true && now.pid !== victim.pid && now.health === 'healthy';
  }).catch((err) => {
    throw new Error(`${(err as Error).message}\n${JSON.stringify(stack.states(service))}\n${stack.logOf(service)}`);
  });
  say(`one ${service} was killed with signal 9, and is back and healthy after ${since(fromMs)}`);
}

async function run(engine: Engine, stack: Stack): Promise<void> {
  const leftOut = prepareImages(engine);
  say('images are there');
  const upMs = performance.now();
  await stack.up(leftOut);
  await expectReady(stack, leftOut);
  say(`READY ${since(upMs)} after the first start, ${since(startedMs)} from the beginning`);
  tour();
  const refused = await post('/mcp', {});
  await expectStatus('the MCP server behind nginx, without a token,', refused, 401);
  await expectStatus('sign-up', await post('/api/auth/signup', user), 201);
  say(await checkScrapes('http://localhost:9090', 6));

  for (const service of ['api', 'worker', 'mcp', 'redis']) await kill(engine, stack, service);
  await expectStatus('sign-in after the kills', await post('/api/auth/signin', user), 200);

  const drained = ['api', 'worker', 'mcp'];
  stack.stop(drained);
  for (const { isRunning, exitCode } of drained.flatMap((service) => stack.states(service)))
    if (isRunning || exitCode !== 0)
      throw new Error(`a process did not drain within its grace: it ended with ${exitCode}`);
  stack.down();
  say('stopped: API, worker and MCP server drained within their grace, each with 0; containers removed');
  const againMs = performance.now();
  await stack.up(leftOut);
  await expectReady(stack, leftOut);
  say(`READY ${since(againMs)} after the second start`);
  await expectStatus('sign-in of a user of before', await post('/api/auth/signin', user), 200);
  say('a user of before the stop signs in: data are kept');
  tour();
  say('all is well');
}

const stopRequest = new Promise<void>((stop) => process.once('SIGINT', stop).once('SIGTERM', stop));

async function main(): Promise<void> {
  const engine = findEngine();
  const stack = makeStack(engine, say);
  if (values.down) return stack.down({ volumes: true });
  const isOurs = (volume: string): boolean => volume.startsWith(`${stack.file.project}_`);
  const hadVolumes = engine.run('volume', 'ls', '-q').split('\n').some(isOurs);
  try {
    await Promise.race([run(engine, stack), stopRequest.then(() => say('stopping …'))]);
    if (values.keep) {
      say(`running until Ctrl-C: ${API} · ${TASKS} · http://localhost:9090`);
      await stopRequest;
    }
  } finally {
    stack.down({ volumes: !hadVolumes && !values.keep });
  }
}

if (values.help) process.stdout.write(HELP);
else {
  await main().catch((err) => {
    process.stderr.write(`stack: ${(err as Error).message}\n`);
    process.exitCode = 1;
  });
  process.exit();
}
