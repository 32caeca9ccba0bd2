import type { Clock, Log, Ports } from '../ports.ts';
import { addUses, type KeyUse } from './api-keys.store.ts';

/** Counts uses of keys in memory and writes them for all keys at once, so no request waits for it. */
type ApiKeyUses = {
  add(id: string): void;
  start(): void;
  /** Writes the counts. A failure is logged and the counts are written with the next flush. */
  flush(): Promise<void>;
  /** Stops the timer and writes the counts. */
  close(): Promise<void>;
};

export type HasApiKeyUses = { readonly apiKeyUses: Pick<ApiKeyUses, 'add'> };

const FLUSH_MS = 10_000;

export function createApiKeyUses(ports: Pick<Ports, 'sql'> & { readonly clock: Clock; readonly log: Log }): ApiKeyUses {
  let waiting = new Map<string, KeyUse>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function count(use: KeyUse): void {
    const earlier = waiting.get(use.id);
    const lastUsedAtMs = Math.max(use.lastUsedAtMs, earlier?.lastUsedAtMs ?? 0);
    waiting.set(use.id, { id: use.id, lastUsedAtMs, uses: use.uses + (earlier?.uses ?? 0) });
  }

  async function flush(): Promise<void> {
    const batch = [...waiting.values()];
    if (batch.length === 0) return;
    waiting = new Map();
    try {
      await addUses(ports.sql, batch);
    } catch (err) {
      batch.forEach(count);
      ports.log.warn({ err }, 'writing the uses of API keys failed; retrying');
    }
  }

  return {
    add: (id) => count({ id, lastUsedAtMs: ports.clock.now(), uses: 1 }),
    start() {
      timer = setInterval(() => {
        writing = writing.then(flush);
      }, FLUSH_MS);
      timer.unref();
    },
    flush,
    async close() {
      clearInterval(timer);
      await writing;
      await flush();
    },
  };
}
