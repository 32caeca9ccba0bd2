import type { Viewed } from './viewers-process.ts';
import { WorkerProcess } from './worker-process.ts';

/** Viewers of the console's live events in a process of their own. */
export class Viewers {
  readonly #worker = new WorkerProcess(new URL('./viewers-process.ts', import.meta.url));

  /** Opens a stream for each of these `Cookie` headers; resolves when all are open. */
  open(api: string, cookies: readonly string[]): Promise<void> {
    return this.#worker.ask({ kind: 'open', api, cookies });
  }

  /** Counts from now on. */
  begin(): Promise<void> {
    return this.#worker.ask({ kind: 'begin' });
  }

  /** Closes all streams. @throws if one ended before, or had no event since the beginning */
  end(): Promise<Viewed> {
    return this.#worker.ask({ kind: 'end' });
  }

  close(): void {
    this.#worker.close();
  }
}
