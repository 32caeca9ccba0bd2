import { spawnSync } from 'node:child_process';
import type { LoadResult, LoadSpec, StreamResult } from './load-loop.ts';
import { WorkerProcess } from './worker-process.ts';

/** Sends load from a process of its own; stocks of tokens stay there. */
export class LoadGenerator {
  readonly #worker = new WorkerProcess(new URL('./generator-process.ts', import.meta.url));

  get pid(): number {
    return this.#worker.pid;
  }

  /**
   * Puts it before everybody else on this machine (SCHED_FIFO) or back among them: a clock that waits for a processor
   * counts its own waiting as the server's.
   * @returns false where that is not allowed, and nothing has changed
   */
  goFirst(isFirst: boolean): boolean {
    const policy = isFirst ? ['--fifo', '--pid', '1'] : ['--other', '--pid', '0'];
    return spawnSync('chrt', [...policy, String(this.pid)], { stdio: 'ignore' }).status === 0;
  }

  run(load: LoadSpec): Promise<LoadResult> {
    return this.#worker.ask({ kind: 'run', load });
  }

  put(stock: string, items: readonly string[]): Promise<void> {
    return this.#worker.ask({ kind: 'put', stock, items });
  }

  take(stock: string): Promise<string[]> {
    return this.#worker.ask({ kind: 'take', stock });
  }

  close(): void {
    this.#worker.close();
  }
}

/** The single stream of a run, or the named one. */
export function streamOf(result: LoadResult, name?: string): StreamResult {
  const found = name === undefined ? result.streams[0] : result.streams.find((stream) => stream.name === name);
  if (!found) throw new Error(`no stream ${name}`);
  return found;
}

/**
 * Throws, with the outcomes, when an answer was not the expected one, or when a request could not be sent in its time.
 * @param mayDrop true where the rate that was reached is part of the figure
 */
export function requireClean(result: LoadResult, mayDrop = false): LoadResult {
  for (const { name, ok, failures, dropped } of result.streams) {
    if (ok === 0 || (dropped > 0 && !mayDrop) || Object.keys(failures).length > 0)
      throw new Error(`${name}: ${ok} as expected, ${dropped} dropped, others ${JSON.stringify(failures)}`);
  }
  return result;
}
