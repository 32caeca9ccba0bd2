/** Single-flight reads: concurrent callers of a key share one read, including its failure. */
export function shareReads<T>(): (key: string, read: () => Promise<T>) => Promise<T> {
  const inFlight = new Map<string, Promise<T>>();
  return (key, read) => {
    const shared = inFlight.get(key);
    if (shared) return shared;
    const reading = read().finally(() => inFlight.delete(key));
    inFlight.set(key, reading);
    return reading;
  };
}
