import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type PlantedGroups, plantGroups } from '../testing/processes/planted-groups.ts';
import { makeIdleGroup } from './idle-group.ts';

let planted: PlantedGroups;
beforeEach(() => {
  planted = plantGroups();
});
afterEach(() => planted.remove());

const own = `sallyport-hashers-${process.pid}`;

describe('a group for what must give way', () => {
  test.each([
    ['the group of a container is not ours', '1:cpu,cpuacct:/kubepods/pod1\n'],
    ['the kernel offers no cpu.idle', '1:cpu,cpuacct:/\n0::/\n'],
  ])('none is made where it cannot be: %s', (_, cgroup) => {
    expect(makeIdleGroup(planted.files(cgroup))).toBeUndefined();
    expect(existsSync(join(planted.root, own))).toBe(false);
  });

  test.each([
    ['the root group', '1:cpu,cpuacct:/\n', '', ''],
    [
      'what serves in its product’s',
      '1:cpu,cpuacct:/sallyport-product-17/serving\n',
      'sallyport-product-17',
      'serving',
    ],
  ])('the kernel is told: an idle group, then its member; released, it goes back to %s', (_, cgroup, parent, back) => {
    const path = planted.group(join(parent, own), ['cpu.idle', 'cgroup.procs']);
    const released = planted.group(join(parent, back), ['cgroup.procs']);
    const group = makeIdleGroup(planted.files(cgroup));
    group?.add(4_711);
    const told = (file: string): string => readFileSync(file, 'utf8');
    expect([told(join(path, 'cpu.idle')), told(join(path, 'cgroup.procs'))]).toEqual(['1', '4711']);
    group?.release(4_711);
    expect(told(join(released, 'cgroup.procs'))).toBe('4711');
    group?.close();
  });
});
