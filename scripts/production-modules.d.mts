type Package = {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
};
/** The packages that those of `dependencies` need, by the place that package-lock.json gives them. */
export function productionPackages(packages: Record<string, Package>): Set<string>;
/** Why a file of a kept package, named by its path below node_modules, is not read; undefined if it may be. */
export function unreadFile(path: string): string | undefined;
/** Removes the rest. */
export function keepProductionModules(root: string): void;
/** MB (2^20 bytes) on the disk: a file with two names counts once. */
export function megabytesOf(folder: string, counts?: (path: string) => boolean): number;
