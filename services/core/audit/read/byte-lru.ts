type Entry<T> = { readonly value: T; readonly bytes: number };

type ByteLru<T> = {
  /** Marks the entry as the most recently used. */
  get(key: string): T | undefined;
  /** Evicts the least recently used entries. Does not store a value larger than a quarter of the cache. */
  set(key: string, value: T, bytes: number): void;
  bytes(): number;
};

/** A least-recently-used cache bounded in bytes. The caller states the size of each entry. */
export function createByteLru<T>(maxBytes: number): ByteLru<T> {
  const entries = new Map<string, Entry<T>>();
  let total = 0;
  const remove = (key: string): void => {
    total -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      // A Map iterates in insertion order, so its first entry is the least recently used.
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, bytes) {
      remove(key);
      if (bytes > maxBytes / 4) return;
      entries.set(key, { value, bytes });
      total += bytes;
      for (const oldest of entries.keys()) {
        if (total <= maxBytes) break;
        remove(oldest);
      }
    },
    bytes: () => total,
  };
}
