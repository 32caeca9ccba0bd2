import { describe, expect, test } from 'vitest';
import { couplingOf, judgeCoupling } from './coupling.ts';

const file = (source: string, ...resolved: string[]) => ({
  source,
  dependencies: resolved.map((path) => ({ resolved: path })),
});

describe('the coupling of modules', () => {
  test('counts pairs of modules once, and imports that cross, without tests and harnesses', () => {
    const coupling = couplingOf([
      file('services/core/a/one.ts', 'services/core/b/x.ts', 'services/core/b/y.ts', 'services/core/a/two.ts'),
      file('services/core/a/two.ts', 'services/core/b/x.ts', 'services/core/b/x.ts', 'services/platform/p.ts'),
      file('services/core/b/x.ts'),
      file('services/core/b/y.ts'),
      file('services/core/b/x.test.ts', 'services/core/c/z.ts'),
      file('services/core/b/x-harness.ts', 'services/core/c/z.ts'),
      file('services/core/ports.ts', 'services/core/a/one.ts'),
      file('services/api/main.ts', 'services/core/a/one.ts'),
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
