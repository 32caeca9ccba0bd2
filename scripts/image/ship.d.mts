import type { productionPackages } from '../production-modules.mjs';

/** The packages that an image has in node_modules, by the place that package-lock.json gives them. */
export function shippedPackages(packages: Parameters<typeof productionPackages>[0]): Set<string>;
/** Copies what an image ships into a folder that does not exist yet. */
export function ship(folder: string): void;
