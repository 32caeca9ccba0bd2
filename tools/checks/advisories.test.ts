import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lockFlaws, npmFindings, unaccepted } from './advisories.ts';

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
  expect(flaws(good)).toEqual([]);
  expect(flaws({ link: true })).toEqual([]);
  expect(flaws({ resolved: 'file:../left.tgz' })).toEqual([]);
  expect(flaws({ optional: true, os: ['darwin'] })).toEqual([]);
  expect(flaws({ ...good, integrity: undefined })).toEqual(['node_modules/left has no sha512']);
  expect(flaws({ ...good, resolved: 'http://registry/left.tgz' })).toEqual([
    'node_modules/left is not from an https address',
  ]);
});
