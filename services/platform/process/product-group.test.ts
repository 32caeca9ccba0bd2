import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type PlantedGroups, plantGroups } from '../testing/processes/planted-groups.ts';
import { cpuGroups } from './control-groups.ts';
import { joinProductGroup } from './product-group.ts';

let planted: PlantedGroups;
beforeEach(() => {
  planted = plantGroups();
});
afterEach(() => planted.remove());

const own = `sallyport-product-${process.pid}`;
const inRoot = '1:cpu,cpuacct:/\n';
const told = (...path: string[]): string => readFileSync(join(planted.root, ...path), 'utf8');

test.each([
  ['cpu.shares', '4096'],
  ['cpu.weight', '400'],
])('the kernel is told: a group with the share of four (%s), then its member, which can leave it', (file, share) => {
  planted.group('', ['cgroup.procs']);
  planted.group(own, [file, 'cgroup.procs']);
  const leave = joinProductGroup(planted.files(inRoot));
  expect([told(own, file), told(own, 'cgroup.procs')]).toEqual([share, String(process.pid)]);
  expect(told('cgroup.procs')).toBe('');
  leave();
  expect(told('cgroup.procs')).toBe(String(process.pid));
});

test.each([
  ['in a container', '1:cpu,cpuacct:/kubepods/pod1\n'],
  ['in a product’s group already', '1:cpu,cpuacct:/sallyport-product-17\n'],
  ['where the kernel takes no member', inRoot],
])('%s everything stays as it is', (_, cgroup) => {
  const leave = joinProductGroup(planted.files(cgroup));
  leave();
  expect(existsSync(join(planted.root, own))).toBe(false);
});

/** What a process finds itself in before, inside and after, and whether the group is gone then. */
const CHILD = `
const { existsSync, readFileSync } = await import('node:fs');
const { joinProductGroup } = await import(process.argv[1]);
const { cpuGroups } = await import(process.argv[2]);
const groups = () => readFileSync('/proc/self/cgroup', 'utf8');
const before = groups();
const leave = joinProductGroup();
const [inside, own] = [groups(), cpuGroups()?.own];
leave();
console.log(JSON.stringify({ own, moved: inside !== before, isBack: groups() === before, left: existsSync(own ?? '') }));
`;

test.runIf(process.platform === 'linux')('this kernel: it moves where it may, and afterwards is where it was', () => {
  const urls = ['product-group', 'control-groups'].map((name) => new URL(`./${name}.ts`, import.meta.url).href);
  const run = execFileSync(process.execPath, ['--input-type=module', '-e', CHILD, ...urls], { encoding: 'utf8' });
  const { own: inside, moved, isBack, left } = JSON.parse(run) as Record<string, unknown>;
  expect(isBack).toBe(true);
  if (moved) expect([String(inside), left]).toEqual([expect.stringContaining('sallyport-product-'), false]);
  // A user's session or a container: nothing of ours.
  else expect(cpuGroups()?.own).toBe(inside);
});
