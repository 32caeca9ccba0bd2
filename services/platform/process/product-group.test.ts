import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type PlantedGroups, plantGroups } from '../testing/processes/planted-groups.ts';
import { cpuGroups, isInRootGroup, ownControlGroup } from './control-groups.ts';
import { joinProductGroup, takeIntoProductGroup } from './product-group.ts';

let planted: PlantedGroups;
beforeEach(() => {
  planted = plantGroups();
});
afterEach(() => planted.remove());

const own = `sallyport-product-${process.pid}`;
const inRoot = '1:cpu,cpuacct:/\n';
const told = (...path: string[]): string => readFileSync(join(planted.root, ...path), 'utf8');

const serving = join(own, 'serving');

test.each([
  ['cpu.shares', '4096', '262144'],
  ['cpu.weight', '400', '10000'],
])(
  'the kernel is told: a group with the share of four (%s), in it what serves, then its member, which can leave it',
  (file, share, most) => {
    planted.group('', ['cgroup.procs']);
    planted.group(own, [file]);
    planted.group(serving, [file, 'cgroup.procs']);
    const leave = joinProductGroup(planted.files(inRoot));
    expect([told(own, file), told(serving, file), told(serving, 'cgroup.procs')]).toEqual([
      share,
      most,
      String(process.pid),
    ]);
    expect(told('cgroup.procs')).toBe('');
    leave();
    expect(told('cgroup.procs')).toBe(String(process.pid));
  },
);

test('in the unified hierarchy the product’s group passes the controller on', () => {
  planted.group('', ['cgroup.procs']);
  planted.group(own, ['cpu.weight', 'cgroup.subtree_control']);
  planted.group(serving, ['cpu.weight', 'cgroup.procs']);
  joinProductGroup(planted.files(inRoot))();
  expect(told(own, 'cgroup.subtree_control')).toBe('+cpu');
});

test.each([
  ['in a container', '1:cpu,cpuacct:/kubepods/pod1\n'],
  ['in a product’s group already', '1:cpu,cpuacct:/sallyport-product-17/serving\n'],
  ['where the kernel offers no share', inRoot],
])('%s everything stays as it is', (_, cgroup) => {
  planted.group('', ['cgroup.procs']);
  const leave = joinProductGroup(planted.files(cgroup));
  leave();
  expect(existsSync(join(planted.root, own))).toBe(false);
});

test('where Linux does not share by session there is nothing to gain, and nothing is done', () => {
  planted.group('', ['cgroup.procs']);
  planted.group(own, ['cpu.shares']);
  const files = planted.files(inRoot);
  for (const setting of ['0\n', undefined]) {
    if (setting === undefined) rmSync(files.autogroupFile);
    else writeFileSync(files.autogroupFile, setting);
    joinProductGroup(files)();
    expect([told(own, 'cpu.shares'), told('cgroup.procs')]).toEqual(['', '']);
  }
});

test('a server that an earlier start left running is taken into the group of this one, where there is one', () => {
  const path = planted.group('sallyport-product-17/serving', ['cgroup.procs']);
  planted.group('', ['cgroup.procs']);
  takeIntoProductGroup(4_711, planted.files(inRoot));
  expect(told('cgroup.procs')).toBe('');
  const files = planted.files('1:cpu,cpuacct:/sallyport-product-17/serving\n');
  takeIntoProductGroup(4_711, files);
  expect(readFileSync(join(path, 'cgroup.procs'), 'utf8')).toBe('4711');
  rmSync(path, { recursive: true });
  expect(() => takeIntoProductGroup(4_711, files)).not.toThrow();
});

const readIf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** What a process finds itself in before, inside and after, and whether the group is gone then. */
const CHILD = `
const { existsSync, readFileSync } = await import('node:fs');
const { joinProductGroup } = await import(process.argv[1]);
const { cpuGroups } = await import(process.argv[2]);
const groups = () => readFileSync('/proc/self/cgroup', 'utf8');
const before = groups();
const leave = joinProductGroup();
const [inside, now] = [groups(), cpuGroups()];
leave();
const left = existsSync(now?.parent === now?.own ? '' : now.parent);
console.log(JSON.stringify({ own: now?.own, moved: inside !== before, isBack: groups() === before, left }));
`;

test.runIf(process.platform === 'linux')('this kernel: it moves where it may, and afterwards is where it was', () => {
  const urls = ['product-group', 'control-groups'].map((name) => new URL(`./${name}.ts`, import.meta.url).href);
  const run = execFileSync(process.execPath, ['--input-type=module', '-e', CHILD, ...urls], { encoding: 'utf8' });
  const { own: inside, moved, isBack, left } = JSON.parse(run) as Record<string, unknown>;
  expect(isBack).toBe(true);
  const groups = cpuGroups();
  const isSharedBySession = /^1/.test(readIf(ownControlGroup.autogroupFile));
  const mayMove = process.getuid?.() === 0 && groups !== undefined && isInRootGroup(groups) && isSharedBySession;
  expect(moved).toBe(mayMove);
  if (moved) expect([inside, left]).toEqual([expect.stringMatching(/\/sallyport-product-\d+\/serving$/), false]);
});
