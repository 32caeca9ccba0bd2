import type { Clock, Log, Ports } from '../ports.ts';
import { createRegularWrites, type RegularWrites } from '../shared/regular-writes.ts';
import { addUses, type KeyUse } from './api-keys.store.ts';

/** Counts uses of keys in memory and writes them for all keys at once, so no request waits for it. */
type ApiKeyUses = RegularWrites & { add(id: string): void };

export type HasApiKeyUses = { readonly apiKeyUses: Pick<ApiKeyUses, 'add'> };

const WRITE_MS = 10_000;

export function createApiKeyUses(ports: Pick<Ports, 'sql'> & { readonly clock: Clock; readonly log: Log }): ApiKeyUses {
  let waiting = new Map<string, KeyUse>();

  function count(use: KeyUse): void {
    const earlier = waiting.get(use.id);
    const lastUsedAtMs = Math.max(use.lastUsedAtMs, earlier?.lastUsedAtMs ?? 0);
    waiting.set(use.id, { id: use.id, lastUsedAtMs, uses: use.uses + (earlier?.uses ?? 0) });
  }

  async function write(): Promise<void> {
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
    ...createRegularWrites(WRITE_MS, write),
  };
}
