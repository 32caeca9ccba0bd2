import type { Clock, Log, Ports } from '../ports.ts';
import { addUses, type KeyUse } from './api-keys.store.ts';

/** When keys were last used, added up in memory and written for all at once: no request waits for it. */
export type ApiKeyUses = {
  add(id: string): void;
  start(): void;
  /** Writes what is added up now. */
  flush(): Promise<void>;
  /** Writes what is added up. */
  close(): Promise<void>;
};

export type HasApiKeyUses = { readonly apiKeyUses: Pick<ApiKeyUses, 'add'> };

const FLUSH_MS = 10_000;

export function createApiKeyUses(ports: Pick<Ports, 'sql'> & { readonly clock: Clock; readonly log: Log }): ApiKeyUses {
  let waiting = new Map<string, KeyUse>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function keep(use: KeyUse): void {
    const held = waiting.get(use.id);
    const lastUsedAtMs = Math.max(use.lastUsedAtMs, held?.lastUsedAtMs ?? 0);
    waiting.set(use.id, { id: use.id, lastUsedAtMs, uses: use.uses + (held?.uses ?? 0) });
  }

  async function flush(): Promise<void> {
    const batch = [...waiting.values()];
    if (batch.length === 0) return;
    waiting = new Map();
    try {
      await addUses(ports.sql, batch);
    } catch (err) {
      batch.forEach(keep);
      ports.log.warn({ err }, 'the last use of API keys could not be written; it is tried again');
    }
  }

  return {
    add: (id) => keep({ id, lastUsedAtMs: ports.clock.now(), uses: 1 }),
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
