import { getHeapSpaceStatistics } from 'node:v8';

const OLD = ['old_space', 'large_object_space'];

/** Bytes; what is in nobody's use counts, as long as it stands there. Wants `--expose-gc`. */
export function oldGenerationBytes(): number {
  // What survives two collections of the young is old.
  for (let turn = 0; turn < 2; turn += 1) globalThis.gc?.({ type: 'minor' });
  return getHeapSpaceStatistics()
    .filter((space) => OLD.includes(space.space_name))
    .reduce((sum, space) => sum + space.space_used_size, 0);
}
