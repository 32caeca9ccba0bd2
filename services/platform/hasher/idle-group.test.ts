import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeIdleGroup } from './idle-group.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-idle-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const mounts = (mount: string): string => `22 1 0:20 / /proc rw - proc proc rw
31 24 0:27 / /elsewhere rw,relatime - cgroup cgroup rw,cpuset
32 24 0:28 / ${mount} rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
33 24 0:29 / ${mount}/unified rw - cgroup2 cgroup2 rw`;

function place(cgroup: string): { cgroupFile: string; mountsFile: string } {
  const files = { cgroupFile: join(folder, 'cgroup'), mountsFile: join(folder, 'mountinfo') };
  writeFileSync(files.cgroupFile, cgroup);
  writeFileSync(files.mountsFile, mounts(folder));
  return files;
}

describe('a group for what must give way', () => {
  test.each([
    ['a container or a service has its own group', '4:memory:/\n1:cpu,cpuacct:/kubepods/pod1\n0::/\n'],
    ['a service under the unified hierarchy', '0::/system.slice/sallyport.service\n'],
    ['no cpu controller anywhere', '4:memory:/\n'],
    ['the kernel offers no cpu.idle', '1:cpu,cpuacct:/\n0::/\n'],
  ])('none is made where it is not ours to make: %s', (_, cgroup) => {
    expect(makeIdleGroup(place(cgroup))).toBeUndefined();
    expect(existsSync(join(folder, `sallyport-hashers-${process.pid}`))).toBe(false);
  });

  test('none on a system without such files', () => {
    expect(makeIdleGroup({ cgroupFile: join(folder, 'no'), mountsFile: join(folder, 'no') })).toBeUndefined();
  });

  test('groups of processes that are gone are removed, those of the living stay', () => {
    const [gone, alive] = [
      join(folder, 'sallyport-hashers-2147483646'),
      join(folder, `sallyport-hashers-${process.ppid}`),
    ];
    mkdirSync(gone);
    mkdirSync(alive);
    makeIdleGroup(place('1:cpu,cpuacct:/\n'));
    expect([existsSync(gone), existsSync(alive)]).toEqual([false, true]);
  });

  test('the kernel is told: an idle group, then its member', () => {
    const path = join(folder, `sallyport-hashers-${process.pid}`);
    mkdirSync(path);
    for (const file of ['cpu.idle', 'cgroup.procs']) writeFileSync(join(path, file), '');
    const group = makeIdleGroup(place('1:cpu,cpuacct:/\n'));
    group?.add(4_711);
    expect(readFileSync(join(path, 'cpu.idle'), 'utf8')).toBe('1');
    expect(readFileSync(join(path, 'cgroup.procs'), 'utf8')).toBe('4711');
    group?.close();
  });
});
