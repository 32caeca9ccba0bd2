import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { repositoryRoot } from '../platform/local/data-dir.ts';
import { userCan } from '../platform/local/service-user.ts';
import { TestBench, textOf } from './supervisor-harness.ts';

const unprivileged = { name: 'nobody', uid: 65_534, gid: 65_534 };
const ownerOf = (pid: number): number => statSync(`/proc/${pid}`).uid;

// As an ordinary user, every other test of this folder is this one. A repository under a folder closed to other users
// (such as /root) cannot be started by them at all.
const canTry =
  process.getuid?.() === 0 && userCan(unprivileged, '-r', join(repositoryRoot, 'node_modules/node/bin/node'));

test.runIf(canTry)('an ordinary user starts and stops everything without root', async () => {
  const bench = new TestBench({ uid: unprivileged.uid, gid: unprivileged.gid });
  onTestFinished(() => bench.dispose());
  const run = await bench.start({ HOME: bench.folder });
  const { api, pids } = await run.ready();
  expect(await textOf(api)).toBe(String(pids.api));
  const redis = JSON.parse(readFileSync(join(bench.dataDir, 'run/redis.json'), 'utf8')) as { pid: number };
  expect([pids.api!, bench.postgresPid()!, redis.pid].map(ownerOf)).toEqual(Array(3).fill(unprivileged.uid));
  for (const [file, mode] of [
    ['.', 0o700],
    ['postgres-18', 0o700],
    ['auth-secret', 0o600],
  ] as const) {
    const stat = statSync(join(bench.dataDir, file));
    expect([file, stat.uid, stat.mode & 0o777]).toEqual([file, unprivileged.uid, mode]);
  }
  run.signalGroup('SIGINT');
  expect(await run.end()).toBe(0);
  expect(bench.stores()).toEqual({ postgres: false, redis: false });
});
