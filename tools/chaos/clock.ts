import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureProgram, triplet } from '../checks/debian-package.ts';

const LIBRARY = 'libfaketime.so.1';

/** A wall clock of its own for the processes that get `env`; monotonic time stays the machine's. */
export type FakeClock = {
  readonly env: Readonly<Record<string, string>>;
  /** How far the clock is ahead from now on, in seconds; negative: behind. */
  set(offsetSeconds: number): void;
};

function findLibrary(): string {
  for (const folder of [`/usr/lib/${triplet}/faketime`, '/usr/lib/faketime', '/usr/local/lib/faketime'])
    if (existsSync(folder) && readdirSync(folder).includes(LIBRARY)) return join(folder, LIBRARY);
  return ensureProgram({ package: 'libfaketime', name: LIBRARY, path: `usr/lib/${triplet}/faketime/${LIBRARY}` });
}

/** @throws when there is no libfaketime here and Debian's package cannot be fetched */
export function createFakeClock(folder: string): FakeClock {
  const library = findLibrary();
  mkdirSync(folder, { recursive: true });
  const control = join(folder, 'clock');
  const set = (offsetSeconds: number): void => {
    // Whole at once: the library may read at any moment.
    writeFileSync(`${control}.new`, `${offsetSeconds >= 0 ? '+' : ''}${offsetSeconds}\n`);
    renameSync(`${control}.new`, control);
  };
  set(0);
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: control,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
      // Lock files are compared by the times of their owners.
      NO_FAKE_STAT: '1',
    },
    set,
  };
}
