// For tests only: a real supervisor in its own process, over a small child program in a temporary folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as baseTest, inject } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { copyCluster } from '#tools/testing/processes/prepared-cluster.ts';
import { isSameProcessAlive } from '../platform/local/file-lock.mjs';
import { randomFreePort } from '../platform/local/ports.ts';
import { readState, type ServerState, sendSignal } from '../platform/local/processes.ts';
import { readRunRecords } from './run-record.ts';
import { childSource, runnerSource } from './supervised-programs-harness.ts';

export type ReadyEvent = {
  event: 'ready';
  api: string;
  mcp: string;
  metrics: string;
  credentials_file: string;
  pids: Record<string, number>;
};

/** A supervisor that a test started. */
class TestSupervisor {
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
      // A child that survives a killed supervisor keeps its stderr open.
      child.once('exit', (_code, signal) => signal && done(signal));
    });
    void this.#ended.then((ending) => {
      this.#ending = ending;
    });
  }

  /** The n-th time that everything became ready. */
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

/** A temporary data directory with its supervisors, all stopped and removed by `dispose`. */
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
    // As root, Postgres runs as another user, who must be able to traverse the folder.
    chmodSync(this.folder, 0o755);
    this.#give(this.folder);
    this.dataDir = join(this.folder, 'data');
    writeFileSync(join(this.folder, 'child.mjs'), childSource);
    writeFileSync(join(this.folder, 'runner.mjs'), runnerSource);
  }

  async start(env: NodeJS.ProcessEnv = {}, child: { drainSeconds?: number } = {}): Promise<TestSupervisor> {
    this.#started += 1;
    const folder = join(this.folder, `run-${this.#started}`);
    mkdirSync(folder);
    this.#give(folder);
    const spec = {
      name: 'api',
      entry: join(this.folder, 'child.mjs'),
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

  /** Whether the data directory's Postgres and Redis are alive, by their recorded processes. */
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

/** The body of a GET on a new connection. */
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

/** Each test has its own data directory: `emptyLab` with nothing in it, `lab` with a new Postgres. */
export const test = baseTest
  .extend('emptyLab', ({ onTestFinished }) => {
    const lab = new TestBench();
    onTestFinished(() => lab.dispose());
    return lab;
  })
  .extend('lab', async ({ emptyLab }) => {
    await copyCluster(inject('clusterDir'), emptyLab.dataDir);
    return emptyLab;
  });

/** The result of a lab's `stores()` once everything has ended. */
export const nothingLeft = { postgres: false, redis: false };
export const bothAlive = { postgres: true, redis: true };

/** A port that another program listens on. */
export async function occupyPort(): Promise<{ port: number; close: () => void }> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

/** Listens on a port as soon as its owner releases it. */
export const takePort = (server: Server, port: number): Promise<true> =>
  eventually(`port ${port}`, () => {
    const attempt = Promise.withResolvers<true | undefined>();
    server.once('error', () => attempt.resolve(undefined));
    server.listen(port, '127.0.0.1', () => attempt.resolve(true));
    return attempt.promise;
  });
