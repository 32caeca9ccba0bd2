import { type FSWatcher, lstatSync, readdirSync, watch } from 'node:fs';
import { join, relative } from 'node:path';

const SETTLE_MS = 150;
const watched = /\.(ts|mts|mjs|json|sql)$/;
const ignored = /(^|\/)(generated|node_modules)(\/|$)|(\.test|-harness)\.ts$/;

/**
 * Calls `onChange` once after source files under `folders` have changed and settled. Each folder is watched separately:
 * on Linux a recursive watch stays on the first file it saw, and misses one that was saved by renaming.
 */
export function watchSources(folders: readonly string[], onChange: (file: string) => void): { close(): void } {
  let settle: NodeJS.Timeout | undefined;
  const watchers = new Map<string, FSWatcher>();

  const changed = (file: string): void => {
    if (!watched.test(file) || ignored.test(file)) return;
    clearTimeout(settle);
    settle = setTimeout(() => onChange(file), SETTLE_MS);
  };

  /** Watches a folder and those below it, again where it was watched before, and returns their files. */
  function follow(root: string, folder: string): string[] {
    watchers.get(folder)?.close();
    watchers.delete(folder);
    if (ignored.test(relative(root, folder)) || !isFolder(folder)) return [];
    const onEvent = (_event: string, name: string | null): void => {
      if (name === null) return;
      const path = join(folder, name);
      // A new folder may contain files already.
      for (const file of [path, ...follow(root, path)]) changed(relative(root, file));
    };
    try {
      watchers.set(folder, watch(folder, onEvent));
      return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? follow(root, path) : [path];
      });
    } catch (err) {
      // It was deleted while being read.
      if ((err as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw err;
    }
  }

  for (const folder of folders) follow(folder, folder);
  return {
    close: () => {
      clearTimeout(settle);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

const isFolder = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
