/**
 * How long a search takes among a million accounts: `node load-tests/search.ts postgres://…`, with an empty database that is
 * only for this and a login that may switch triggers off. Prints percentiles of 200 questions in milliseconds.
 */
import pg from 'pg';
import { search } from '#services/core/health/search.ts';
import { loadList } from '#services/modules.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { createPool, createSql } from '#services/platform/postgres/pool.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';

const ACCOUNTS = 1_000_000;
const FIRST = ['ada', 'olga', 'grace', 'alan', 'maria', 'jean', 'li', 'bo', 'sofia', 'mehmet'];
const LAST = ['lovelace', 'hopper', 'turing', 'meier', 'schmidt', 'nowak', 'garcia', 'rossi', 'kim', 'tanaka'];
const DOMAINS = ['example.com', 'example.org', 'acme.test', 'corp.example'];

/** What people know: a part of an address that is rare or common, a name, a part of an id, and what is not there. */
function questionOf(at: number, ids: readonly string[]): string {
  const [first, last] = [FIRST[at % 10]!, LAST[(at * 3) % 10]!];
  const number = 1 + ((at * 48_611) % ACCOUNTS);
  const id = ids[at % ids.length]!;
  return [
    `${last}${number}`,
    `${first} ${last}`,
    DOMAINS[at % 4]!,
    id,
    id.slice(9, 23),
    `${first.slice(0, 2)}`,
    `nobody${number}`,
    `${last.slice(1)}${String(number).slice(0, 3)}`,
  ][at % 8]!;
}

const sample = async (db: pg.Client): Promise<readonly string[]> =>
  (await db.query<{ id: string }>('SELECT id FROM users TABLESAMPLE SYSTEM (1) LIMIT 50')).rows.map(({ id }) => id);

async function fill(db: pg.Client): Promise<readonly string[]> {
  const { rows } = await db.query('SELECT count(*)::int AS users FROM users');
  if (rows[0].users === ACCOUNTS) return sample(db);
  if (rows[0].users > 0) throw new Error('the database has users: name one that is only for this');
  await db.query('SET session_replication_role = replica');
  await db.query(
    `INSERT INTO users (id, email, name, "createdAt")
     SELECT gen_random_uuid()::text,
       format('%s.%s%s@%s', ($1::text[])[1 + (i * 7) % 10], ($2::text[])[1 + i / 10 % 10], i, ($3::text[])[1 + i % 4]),
       initcap(($1::text[])[1 + (i * 7) % 10] || ' ' || ($2::text[])[1 + i / 10 % 10]), now() - i * interval '1 second'
     FROM generate_series(1, $4::int) i`,
    [FIRST, LAST, DOMAINS, ACCOUNTS],
  );
  await db.query('VACUUM ANALYZE users');
  return sample(db);
}

const [url] = process.argv.slice(2);
if (url === undefined) throw new Error('name the database: node load-tests/search.ts postgres://…');
await migrate(url);
const db = new pg.Client({ connectionString: url });
await db.connect();
const ids = await fill(db);
await db.end();
const limits = { statementTimeoutMs: 10_000, lockTimeoutMs: 1_000, connections: 1 };
const pool = createPool({ url, applicationName: 'sallyport-search', ...limits });
const finders = await loadList('finders');
const ports = { sql: createSql(pool), finders: async () => finders };
const taken: { readonly q: string; readonly ms: number; readonly hits: number }[] = [];
for (let at = 0; at < 200; at += 1) {
  const q = questionOf(at, ids);
  const beganAt = performance.now();
  const { hits } = await search(ports, { q, limit: 5 }, testCaller);
  taken.push({ q, ms: performance.now() - beganAt, hits: hits.length });
}
await pool.end();
taken.sort((a, b) => a.ms - b.ms);
const shown = (share: number): string => `${taken[Math.ceil(share * taken.length) - 1]!.ms.toFixed(1)} ms`;
process.stdout.write(`p50 ${shown(0.5)}  p95 ${shown(0.95)}  p99 ${shown(0.99)}  slowest ${shown(1)}\n`);
for (const { q, ms, hits } of taken.slice(-5)) process.stdout.write(`${ms.toFixed(1)} ms  ${hits} hits  ${q}\n`);
