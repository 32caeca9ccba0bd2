import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import type { Product } from '../lib/product.ts';
import { demoUserId, fill } from './setup.ts';

/** More with `BENCH_IMPORT_USERS`; the name of a figure says how many. */
const USERS = Number(process.env.BENCH_IMPORT_USERS ?? 100_000);
/** Bytes of metadata of each user, besides two members; with 5,000 and 200,000 users the file has 1 GB. */
const METADATA_BYTES = Number(process.env.BENCH_IMPORT_METADATA_BYTES ?? 0);
const NOTE_BYTES = 100;
const SECONDS_PER_100_000 = 45;
const VALIDATES_PER_SECOND = 500;
const CONNECTIONS = 64;
const LEAST_SECONDS = 10;
const LOOK_EVERY_MS = 50;
const BCRYPT = /^(.{22})(.{31})/;

/** A hash as bcrypt writes it, of no password. */
function hashOf(n: number): string {
  const [, salt, sum] = BCRYPT.exec(
    createHash('sha512').update(String(n)).digest('base64').replaceAll('+', '.').replaceAll('=', ''),
  ) as unknown as [string, string, string];
  return `$2b$10$${salt.slice(0, 21)}u${sum.slice(0, 30)}e`;
}

/** Members of 100 bytes each. */
const notesOf = (n: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from({ length: Math.floor(METADATA_BYTES / NOTE_BYTES) }, (_, at) => [
      `note${at}`,
      `${n} ${at} `.padEnd(NOTE_BYTES - 12, 'x'),
    ]),
  );

async function writeExport(file: string): Promise<void> {
  const out = createWriteStream(file);
  for (let n = 0; n < USERS; n += 1) {
    const user = {
      id: `legacy-${n}`,
      email: `user${n}@import.test`,
      email_verified: true,
      name: `User ${n}`,
      password_hash: hashOf(n),
      metadata: { plan: n % 3 === 0 ? 'pro' : 'free', seats: n % 50, ...notesOf(n) },
    };
    if (!out.write(`${JSON.stringify(user)}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

type Imported = { readonly seconds: number; readonly peakMb: number };

/** `sallyport import ndjson FILE`, as an operator runs it. Memory: the peak of its process, by /proc. */
async function importFile(product: Product, file: string): Promise<Imported> {
  const startedAt = performance.now();
  const child = spawn(
    process.execPath,
    ['dist/current/cli.mjs', 'import', 'ndjson', file, '--reason', 'bench', '--yes', '--json', '--quiet'],
    {
      env: { ...process.env, DATABASE_URL: product.credentials.database_url, SALLYPORT_DATA_DIR: product.dataDir },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let peakKb = 0;
  const watch = setInterval(() => {
    try {
      peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]));
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
  const seconds = (performance.now() - startedAt) / 1_000;
  const done = code === 0 ? (JSON.parse(out) as { readonly new: number }).new : -1;
  if (done !== USERS) throw new Error(`the import ended with ${code}: ${out}`);
  return { seconds, peakMb: peakKb / 1_024 };
}

/** The same rows by one statement of PostgreSQL into two tables with the indexes that uniqueness needs. */
async function rawSeconds(database: pg.Client): Promise<number> {
  await database.query(
    'CREATE TABLE raw_users (id text PRIMARY KEY, email text NOT NULL UNIQUE, name text, metadata jsonb)',
  );
  await database.query(
    'CREATE TABLE raw_passwords (user_id text PRIMARY KEY REFERENCES raw_users, hash text NOT NULL)',
  );
  const startedAt = performance.now();
  await database.query(
    `INSERT INTO raw_users SELECT 'legacy-' || n, 'user' || n || '@raw.test', 'User ' || n, '{"plan":"free","seats":7}'
     FROM generate_series(1, $1::int) n`,
    [USERS],
  );
  await database.query(`INSERT INTO raw_passwords SELECT id, '$2b$10$' || repeat('x', 21) || md5(id) FROM raw_users`);
  const seconds = (performance.now() - startedAt) / 1_000;
  await database.query('DROP TABLE raw_passwords, raw_users');
  return seconds;
}

async function run(context: BenchContext): Promise<readonly Figure[]> {
  const product = await context.start();
  const { api, apiPid, credentials } = product;
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-import-'));
  const database = new pg.Client({ connectionString: credentials.database_url });
  await database.connect();
  context.onClose(async () => {
    await database.end();
    await rm(folder, { recursive: true, force: true });
  });
  const file = join(folder, 'users.ndjson');
  context.say(`writing an export of ${USERS} users`);
  await writeExport(file);
  const megabytes = (await stat(file)).size / 1e6;
  const raw = await rawSeconds(database);

  const userId = await demoUserId(product);
  await fill(
    context,
    'import-tokens',
    1_000,
    { kind: 'issue', client: credentials.client, userId, collect: 'import-tokens', member: 'access_token' },
    { product },
  );
  const load = async (seconds: number): Promise<number> => {
    const result = requireClean(
      await context.generator().run({
        streams: [
          {
            name: 'validate',
            api,
            workload: { kind: 'validate', stock: 'import-tokens' },
            arrival: { kind: 'open', connections: CONNECTIONS, perSecond: VALIDATES_PER_SECOND },
          },
        ],
        warmUpSeconds: 2,
        seconds,
        pid: apiPid,
      }),
    );
    return streamOf(result, 'validate').latency.p99Ms;
  };
  const seconds = Math.max(LEAST_SECONDS, context.seconds);
  const quietMs = await load(seconds);
  context.say(`importing beside ${VALIDATES_PER_SECOND} validations a second`);
  const [imported, besideMs] = await Promise.all([importFile(product, file), load(seconds)]);
  const name = USERS.toLocaleString('en-US');
  return [
    {
      name: `import of ${name} users with hashes beside ${VALIDATES_PER_SECOND} validations/s`,
      unit: 's',
      value: imported.seconds,
      target: { atMost: (SECONDS_PER_100_000 * USERS) / 100_000 },
      measured: { users: USERS, rawSeconds: raw },
      detail: `${Math.round(USERS / imported.seconds)} users/s from ${megabytes.toFixed(0)} MB; ${(imported.seconds / raw).toFixed(1)} × the same rows by one statement of PostgreSQL (${raw.toFixed(1)} s)`,
    },
    {
      name: `memory of the process that imports ${name} users, peak`,
      unit: 'MB',
      value: imported.peakMb,
      target: { atMost: 300 },
      measured: {},
      detail: `VmHWM of \`sallyport import\` on a file of ${megabytes.toFixed(0)} MB`,
    },
    {
      name: 'validate p99 while users are imported ÷ without',
      unit: '×',
      value: besideMs / quietMs,
      target: { atMost: 1.5 },
      measured: { quietMs, besideMs },
      detail: `${besideMs.toFixed(2)} against ${quietMs.toFixed(2)} ms at ${VALIDATES_PER_SECOND}/s`,
    },
  ];
}

export const importUsers: Bench = {
  name: 'import-users',
  about: 'sallyport import beside validations, against one statement of PostgreSQL',
  run,
};
