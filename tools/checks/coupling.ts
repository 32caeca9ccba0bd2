import gates from './size.json' with { type: 'json' };

/** A source file and the files that it imports, as dependency-cruiser reports them. */
export type CruisedModule = {
  readonly source: string;
  readonly dependencies: readonly { readonly resolved: string }[];
};

export type Coupling = {
  readonly modules: number;
  /** Pairs of modules of which the first imports the other. */
  readonly pairs: readonly string[];
  /** Imports that cross from one module into another, for each file. */
  readonly importsPerFile: number;
};

/** They only fall, as every gate of the house's size. */
const MOST: { readonly pairs: number; readonly importsPerFile: number } = gates.all;

const moduleOf = (path: string): string | undefined => /^services\/(?:core|wings)\/([^/]+)\//.exec(path)?.[1];

/** How much the modules of the domain know of each other; tests and harnesses do not count. */
export function couplingOf(cruised: readonly CruisedModule[]): Coupling {
  const modules = new Set<string>();
  const pairs = new Set<string>();
  let files = 0;
  let crossing = 0;
  for (const { source, dependencies } of cruised) {
    const user = moduleOf(source);
    if (user === undefined || /(\.test|-harness)\.ts$/.test(source)) continue;
    modules.add(user);
    files += 1;
    for (const used of new Set(dependencies.map(({ resolved }) => resolved))) {
      const other = moduleOf(used);
      if (other === undefined || other === user) continue;
      pairs.add(`${user} ${other}`);
      crossing += 1;
    }
  }
  return { modules: modules.size, pairs: [...pairs].sort(), importsPerFile: files === 0 ? 0 : crossing / files };
}

/** One line for the report, and whether both numbers are within their bounds. */
export function judgeCoupling({ modules, pairs, importsPerFile }: Coupling, most = MOST): [string, boolean] {
  const possible = (modules * (modules - 1)) / 2;
  const line = `coupling: ${pairs.length} of ${possible} pairs of ${modules} modules (at most ${most.pairs}), ${importsPerFile.toFixed(2)} imports of another module a file (at most ${most.importsPerFile})`;
  return [line, pairs.length <= most.pairs && importsPerFile <= most.importsPerFile];
}
