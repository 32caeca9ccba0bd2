/** Packages that a bundle leaves in node_modules, with the reason. */
export const OUTSIDE_PACKAGES: Readonly<Record<string, string>>;
