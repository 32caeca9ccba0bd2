/** `npm run rehearse`: the release before and this version on one database, under load; up, down, up. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { commitOf } from '#observability/build.ts';
import { version } from '#observability/version.ts';
import { ensureDataDir } from '#services/platform/local/data-dir.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { readReleases } from '#services/platform/postgres/migration-files.ts';
import { rehearse } from './rehearsal.ts';
import { isFirstRelease, NoReleaseCode, releaseBefore, releaseCode, releaseNamed } from './release-code.ts';

const HELP = `npm run rehearse [-- --from VERSION] [-- --users 4] [-- --refreshes 100] [-- --keep FILE]

Takes the code of the newest earlier release out of git (prisma/releases.json names its commit), and runs it and this
version on one PostgreSQL and one Redis, with workers and MCP servers, while users sign up, sign in, validate and refresh: the release
before serves; this version migrates, serves beside it, and replaces it; then back by sallyport rollback, and there again.
Each version reads what the other wrote. Exits 1 if one valid token was refused, one session ended, one request failed,
or the log or the data have a fault; 2 if the code of the release cannot be had here. The first release has none before it.

  --from       another earlier release
  --users      users who are signed in all the time
  --refreshes  refreshes under load before each step
  --keep       writes the result to a file
`;

/** A program that only sends requests is never this late on free cores. */
const BUSY_MS = 200;
const ROOT = resolve(import.meta.dirname, '../..');
const say = (text: string): void => void process.stderr.write(`rehearse: ${text}\n`);

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ from: text, users: { ...text, default: '4' }, refreshes: { ...text, default: '100' }, keep: text },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const releases = await readReleases();
  if (isFirstRelease(releases, version)) return say(`${version} is the first release: no upgrade leads to it`);
  const before = values.from === undefined ? releaseBefore(releases, version) : releaseNamed(releases, values.from);
  const code = await releaseCode(before.commit, say);
  const lag = monitorEventLoopDelay();
  lag.enable();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-rehearsal-'));
  // As root, Postgres runs as another user, who must be able to pass through.
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  ensureDataDir(dataDir);
  const stores = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  try {
    const result = await rehearse({
      before: { version: before.version, code },
      after: { version, code: ROOT },
      ...{ databaseUrl: stores[0].url, redisUrl: stores[1].url, dataDir, say },
      ...{ users: Number(values.users), refreshesPerStep: Number(values.refreshes) },
    });
    const passed = result.seen.failures.length === 0;
    const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`;
    const lagMs = Math.round(lag.max / 1e6);
    const commits = [before.commit, commitOf() ?? null];
    const kept = { passed, lagMs, commits, machine, users: Number(values.users), ...result };
    process.stdout.write(`${JSON.stringify(kept, undefined, 2)}\n`);
    if (values.keep !== undefined) writeFileSync(values.keep, `${JSON.stringify(kept, undefined, 2)}\n`);
    for (const failure of result.seen.failures.slice(0, 20)) say(`REFUSED ${failure}`);
    say(passed ? 'nothing was refused' : `${result.seen.failures.length} failures`);
    if (!passed && lagMs > BUSY_MS)
      say(`this machine stood still for ${lagMs} ms, so copies may have shed load: repeat on two cores that are free`);
    if (!passed) process.exitCode = 1;
  } finally {
    await Promise.all(stores.map((store) => store.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (err) {
  say((err as Error).message);
  process.exitCode = err instanceof NoReleaseCode ? 2 : 1;
}
