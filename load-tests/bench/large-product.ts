import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { BenchContext } from '../lib/bench.ts';
import type { Product } from '../lib/product.ts';
import { fillInstallation } from './large-installation.ts';
import { onStoppedDatabase } from './stopped-database.ts';

/** A million users and ten million events with these settings; the names of the figures say how many. */
const USERS = Number(process.env.BENCH_CONSOLE_USERS ?? 20_000);
const EVENTS = Number(process.env.BENCH_CONSOLE_EVENTS ?? 200_000);
/** Filling takes longer than measuring: a folder that is kept is filled once. */
const KEPT = process.env.BENCH_CONSOLE_DATA_DIR;

export const LARGE = `${USERS.toLocaleString('en-US')} users and ${EVENTS.toLocaleString('en-US')} events`;

/** What the jobs that follow the log have done by now; their next runs go on behind it. */
const FOLLOWED = [
  `INSERT INTO event_hours (hour, type, outcome, events, active)
     SELECT date_trunc('hour', occurred_at), type, outcome, count(*), 0 FROM audit_events GROUP BY 1, 2, 3
     ON CONFLICT (hour, type, outcome) DO UPDATE SET events = excluded.events`,
  'UPDATE monitoring_state SET after_seq = (SELECT max(seq) FROM audit_events)',
  'UPDATE detection_progress SET seq = (SELECT max(seq) FROM audit_events)',
  'UPDATE alert_progress SET seq = (SELECT max(seq) FROM audit_events)',
  'ANALYZE event_hours',
];

async function fill(dataDir: string, say: (text: string) => void): Promise<void> {
  say(`filling in ${LARGE}`);
  await onStoppedDatabase({ dataDir, say }, async (_admin, url) => {
    await fillInstallation(url, { users: USERS, events: EVENTS }, say);
    const db = new pg.Client({ connectionString: url });
    await db.connect();
    try {
      for (const statement of FOLLOWED) await db.query(statement);
    } finally {
      await db.end();
    }
  });
}

async function start(context: BenchContext): Promise<Product> {
  const dataDir = KEPT ?? (await mkdtemp(join(tmpdir(), 'sallyport-bench-console-')));
  if (KEPT === undefined) context.onClose(() => rm(dataDir, { recursive: true, force: true }));
  else await mkdir(dataDir, { recursive: true });
  // As root, Postgres runs as another user, who must be able to pass through.
  await chmod(dataDir, 0o755);
  const mark = join(dataDir, 'filled');
  const filled = await readFile(mark, 'utf8').catch(() => undefined);
  if (filled === undefined) {
    await (await context.start({}, { dataDir })).stop();
    await fill(dataDir, context.say);
    await writeFile(mark, LARGE);
  } else if (filled !== LARGE) throw new Error(`${dataDir} has ${filled}, not ${LARGE}`);
  return context.start({}, { dataDir });
}

const started = new WeakMap<BenchContext, Promise<Product>>();

/** A product with that many users and events, shared by the benches of a run. */
export function largeProduct(context: BenchContext): Promise<Product> {
  const product = started.get(context) ?? start(context);
  started.set(context, product);
  return product;
}
