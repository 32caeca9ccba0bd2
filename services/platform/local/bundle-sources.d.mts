/** The name of the bundle of the sources below this folder; undefined without sources. */
export function bundleNameOf(root: string): string | undefined;
/** Whether the sources beside a bundle are others than those it is made of. */
export function isOutdated(root: string, bundle: string): boolean;
