// For tests only: a real supervisor in a process of its own, over a tiny child written to a temporary folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSameProcessAlive } from '../platform/local/file-lock.mjs';
import { randomFreePort } from '../platform/local/ports.ts';
import { readState, recordProcess, type ServerState, sendSignal } from '../platform/local/processes.ts';
import { readRunRecords } from './run-record.ts';

const here = new URL('.', import.meta.url).pathname;
const patienceMs = 60_000;

/** Polls until `ask` gives a value; the test's own patience, not a guarantee of speed. */
export async function eventually<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    const value = await ask();
    if (value !== undefined && value !== false) return value;
    await sleep(20);
  }
  throw new Error(`never came: ${what}`);
}

/**
 * An HTTP child: `/` answers its pid, `/env?name` a variable, `/wait` only once the file `release` exists, `/crash`
 * ends it. When draining it asks both stores for a sign of life and notes the answers in the file `drained`.
 */
const childSource = `
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
const reusePort = process.env.SALLYPORT_REUSE_PORT === '1';
server.listen({ port: Number(process.env.PORT), host: process.env.HOST, reusePort }, () => process.send({ type: 'ready' }));
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

/** What runs in the supervisor's process. `TEST_STEP`: `hang` never ends its preparation, `fail` throws in it. */
const runnerSource = `
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
// Asked for it before that is known, it waits.
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

export interface ReadyEvent {
  event: 'ready';
  api: string;
  metrics: string;
  credentials_file: string;
  pids: Record<string, number>;
}

/** A supervisor that a test started. */
export class TestSupervisor {
  readonly process: ChildProcess;
  readonly folder: string;
  out = '';
  err = '';
  readonly #ended: Promise<number | string>;
  #ending: number | string | undefined;

  constructor(child: ChildProcess, folder: string) {
    this.process = child;
    this.folder = folder;
    child.stdout?.on('data', (part: Buffer) => {
      this.out += part;
    });
    child.stderr?.on('data', (part: Buffer) => {
      this.err += part;
    });
    this.#ended = new Promise((done) => {
      child.once('close', (code, signal) => done(signal ?? code ?? -1));
      // A child that survives a killed supervisor holds its stderr open.
      child.once('exit', (_code, signal) => signal && done(signal));
    });
    void this.#ended.then((ending) => {
      this.#ending = ending;
    });
  }

  /** The n-th time that everything was ready. */
  ready(nth = 1): Promise<ReadyEvent> {
    return eventually(`ready line ${nth}\n${this.err}`, () => {
      const line = this.out.split('\n').slice(0, -1)[nth - 1];
      if (line === undefined && this.#ending !== undefined) throw new Error(`ended (${this.#ending}):\n${this.err}`);
      return line === undefined ? undefined : (JSON.parse(line) as ReadyEvent);
    });
  }

  said(text: string): Promise<true> {
    return eventually(`"${text}" in:\n${this.err}`, () => this.err.includes(text) || undefined);
  }

  /** Signals the supervisor's whole process group, as a terminal's Ctrl-C does. */
  signalGroup(signal: NodeJS.Signals): void {
    sendSignal(-this.process.pid!, signal);
  }

  /** Exit code, or the signal that ended it. */
  end(): Promise<number | string> {
    return this.#ended;
  }
}

/** A temporary data directory with its supervisors, all ended and removed by `dispose`. */
export class TestBench {
  readonly folder: string;
  readonly dataDir: string;
  readonly #supervisors: TestSupervisor[] = [];
  #started = 0;

  readonly #identity: { uid?: number; gid?: number };

  /** With `identity` (root only) the supervisors run as that user. */
  constructor(identity: { uid?: number; gid?: number } = {}) {
    this.#identity = identity;
    this.folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
    // As root, Postgres runs as another user, who must be able to pass through.
    chmodSync(this.folder, 0o755);
    this.#give(this.folder);
    this.dataDir = join(this.folder, 'data');
    writeFileSync(join(this.folder, 'child.mjs'), childSource);
    writeFileSync(join(this.folder, 'runner.mjs'), runnerSource);
  }

  async start(
    env: NodeJS.ProcessEnv = {},
    child: { copies?: number; drainSeconds?: number } = {},
  ): Promise<TestSupervisor> {
    this.#started += 1;
    const folder = join(this.folder, `run-${this.#started}`);
    mkdirSync(folder);
    this.#give(folder);
    const spec = {
      name: 'api',
      entry: join(this.folder, 'child.mjs'),
      copies: 1,
      readyTimeoutSeconds: 50,
      drainSeconds: 50,
      ...child,
    };
    const {
      DATABASE_URL: _database,
      REDIS_URL: _redis,
      BETTER_AUTH_SECRET: _secret,
      npm_lifecycle_event: _npm,
      ...own
    } = process.env;
    const process_ = spawn(process.execPath, [join(this.folder, 'runner.mjs')], {
      ...this.#identity,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...own,
        NODE_OPTIONS: '',
        PORT: String(await randomFreePort()),
        METRICS_PORT: '0',
        SALLYPORT_DATA_DIR: this.dataDir,
        TEST_FOLDER: folder,
        TEST_CHILD: JSON.stringify(spec),
        ...env,
      },
    });
    const supervisor = new TestSupervisor(process_, folder);
    this.#supervisors.push(supervisor);
    return supervisor;
  }

  #give(path: string): void {
    const { uid, gid } = this.#identity;
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
  }

  /** Whether the data directory's Postgres and Redis live, by their recorded processes. */
  stores(): { postgres: boolean; redis: boolean } {
    const isAlive = (name: string): boolean => {
      const state = readState(join(this.dataDir, 'run', `${name}.json`));
      return state !== undefined && isSameProcessAlive(state);
    };
    return { postgres: isAlive('postgres'), redis: isAlive('redis') };
  }

  state(name: 'postgres' | 'redis'): ServerState | undefined {
    return readState(join(this.dataDir, 'run', `${name}.json`));
  }

  postgresPid(): number | undefined {
    return this.state('postgres')?.pid;
  }

  async dispose(): Promise<void> {
    for (const supervisor of this.#supervisors) {
      sendSignal(-supervisor.process.pid!, 'SIGKILL');
      await supervisor.end();
    }
    const left = readRunRecords(this.dataDir).flatMap((record) => record.children);
    for (const child of left) if (isSameProcessAlive(child.process)) sendSignal(-child.process.pid, 'SIGKILL');
    for (const name of ['postgres', 'redis']) {
      const state = readState(join(this.dataDir, 'run', `${name}.json`));
      if (!state || !isSameProcessAlive(state)) continue;
      sendSignal(state.pid, name === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
      await eventually(`the end of ${name}`, () => !isSameProcessAlive(state) || undefined);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether `pid` names a living process now. */
export const isAlive = (pid: number): boolean => recordProcess(pid).start !== undefined;

/** The body of a GET on a connection of its own, so that copies behind one port take turns. */
export const textOf = (url: string): Promise<string> =>
  new Promise((done, fail) => {
    const call = get(url, { agent: false }, (answer) => {
      let text = '';
      answer.on('data', (part: Buffer) => {
        text += part;
      });
      answer.once('end', () => done(text));
      answer.once('error', fail);
    });
    call.once('error', fail);
  });

/** The content of a file once it exists. */
export const fileOnce = (path: string): Promise<string> =>
  eventually(path, () => {
    try {
      return readFileSync(path, 'utf8') || ' ';
    } catch {
      return undefined;
    }
  });
