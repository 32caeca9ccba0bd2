import { namedBy } from '../checks/reach.ts';

/** Names of test files. The ending says what a test needs and when it runs: all but `.all.test.ts` are in `npm test`. */
export const TEST_NAME = /(^|\/)[\w-]+(\.(store|cache))?(\.(db|integration|all))?\.test\.ts$/;

export const isSecondTier = (path: string): boolean => path.endsWith('.all.test.ts');
/** Of the first tier, what needs stores. */
export const isFirstTier = (path: string): boolean => /\.(db|integration)\.test\.ts$/.test(path);

const SOURCE = /\.(ts|mts|mjs|js)$/;
const PRODUCT = /^(services|jobs|observability|cli|console|prisma)\//;
const TEST_ONLY = /(\.test|-harness)\.ts$/;
const ROOT_FILE = /^[^/]+\.(json|ts|mjs)$/;

/**
 * Gives the files that a test names and that are not of the product: itself, harnesses and tools, what those name in turn,
 * and pages and configurations that they read.
 */
export function toolsOf(known: ReadonlySet<string>, read: (path: string) => string): (test: string) => Set<string> {
  const isTool = (path: string): boolean =>
    known.has(path) && !ROOT_FILE.test(path) && (!PRODUCT.test(path) || TEST_ONLY.test(path));
  const namedTools = new Map<string, readonly string[]>();
  const toolsNamedBy = (path: string): readonly string[] => {
    const found = namedTools.get(path) ?? (SOURCE.test(path) ? namedBy(path, read(path)).filter(isTool) : []);
    namedTools.set(path, found);
    return found;
  };
  return (test) => {
    const tools = new Set([test]);
    for (const path of tools) for (const named of toolsNamedBy(path)) tools.add(named);
    return tools;
  };
}

/** What a wing serves, as the names of test files begin; every job, agents of a stale directory, and transmitters of the OpenID suite are of wings too. `idle-memory` measures the machine. */
const ABOUT_WINGS =
  /\/(agents|alerts|console|every-job|handoff|hostile-receivers|idle-memory|imports|killed-agents|left-out|legacy|old-provider|privacy|run-the-openid|signoff|stale-directory)[\w-]*\.integration/;
/** By their subject, or because they import a wing. */
const OF_WINGS = /services\/(wings|mcp)\//;

/** The integration tests of services/ that pass in an installation without wings; the authority matrix and the OpenID suite use wings. */
export function testsWithoutWings(files: readonly string[], read: (path: string) => string): string[] {
  const tools = toolsOf(new Set(files), read);
  const ownFiles = (test: string): string[] =>
    [...tools(test)].filter((path) => path === test || path.endsWith('-harness.ts'));
  return files.filter(
    (path) =>
      path.startsWith('services/') &&
      path.endsWith('.integration.test.ts') &&
      !ABOUT_WINGS.test(path) &&
      !ownFiles(path).some((own) => OF_WINGS.test(own) || OF_WINGS.test(read(own))),
  );
}
