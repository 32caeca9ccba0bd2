import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issue, refresh, type Tokens } from '../lib/api-client.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import type { Product } from '../lib/product.ts';
import { basic } from '../lib/workloads.ts';
import { fillInstallation } from './large-installation.ts';
import { demoUserId } from './setup.ts';
import { onStoppedDatabase } from './stopped-database.ts';

/** A million users and ten million events with these settings; the names of the figures say how many. */
const USERS = Number(process.env.BENCH_BACKUP_USERS ?? 20_000);
const EVENTS = Number(process.env.BENCH_BACKUP_EVENTS ?? 200_000);
const BACKUP_SECONDS = 600;
const SERVING_SECONDS = 900;
const FEED_SECONDS = 30;
/** Token pairs that are revoked before the backup, after it, and never. */
const PAIRS = { before: 30, after: 100, kept: 30 };
const LOOK_EVERY_MS = 100;

type Run = { readonly json: Readonly<Record<string, unknown>>; readonly seconds: number; readonly peakMb: number };

/** One verb of `sallyport`, as an operator runs it. Memory: the peak of its process, by /proc. */
async function sallyport(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['dist/current/cli.mjs', ...args, '--json', '--quiet'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let peakKb = 0;
  const watch = setInterval(() => {
    try {
      const [, kb = 0] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      peakKb = Math.max(peakKb, Number(kb));
    } catch {
      // It has ended.
    }
  }, LOOK_EVERY_MS);
  let out = '';
  child.stdout.on('data', (part: Buffer) => {
    out += part;
  });
  const [code] = await once(child, 'close');
  clearInterval(watch);
  if (code !== 0) throw new Error(`sallyport ${args[0]} ended with ${code}: ${out}`);
  return { json: JSON.parse(out), seconds: (performance.now() - startedAt) / 1_000, peakMb: peakKb / 1_024 };
}

async function pairsOf({ api, credentials }: Product, userId: string, count: number): Promise<Tokens[]> {
  const made: Tokens[] = [];
  for (let at = 0; at < count; at += 1) made.push(await issue(api, credentials.client, userId));
  return made;
}

async function post({ api, credentials }: Product, path: string, body: object): Promise<{ active?: boolean }> {
  const headers = { 'content-type': 'application/json', ...basic(credentials.client) };
  const answer = await fetch(api + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
  return (await answer.json()) as { active?: boolean };
}

async function revoke(product: Product, pairs: readonly Tokens[]): Promise<void> {
  for (const token of pairs.flatMap((pair) => [pair.access_token, pair.refresh_token]))
    await post(product, '/v1/tokens/revoke', { token, reason: 'bench' });
}

/** How many of these pairs are accepted, by either of their tokens. */
async function accepted(product: Product, pairs: readonly Tokens[]): Promise<number> {
  let count = 0;
  for (const { access_token: token, refresh_token } of pairs) {
    const { active } = await post(product, '/v1/tokens/validate', { token });
    const isRefreshed = await refresh(product.api, refresh_token).then(
      () => true,
      () => false,
    );
    if (active === true || isRefreshed) count += 1;
  }
  return count;
}

async function readFeed({ api, credentials }: Product): Promise<string> {
  const answer = await fetch(`${api}/v1/revocations?since=0`, { headers: basic(credentials.client) });
  if (answer.status !== 200) throw new Error(`the feed answered ${answer.status}`);
  return answer.text();
}

/**
 * A backup of a large installation, which goes on and revokes; then its disaster: a new database from the backup, the
 * revocations that it lacks from the feed, and the start of the product on it.
 */
async function run(context: BenchContext): Promise<readonly Figure[]> {
  const { say } = context;
  const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-bench-backup-'));
  context.onClose(() => rm(dataDir, { recursive: true, force: true }));
  const at = { dataDir, say };
  const start = (): Promise<Product> => context.start({}, { dataDir });
  const first = await start();
  const userId = await demoUserId(first);
  await first.stop();
  say(`filling in ${USERS} users and ${EVENTS} sealed events`);
  const databaseMb = await onStoppedDatabase(at, async (admin, url) => {
    await fillInstallation(url, { users: USERS, events: EVENTS }, say);
    const { rows } = await admin.query<{ bytes: string }>(`SELECT pg_database_size('sallyport') AS bytes`);
    return Number(rows[0]?.bytes) / 1e6;
  });
  const second = await start();
  const [old, stolen, kept] = [
    await pairsOf(second, userId, PAIRS.before),
    await pairsOf(second, userId, PAIRS.after),
    await pairsOf(second, userId, PAIRS.kept),
  ];
  await revoke(second, old);
  await second.stop();

  const [file, keyFile, segments] = ['one.backup', 'backup.key', 'segments'].map((name) => join(dataDir, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(keyFile, randomBytes(32));
  const env = { SALLYPORT_DATA_DIR: dataDir };
  const made = await onStoppedDatabase(at, (_admin, DATABASE_URL) =>
    sallyport(['backup', '--out', file, '--key-file', keyFile], { ...env, DATABASE_URL }),
  );
  say(`backed up in ${made.seconds.toFixed(1)} s`);

  // These revocations are in no backup.
  const third = await start();
  await revoke(third, stolen);
  await mkdir(segments);
  await writeFile(join(segments, 'one.jws'), await readFeed(third));
  await third.stop();

  const { restored, fed } = await onStoppedDatabase(at, async (admin, url) => {
    await admin.query('ALTER DATABASE sallyport RENAME TO lost');
    await admin.query('CREATE DATABASE sallyport');
    const args = ['restore', '--from', file, '--key-file', keyFile, '--into', url];
    const done = await sallyport(args, { ...env, DATABASE_URL: url });
    if (done.json.standing !== 'rewound') throw new Error(`the restored database is ${done.json.standing}`);
    say(`restored in ${done.seconds.toFixed(1)} s`);
    return {
      restored: done,
      fed: await sallyport(['restore', '--from-feed', segments], { ...env, DATABASE_URL: url }),
    };
  });
  const startedAt = performance.now();
  const fourth = await start();
  const startSeconds = (performance.now() - startedAt) / 1_000;
  const wrong = (await accepted(fourth, old)) + (await accepted(fourth, stolen));
  const right = await accepted(fourth, kept);
  await fourth.stop();
  if (right !== kept.length) throw new Error(`${right} of ${kept.length} pairs that stayed valid are accepted`);

  const size = `${USERS.toLocaleString('en-US')} users and ${EVENTS.toLocaleString('en-US')} events`;
  const tableMb = Number(made.json.table_bytes) / 1e6;
  const servingSeconds = restored.seconds + fed.seconds + startSeconds;
  const feedSeconds = fed.seconds + startSeconds;
  return [
    {
      name: `backup of ${size}`,
      unit: 's',
      value: made.seconds,
      target: { atMost: BACKUP_SECONDS },
      measured: { databaseMb, tableMb, bytes: made.json.bytes, peakMb: made.peakMb },
      detail: `${(tableMb / made.seconds).toFixed(0)} MB/s of rows; ${(Number(made.json.bytes) / 1e6).toFixed(0)} MB from a database of ${databaseMb.toFixed(0)} MB; ${made.peakMb.toFixed(0)} MB of memory at most`,
    },
    {
      name: `restore of ${size}, until the product serves`,
      unit: 's',
      value: servingSeconds,
      target: { atMost: SERVING_SECONDS },
      measured: { restoreSeconds: restored.seconds, feedSeconds: fed.seconds, startSeconds, peakMb: restored.peakMb },
      detail: `rows ${restored.seconds.toFixed(0)} s, feed ${fed.seconds.toFixed(1)} s, start ${startSeconds.toFixed(1)} s; ${restored.peakMb.toFixed(0)} MB of memory at most`,
    },
    {
      name: `revocations from the feed into a restored database of ${size}, until the product serves`,
      unit: 's',
      value: feedSeconds,
      target: { atMost: FEED_SECONDS },
      measured: { feedSeconds: fed.seconds, startSeconds, revocations: fed.json.revocations },
      detail: `${fed.json.revocations} revocations in ${fed.seconds.toFixed(1)} s, start ${startSeconds.toFixed(1)} s`,
    },
    {
      name: 'revoked tokens that a restored installation accepts',
      unit: 'pairs',
      value: wrong,
      target: { atMost: 0 },
      measured: PAIRS,
      detail: `of ${old.length} revoked before the backup and ${stolen.length} after it; all ${kept.length} others are accepted`,
    },
  ];
}

/** What an operator waits for on the day of the disaster. */
export const backup: Bench = {
  name: 'backup',
  about: 'sallyport backup, and restore until the product serves, of a large installation',
  run,
};
