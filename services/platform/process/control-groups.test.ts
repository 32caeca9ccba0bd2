import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type PlantedGroups, plantGroups } from '../testing/processes/planted-groups.ts';
import { cpuGroups, isInRootGroup, makeGroup, removeGroup, removeLeftOver } from './control-groups.ts';

let planted: PlantedGroups;
beforeEach(() => {
  planted = plantGroups();
});
afterEach(() => planted.remove());

describe('where groups of the processor may be made', () => {
  test.each([
    ['a container or a service has its own group', '4:memory:/\n1:cpu,cpuacct:/kubepods/pod1\n0::/\n'],
    ['a service under the unified hierarchy', '0::/system.slice/sallyport.service\n'],
    ['a group that only begins like ours', '1:cpu,cpuacct:/sallyport\n'],
    ['a product’s group, and not what serves in it', '1:cpu,cpuacct:/sallyport-product-17\n'],
    ['a group made in what serves', '1:cpu,cpuacct:/sallyport-product-17/serving/x\n'],
    ['no cpu controller anywhere', '4:memory:/\n'],
  ])('nowhere: %s', (_, cgroup) => {
    expect(cpuGroups(planted.files(cgroup))).toBeUndefined();
  });

  test('nowhere on a system without such files', () => {
    const none = join(planted.root, 'no');
    expect(cpuGroups({ cgroupFile: none, mountsFile: none, autogroupFile: none })).toBeUndefined();
  });

  test('nowhere in a container that takes its own group for the root', () => {
    const files = planted.files('1:cpu,cpuacct:/\n');
    rmSync(join(planted.root, 'release_agent'));
    expect(cpuGroups(files)).toBeUndefined();
    planted.group('unified', ['cgroup.type']);
    expect(cpuGroups(planted.files('0::/\n'))).toBeUndefined();
  });

  test('in the root group, of either hierarchy, and in the product’s', () => {
    const { root } = planted;
    const inRoot = cpuGroups(planted.files('4:memory:/x\n1:cpu,cpuacct:/\n0::/\n'))!;
    expect(inRoot).toEqual({ parent: root, own: root });
    const unified = `${root}/unified`;
    expect(cpuGroups(planted.files('0::/\n'))).toEqual({ parent: unified, own: unified });
    const inProduct = cpuGroups(planted.files('1:cpu,cpuacct:/sallyport-product-17/serving\n'))!;
    const parent = join(root, 'sallyport-product-17');
    expect(inProduct).toEqual({ parent, own: join(parent, 'serving') });
    expect([inRoot, inProduct].map(isInRootGroup)).toEqual([true, false]);
  });
});

test('groups whose makers are gone are removed; those of the living, of others and of another name stay', () => {
  const { root } = planted;
  const [gone, alive, other, named] = [
    'kind-2147483646',
    `kind-${process.ppid}`,
    'sort-2147483646',
    'kind-of-somebody',
  ].map((name) => join(root, name)) as [string, string, string, string];
  for (const path of [gone, alive, other, named]) mkdirSync(path);
  removeLeftOver({ parent: root, own: root }, 'kind-');
  expect([gone, alive, other, named].map((path) => existsSync(path))).toEqual([false, true, true, true]);
});

test('a group is named after its maker, and removed by its path with the groups in it', () => {
  const { root } = planted;
  const made = makeGroup({ parent: root, own: root }, 'kind-');
  expect(made).toBe(join(root, `kind-${process.pid}`));
  mkdirSync(join(made, 'serving', 'deeper'), { recursive: true });
  removeGroup(made);
  expect(existsSync(made)).toBe(false);
});
