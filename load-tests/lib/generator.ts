import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { LineProcess } from './line-process.ts';
import type { LoadResult, LoadSpec, StreamResult } from './load-loop.ts';

/** Sends load from a process of its own; stocks of tokens stay there. */
export class LoadGenerator {
  readonly #process = new LineProcess(process.execPath, [resolve(import.meta.dirname, 'generator-process.ts')]);

  /**
   * Puts it before everybody else on this machine (SCHED_FIFO) or back among them: a clock that waits for a processor
   * counts its own waiting as the server's.
   * @returns false where that is not allowed, and nothing has changed
   */
  goFirst(isFirst: boolean): boolean {
    const policy = isFirst ? ['--fifo', '--pid', '1'] : ['--other', '--pid', '0'];
    return spawnSync('chrt', [...policy, String(this.#process.pid)], { stdio: 'ignore' }).status === 0;
  }

  run(load: LoadSpec): Promise<LoadResult> {
    return this.#process.ask({ kind: 'run', load });
  }

  put(stock: string, items: readonly string[]): Promise<void> {
    return this.#process.ask({ kind: 'put', stock, items });
  }

  take(stock: string): Promise<string[]> {
    return this.#process.ask({ kind: 'take', stock });
  }

  close(): Promise<void> {
    return this.#process.close();
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
  for (const { name, ok, failures, dropped } of result.streams)
    if (ok === 0 || (dropped > 0 && !mayDrop) || Object.keys(failures).length > 0)
      throw new Error(`${name}: ${ok} as expected, ${dropped} dropped, others ${JSON.stringify(failures)}`);
  return result;
}
