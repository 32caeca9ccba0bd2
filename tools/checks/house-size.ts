/** How large the house is, and how large it may be: gates only fall. */

/** A file of the repository, with its text. */
export type SizedFile = { readonly path: string; readonly text: string; readonly isGenerated: boolean };

export type Gates = {
  /** The whole house, each by its own rule. */
  readonly all: Readonly<Record<string, number>>;
  /** Lines of each module of the product. Their sum never rises: room for one is moved from another. */
  readonly modules: Readonly<Record<string, number>>;
};

const COUNTED = /\.(ts|tsx|js|mjs|css|sql|prisma)$/;
const TEST = /\.test\.tsx?$|-harness\.tsx?$/;
const PRODUCT = /^(services|cli|jobs|observability|console)\//;
const TOOLS = /^(load-tests|conformance|tools)\//;
const EXPORTED =
  /^export (?:declare )?(?:async )?(?:const|let|function\*?|class|abstract class|type|interface) (?:\w+)/gm;
const EXPORTED_LIST = /^export (?:type )?\{([^}]*)\}/gm;

const linesOf = (files: readonly SizedFile[]): number =>
  files.reduce((sum, { text }) => sum + (text.match(/\n/g)?.length ?? 0), 0);

const namesOf = ({ text }: SizedFile): number =>
  (text.match(EXPORTED)?.length ?? 0) +
  [...text.matchAll(EXPORTED_LIST)].flatMap(([, names = '']) => names.split(',').filter((name) => name.trim())).length;

/** The module that a file of the product belongs to: a room of `services/core`, a wing, a process or a top-level folder. */
function moduleOf(path: string): string {
  const [top = '', second = '', third = ''] = path.split('/');
  if (top !== 'services') return top;
  return ['core', 'wings'].includes(second) && path.split('/').length > 3 ? `${second}/${third}` : second;
}

/** What the house is made of. The gates also bound the pairs of modules that know each other: see coupling.ts. */
export function sizeOf(files: readonly SizedFile[]): Gates {
  const counted = files.filter(({ path, isGenerated }) => COUNTED.test(path) && !isGenerated);
  const isTest = ({ path }: SizedFile): boolean => TEST.test(path) || path.includes('/testing/');
  const product = counted.filter((file) => PRODUCT.test(file.path) && !isTest(file));
  const modules = Map.groupBy(product, ({ path }) => moduleOf(path));
  return {
    all: {
      product: linesOf(product),
      tools: linesOf(counted.filter((file) => TOOLS.test(file.path) && !TEST.test(file.path))),
      tests: linesOf(counted.filter(({ path }) => TEST.test(path))),
      generated: linesOf(files.filter(({ isGenerated }) => isGenerated)),
      files: files.length,
      names: product.reduce((sum, file) => sum + namesOf(file), 0),
    },
    modules: Object.fromEntries(
      [...modules].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, of]) => [name, linesOf(of)]),
    ),
  };
}

/**
 * What is larger than it may be, and gates that rose.
 * @param earlier the gates as committed before; without them none can have risen
 */
export function judgeSize(size: Gates, gates: Gates, earlier?: Gates): string[] {
  const sum = (modules: Gates['modules']): number => Object.values(modules).reduce((all, each) => all + each, 0);
  const over = (what: string, is: Gates['all'], may: Gates['all']): string[] =>
    Object.entries(is)
      .filter(([name, value]) => value > (may[name] ?? 0))
      .map(([name, value]) => `${what}${name}: ${value}, at most ${may[name] ?? 0}: take away as much as you add`);
  const rose = Object.entries(earlier?.all ?? {})
    .filter(([name, value]) => (gates.all[name] ?? Number.POSITIVE_INFINITY) > value)
    .map(([name, value]) => `the gate of ${name} rose from ${value} to ${gates.all[name] ?? 'none'}: gates only fall`);
  const [now, before] = [sum(gates.modules), sum(earlier?.modules ?? gates.modules)];
  const rooms =
    now > before ? [`the modules may have ${now} lines together, ${before} before: move room, add none`] : [];
  return [...over('', size.all, gates.all), ...over('lines of ', size.modules, gates.modules), ...rose, ...rooms];
}
