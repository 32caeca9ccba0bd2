import { type ChildProcess, fork } from 'node:child_process';

type Reply = { readonly id: number; readonly result?: unknown; readonly error?: string };

/** A child process that answers commands over its channel, one reply a command; it ends when its parent does. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  constructor(entry: URL, env: Readonly<Record<string, string>> = {}) {
    this.#child = fork(entry, {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      serialization: 'advanced',
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    this.#child.on('message', ({ id, result, error }: Reply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
    this.#child.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${entry.pathname} ended: ${signal ?? code}`));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  ask<T>(command: Readonly<Record<string, unknown>>): Promise<T> {
    this.#lastId += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, waiting);
    this.#child.send({ id: this.#lastId, ...command });
    return waiting.promise as Promise<T>;
  }

  close(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}
