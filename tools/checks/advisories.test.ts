import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { AdvisoryList } from '#services/platform/advisories/advisories.ts';
import { lockFlaws, npmFindings, unaccepted } from './advisories.ts';
import { lookAtList } from './listed-advisories.ts';

const URL_OF = 'https://github.com/advisories/GHSA-0000-0000-0000';
const finding = { id: URL_OF, name: 'left', severity: 'critical', title: 'Reads beyond its end' };

/** Runs the real npm against a registry that knows one advisory, or none of whose answers are right. */
async function auditAgainst(advisories: object | undefined): Promise<string> {
  const registry = createServer((request, response) => {
    request.resume();
    if (advisories === undefined) return void response.writeHead(405).end();
    const isAdvisories = request.url?.includes('advisories');
    const packument = { name: 'left', versions: { '1.0.0': { name: 'left', version: '1.0.0' } } };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(isAdvisories ? advisories : packument));
  });
  await new Promise<void>((done) => registry.listen(0, '127.0.0.1', done));
  const folder = await mkdtemp(join(tmpdir(), 'audit-'));
  try {
    const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
    const dependencies = { left: '1.0.0' };
    const packages = {
      '': { name: 'it', version: '1.0.0', dependencies },
      'node_modules/left': { version: '1.0.0', resolved: `${url}left/-/left-1.0.0.tgz`, integrity: 'sha512-AAAA' },
    };
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'it', version: '1.0.0', dependencies }));
    const lock = { name: 'it', version: '1.0.0', lockfileVersion: 3, requires: true, packages };
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock));
    const args = [
      'audit',
      '--json',
      '--package-lock-only',
      '--fetch-retries=0',
      `--registry=${url}`,
      '--cache',
      folder,
    ];
    const npm = spawn('npm', args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    npm.stdout.on('data', (part: Buffer) => {
      text += part.toString();
    });
    await new Promise((done) => npm.once('close', done));
    return text;
  } finally {
    registry.close();
    await rm(folder, { recursive: true, force: true });
  }
}

test('an advisory that npm reports is a finding, a registry that knows none is clean, and one that does not answer is neither', async () => {
  const advisory = { id: 1, url: URL_OF, title: finding.title, severity: 'critical', vulnerable_versions: '<2.0.0' };
  expect(npmFindings(await auditAgainst({ left: [advisory] }))).toEqual([finding]);
  expect(npmFindings(await auditAgainst({}))).toEqual([]);
  expect(npmFindings(await auditAgainst(undefined))).toBeUndefined();
  expect(npmFindings('npm error')).toBeUndefined();
});

test('high and critical advisories fail unless they are accepted, by id and package, until a day', () => {
  const today = new Date('2026-11-24T12:00:00Z');
  const accepted = { id: URL_OF, name: 'left', reason: 'never called', until: '2026-11-24' };
  expect(unaccepted([finding, { ...finding, severity: 'moderate' }], [], today)).toEqual([finding]);
  expect(unaccepted([{ ...finding, severity: 'high' }], [accepted], today)).toEqual([]);
  for (const wrong of [{ until: '2026-11-23' }, { name: 'right' }, { id: 'x' }])
    expect(unaccepted([finding], [{ ...accepted, ...wrong }], today)).toEqual([finding]);
});

test('a lock file names the bytes of each package, from an https address', () => {
  const good = { resolved: 'https://registry.npmjs.org/left/-/left-1.0.0.tgz', integrity: 'sha512-AAAA' };
  const flaws = (entry: object) => lockFlaws({ packages: { '': {}, 'node_modules/left': entry } });
  expect([flaws(good), flaws({ link: true }), flaws({ resolved: 'file:../left.tgz' })]).toEqual([[], [], []]);
  expect(flaws({ optional: true, os: ['darwin'] })).toEqual([]);
  expect(flaws({ ...good, integrity: undefined })).toEqual(['node_modules/left has no sha512']);
  expect(flaws({ ...good, resolved: 'http://registry/left.tgz' })).toEqual([
    'node_modules/left is not from an https address',
  ]);
});

const root = resolve(import.meta.dirname, '../..');
const NOW = new Date('2026-11-26T12:00:00Z');
const installed = { node: '24.22.1' };
const listOf = (asOf: string, exposure: 'none' | 'exposed' = 'none'): AdvisoryList => ({
  asOf,
  advisories: [
    {
      ...{ id: 'CVE-2026-1', product: 'node', affected: [{ before: '24.22.2' }], severity: 'high' },
      ...{ title: 'reads too far', exposure, why: 'requests reach it' },
    },
  ],
});

test('a list that is three months old is a warning to the check, and fails the release', () => {
  const old = listOf('2026-08-26');
  const check = lookAtList(old, installed, NOW, false);
  expect(check.lines.at(-1)).toBe('OLD: the list is of 2026-08-26, 92 days old (30 at most at a release)');
  expect([check.fails, lookAtList(old, installed, NOW, true).fails]).toEqual([false, true]);
});

test('a list of thirty days passes a release, and one of a day later does not', () => {
  expect(lookAtList(listOf('2026-10-27'), installed, NOW, true).fails).toBe(false);
  expect(lookAtList(listOf('2026-10-26'), installed, NOW, true).fails).toBe(true);
});

test('an exposure fails the check, whatever the age of the list', () => {
  const fresh = lookAtList(listOf('2026-11-26', 'exposed'), installed, NOW, false);
  expect(fresh.lines[0]).toMatch(/^EXPOSED: node 24\.22\.1: CVE-2026-1/);
  expect(fresh.fails).toBe(true);
});

test('npm run check looks at the list, and the release gate asks for a fresh one', () => {
  const text = (path: string): string => readFileSync(join(root, path), 'utf8');
  expect((JSON.parse(text('package.json')) as { scripts: { check: string } }).scripts.check).toMatch(/ advisories$/);
  expect(text('tools/release/gate.ts')).toContain("'tools/checks/listed-advisories.ts', '--fresh'");
});
