/** One reading of a key at a time: whoever asks for it meanwhile is given the same, its failure too. */
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
