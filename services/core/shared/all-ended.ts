/**
 * The results of concurrent work. If one part fails, the others end before this rejects: no part goes on after the run
 * to which it belongs.
 */
export async function allEnded<T>(parts: readonly T[]): Promise<Awaited<T>[]> {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}
