import { describe, expect, test } from 'vitest';
import { couplingOf, judgeCoupling } from './coupling.ts';
import { type Gates, judgeSize, sizeOf } from './house-size.ts';

const file = (path: string, text: string, isGenerated = false) => ({ path, text, isGenerated });

test('the product, its tools and its tests are counted apart, and what is generated in neither', () => {
  const { all, modules } = sizeOf([
    file('services/core/keys/sign.ts', 'export const a = 1;\nexport type { B, C } from "./b.ts";\n'),
    file('services/core/ports.ts', 'export type Ports = {};\n'),
    file('services/wings/agents/kill.ts', 'const a = 1;\n\n'),
    file('services/api/main.ts', 'export async function b() {}\n'),
    file('services/api/main.test.ts', '\n\n\n'),
    file('services/api/keys-harness.ts', '\n\n'),
    file('services/platform/own.ts', 'export const x = 1;\n', true),
    file('console/src/page.css', 'a {}\n'),
    file('tools/chaos/main.ts', 'export const y = 1;\n\n'),
    file('README.md', 'text\n'),
  ]);
  expect(all).toEqual({ product: 7, tools: 2, tests: 5, generated: 1, files: 10, names: 5 });
  expect(modules).toEqual({ api: 1, console: 1, core: 1, 'core/keys': 2, 'wings/agents': 2 });
});

const gates: Gates = { all: { product: 10, pairs: 3 }, modules: { a: 6, b: 4 } };

test('a house within its gates has no fault, and each gate that is passed is named', () => {
  expect(judgeSize({ all: { product: 10 }, modules: { a: 6, b: 4 } }, gates)).toEqual([]);
  expect(judgeSize({ all: { product: 11 }, modules: { a: 7, b: 4, c: 1 } }, gates)).toEqual([
    'product: 11, at most 10: take away as much as you add',
    'lines of a: 7, at most 6: take away as much as you add',
    'lines of c: 1, at most 0: take away as much as you add',
  ]);
});

test('no gate rises or goes, and a module gets room only from another', () => {
  const size = { all: {}, modules: {} };
  expect(judgeSize(size, { all: gates.all, modules: { a: 4, b: 5, c: 1 } }, gates)).toEqual([]);
  expect(judgeSize(size, { all: { product: 11 }, modules: { a: 7, b: 4 } }, gates)).toEqual([
    'the gate of product rose from 10 to 11: gates only fall',
    'the gate of pairs rose from 3 to none: gates only fall',
    'the modules may have 11 lines together, 10 before: move room, add none',
  ]);
});

const importing = (source: string, ...resolved: string[]) => ({
  source,
  dependencies: resolved.map((path) => ({ resolved: path })),
});

describe('the coupling of modules', () => {
  test('counts pairs of modules once, and imports that cross, without tests and harnesses', () => {
    const coupling = couplingOf([
      importing('services/core/a/one.ts', 'services/core/b/x.ts', 'services/core/b/y.ts', 'services/core/a/two.ts'),
      importing('services/core/a/two.ts', 'services/core/b/x.ts', 'services/core/b/x.ts', 'services/platform/p.ts'),
      importing('services/core/b/x.ts'),
      importing('services/core/b/y.ts'),
      importing('services/core/b/x.test.ts', 'services/core/c/z.ts'),
      importing('services/core/b/x-harness.ts', 'services/core/c/z.ts'),
      importing('services/core/ports.ts', 'services/core/a/one.ts'),
      importing('services/api/main.ts', 'services/core/a/one.ts'),
    ]);
    expect(coupling).toEqual({ modules: 2, pairs: ['a b'], importsPerFile: 0.75 });
    expect(couplingOf([])).toEqual({ modules: 0, pairs: [], importsPerFile: 0 });
  });

  test('coupling of modules beyond either bound fails', () => {
    const most = { pairs: 3, importsPerFile: 0.75 };
    const within = { modules: 3, pairs: ['a b', 'a c', 'b c'], importsPerFile: 0.75 };
    expect(judgeCoupling(within, most)).toEqual([
      'coupling: 3 of 3 pairs of 3 modules (at most 3), 0.75 imports of another module a file (at most 0.75)',
      true,
    ]);
    expect(judgeCoupling({ ...within, pairs: [...within.pairs, 'c a'] }, most)[1]).toBe(false);
    expect(judgeCoupling({ ...within, importsPerFile: 0.76 }, most)[1]).toBe(false);
  });
});
