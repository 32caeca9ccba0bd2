import { type FSWatcher, watch } from 'node:fs';

const settleMs = 150;
const watched = /\.(ts|mts|mjs|json|sql)$/;
const ignored = /(^|\/)(generated|node_modules)\/|\.test\.ts$/;

/** Calls `onChange` once after source files under `folders` have changed and settled. */
export function watchSources(folders: readonly string[], onChange: (file: string) => void): { close(): void } {
  let settle: NodeJS.Timeout | undefined;
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(folder, { recursive: true }, (_event, file) => {
      if (!file || !watched.test(file) || ignored.test(file)) return;
      clearTimeout(settle);
      settle = setTimeout(() => onChange(file), settleMs);
    }),
  );
  return {
    close: () => {
      clearTimeout(settle);
      for (const watcher of watchers) watcher.close();
    },
  };
}
