import { type ChildProcess, spawn } from 'node:child_process';
import { type RecordedProcess, recordProcess, sendSignal } from '../platform/local/processes.ts';
import { backoffMs } from '../platform/process/backoff.ts';
import { type BackoffPolicy, failuresAfterCrash } from './backoff.ts';
import { type FatalMessage, readChildMessage } from './protocol.ts';

type ChildOptions = {
  /** Unique, such as `api-1`. */
  name: string;
  entry: string;
  env: () => NodeJS.ProcessEnv;
  readyTimeoutSeconds: number;
  drainSeconds: number;
  backoff: BackoffPolicy;
  say: (text: string) => void;
  /** The child cannot run and must not be restarted. */
  onFatal: (message: FatalMessage) => void;
  onReady: () => void;
  /** Called whenever the running process changes. */
  onChange: () => void;
  /** A crash led to a restart of this child. */
  onRestarted: (name: string) => void;
};

/** Node's own bound, 64 MB and as much again, stays allocated after a busy second: an idle copy would keep 100 MB of it. */
const YOUNG_GENERATION = '--max-semi-space-size=16';

/** One supervised process: started, restarted after a crash with growing delays, drained at the end. */
export class SupervisedChild {
  readonly name: string;
  failures = 0;
  isReady = false;
  /** Pid and start time of the current process. */
  process: RecordedProcess | undefined;

  readonly #options: ChildOptions;
  #current: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #isWanted = false;
  #wasReady = false;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.name = options.name;
  }

  start(): void {
    this.#isWanted = true;
    this.failures = 0;
    this.#launch();
  }

  /**
   * SIGTERM, then SIGKILL (to its whole group) at the deadline; resolves when it is gone, and it may be started again.
   */
  async stop(): Promise<void> {
    this.#isWanted = false;
    clearTimeout(this.#retry);
    const child = this.#current;
    if (!child) return;
    child.kill('SIGTERM');
    const deadline = setTimeout(() => {
      this.#options.say(`${this.name} did not drain within ${this.#options.drainSeconds} s: killing it`);
      this.kill();
    }, this.#options.drainSeconds * 1_000);
    await this.#ended;
    clearTimeout(deadline);
  }

  kill(): void {
    if (this.#current?.pid) this.#killPid(this.#current.pid);
  }

  #killPid(pid: number): void {
    sendSignal(-pid, 'SIGKILL');
  }

  #launch(): void {
    const { entry, env, say, readyTimeoutSeconds } = this.#options;
    const child = spawn(process.execPath, [YOUNG_GENERATION, entry], {
      // In its own process group, so that a Ctrl-C for ours reaches it only through us, in order and once.
      detached: true,
      stdio: ['ignore', 2, 2, 'ipc'],
      env: env(),
    });
    this.#current = child;
    let readyAt = 0;
    let isFatal = false;

    const readyDeadline = setTimeout(() => {
      say(`${this.name} was not ready within ${readyTimeoutSeconds} s: killing it`);
      this.kill();
    }, readyTimeoutSeconds * 1_000);

    child.on('message', (raw) => {
      const message = readChildMessage(raw);
      if (message?.type === 'ready' && readyAt === 0) {
        clearTimeout(readyDeadline);
        readyAt = performance.now();
        this.isReady = true;
        this.#wasReady = true;
        this.#options.onReady();
      }
      // It was ready before, so its settings are right: it ends, and is restarted until its store is back.
      const isOutage = message?.type === 'fatal' && message.code === 'store_unreachable' && this.#wasReady;
      if (message?.type === 'fatal' && !isFatal && !isOutage) {
        isFatal = true;
        this.#isWanted = false;
        this.#options.onFatal(message);
      }
    });

    this.#ended = new Promise((resolve) => {
      let left = 2;
      let outcome = '';
      // A last message may arrive after `exit`: decide only when the channel has closed too.
      const finish = (): void => {
        left -= 1;
        if (left > 0) return;
        clearTimeout(readyDeadline);
        if (child.pid) sendSignal(-child.pid, 'SIGKILL');
        this.#current = undefined;
        this.process = undefined;
        this.isReady = false;
        resolve();
        if (this.#isWanted && !isFatal) this.#scheduleRestart(outcome, readyAt === 0 ? 0 : performance.now() - readyAt);
        this.#options.onChange();
      };
      child.once('error', (err) => {
        outcome = err.message;
        if (!child.pid) {
          left = 1;
          finish();
        }
      });
      child.once('exit', (code, signal) => {
        outcome = signal ?? `exit code ${code}`;
        finish();
      });
      child.once('disconnect', finish);
    });
    if (child.pid) this.process = recordProcess(child.pid);
    this.#options.onChange();
  }

  #scheduleRestart(outcome: string, readyMs: number): void {
    const { backoff, say } = this.#options;
    this.failures = failuresAfterCrash(backoff, this.failures, readyMs);
    const delayMs = backoffMs(backoff, this.failures);
    say(`${this.name} ended (${outcome}); starting it again in ${delayMs / 1_000} s`);
    this.#retry = setTimeout(() => {
      this.#options.onRestarted(this.name);
      this.#launch();
    }, delayMs);
  }
}
