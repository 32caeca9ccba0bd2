/** Single-flight reads: concurrent callers of a key share one read, including its failure. */
export function createSharedReadings<T>(): (key: string, read: () => Promise<T>) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  return (key, read) => {
    const shared = underWay.get(key);
    if (shared) return shared;
    const reading = read().finally(() => underWay.delete(key));
    underWay.set(key, reading);
    return reading;
  };
}
