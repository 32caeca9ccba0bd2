type Held<T> = { readonly value: T; readonly bytes: number };

export type ByteLru<T> = {
  /** Counts as a use. */
  get(key: string): T | undefined;
  /** Makes room by forgetting what was not used for longest; what takes over a quarter of all room is not kept. */
  set(key: string, value: T, bytes: number): void;
  bytes(): number;
};

/** A cache bounded in bytes: `bytes` of each entry as its owner counts them. */
export function createByteLru<T>(maxBytes: number): ByteLru<T> {
  const entries = new Map<string, Held<T>>();
  let total = 0;
  const forget = (key: string): void => {
    total -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  return {
    get(key) {
      const held = entries.get(key);
      if (held === undefined) return undefined;
      // A Map keeps the order of insertion: the first is the one to go.
      entries.delete(key);
      entries.set(key, held);
      return held.value;
    },
    set(key, value, bytes) {
      forget(key);
      if (bytes > maxBytes / 4) return;
      entries.set(key, { value, bytes });
      total += bytes;
      for (const oldest of entries.keys()) {
        if (total <= maxBytes) break;
        forget(oldest);
      }
    },
    bytes: () => total,
  };
}
