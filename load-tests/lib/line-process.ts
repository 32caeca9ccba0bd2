import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

type Reply = { readonly id: number; readonly result?: unknown; readonly error?: string };

const STOP_MS = 5_000;

/**
 * A child process in any language that answers commands: a line of JSON on its input, a line on its output. It ends when
 * its input does.
 */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(command, args, {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['pipe', 'pipe', 2],
    });
    // A process that has ended no longer reads: its exit tells why.
    this.#child.stdin!.on('error', () => {});
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as Reply;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
    this.#ended = new Promise((done) => {
      const end = (why: string): void => {
        for (const { reject } of this.#waiting.values())
          reject(new Error(`${command} ${args.join(' ')} ended: ${why}`));
        this.#waiting.clear();
        done();
      };
      this.#child.once('error', (err) => end(err.message));
      this.#child.once('exit', (code, signal) => end(String(signal ?? code)));
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  ask<T>(command: Readonly<Record<string, unknown>>): Promise<T> {
    this.#lastId += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, waiting);
    this.#child.stdin!.write(`${JSON.stringify({ id: this.#lastId, ...command })}\n`);
    return waiting.promise as Promise<T>;
  }

  async close(): Promise<void> {
    this.#child.stdin!.end();
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#ended;
    clearTimeout(kill);
  }
}
