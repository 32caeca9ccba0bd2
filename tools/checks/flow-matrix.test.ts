import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FLOW_PATHS, flows, KINDS, NO_FLOW } from '#tools/testing/flow-matrix.ts';
import { collectEndpoints } from '../catalog/collect.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const endings: Readonly<Record<(typeof KINDS)[number], RegExp>> = {
  // A rule by itself, or on its store, without an API.
  unit: /^(?!.*\.(integration|all)\.).*\.test\.ts$/,
  integration: /\.(integration|all)\.test\.ts$/,
  fault: /\.test\.ts$/,
  load: /^load-tests\/scenarios\/[\w-]+\.js$/,
};

describe('the matrix of flows', () => {
  test('has no blank cell: every flow has tests of every kind, or a reason why not', () => {
    for (const flow of flows)
      for (const kind of KINDS) {
        const cell = flow[kind];
        const filled = 'none' in cell ? cell.none.length > 20 : cell.length > 0;
        expect([flow.name, kind, filled]).toEqual([flow.name, kind, true]);
      }
  });

  test('leaves no flow without unit and integration tests', () => {
    for (const { name, unit, integration } of flows)
      expect([name, 'none' in unit, 'none' in integration]).toEqual([name, false, false]);
  });

  test('names only files that are there, each of its kind', () => {
    for (const flow of flows)
      for (const kind of KINDS) {
        const cell = flow[kind];
        for (const file of 'none' in cell ? [] : cell) {
          expect([file, existsSync(resolve(ROOT, file))]).toEqual([file, true]);
          expect(file).toMatch(endings[kind]);
        }
      }
  });

  test('has every path that belongs to a flow once', async () => {
    const paths = new Set((await collectEndpoints()).map(({ path }) => path));
    const wanted = [...paths].filter((path) => FLOW_PATHS.test(path) && !NO_FLOW.includes(path));
    expect(flows.flatMap((flow) => flow.paths).sort()).toEqual(wanted.sort());
  });
});
