import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { isLaterRelease, takeLaterNode } from './system-node.mjs';

test('only a later release of the same major takes the place of the packaged Node', () => {
  const isUsed = (system: string) => isLaterRelease(system, '24.21.0');
  expect(
    ['v24.22.1', 'v24.21.1', 'v25.0.0', 'v26.10.0', 'v24.21.0', 'v24.3.9', 'v20.20.2', 'nonsense'].map(isUsed),
  ).toEqual([true, true, false, false, false, false, false, false]);
});

describe('the Node of the machine', () => {
  let folder: string;
  let said: string[];
  beforeEach(() => {
    folder = testFolder(onTestFinished);
    said = [];
    program('package/bin/node', '24.21.0');
    writeFileSync(join(folder, 'package/package.json'), '{"version":"24.21.0","bin":{"node":"bin/node"}}');
  });

  function program(path: string, version: string): void {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), `#!/bin/sh\necho v${version}\n`);
    chmodSync(join(folder, path), 0o755);
  }
  const take = (path = join(folder, 'machine')) =>
    takeLaterNode({ packageFolder: join(folder, 'package'), path, say: (text) => said.push(text) });
  const packaged = () => readFileSync(join(folder, 'package/bin/node'), 'utf8');

  test('is copied once if it is later, and again when it changes', () => {
    program('machine/node', '24.22.1');
    take();
    take();
    expect(packaged()).toContain('v24.22.1');
    expect(said).toEqual(['using Node v24.22.1 of this machine in place of the packaged 24.21.0']);
    program('machine/node', '24.23.10');
    take();
    expect(packaged()).toContain('v24.23.10');
  });

  test('an earlier one, one of another major, and a machine without one change nothing', () => {
    program('machine/node', '22.23.3');
    take();
    take('/nowhere');
    expect(packaged()).toContain('v24.21.0');
    expect(said).toEqual([]);
  });

  test('one that does not run is named, and the packaged one stays', () => {
    program('machine/node', '24.22.1');
    writeFileSync(join(folder, 'machine/node'), '#!/nowhere/sh\n');
    take();
    expect(packaged()).toContain('v24.21.0');
    expect(said).toEqual([expect.stringContaining('the packaged Node 24.21.0 is used, not ')]);
  });
});
