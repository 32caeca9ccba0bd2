// Fills the database of a stopped product with the rows of a large installation. The audit log is sealed by the
// product's own functions (leaf, commitments, tree), so that its chain verifies; only the way of the rows into the tables
// is another: COPY, and indexes that are built once.
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { edgeRoot, growTree } from '#services/core/audit/log/grow-tree.ts';
import { hashLeaf } from '#services/core/audit/log/merkle.ts';
import { readEdge } from '#services/core/audit/log-tiles.ts';
import { sealableEvents } from '#services/core/audit/seal/sealable-event.ts';
import { copyIn } from '#services/platform/postgres/copy.ts';
import { createTestPorts } from '#tools/testing/harness/ports.ts';

type OutboxRow = Parameters<typeof sealableEvents>[0][number];
type SealedRow = ReturnType<typeof sealableEvents>[number];
type Log = { readonly origin: string; readonly size: number; readonly firstSeq: number };

type Size = { readonly users: number; readonly events: number };

const EVENTS_AT_ONCE = 20_000;
/** Days of the log, and those whose rows the outbox still has (AUDIT_OUTBOX_DAYS deletes the earlier ones). */
const DAYS = 365;
const OUTBOX_DAYS = 7;
const DAY_MICROS = 86_400_000_000;
const FILLED_WITHOUT_INDEXES = ['audit_events', 'audit_personal'];

/** One row of COPY's text format. */
const line = (values: readonly (string | number | null)[]): string =>
  `${values.map((value) => (value === null ? '\\N' : String(value).replace(/[\\\t\n\r]/g, escaped))).join('\t')}\n`;
const escaped = (sign: string): string => ({ '\t': '\\t', '\n': '\\n', '\r': '\\r' })[sign] ?? `\\${sign}`;
const hex = (bytes: Uint8Array): string => `\\x${Buffer.from(bytes).toString('hex')}`;

const COLUMNS = {
  audit_events:
    'seq, event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, detail, trace_id, occurred_at, sealed_at, leaf',
  audit_personal: 'event_id, field, salt, value, subject, seq',
  audit_tiles: 'origin, level, n, hashes',
  audit_outbox:
    'event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, detail, traceparent, occurred_at, seq',
};

type Leaf = {
  readonly actor: { readonly kind: string; readonly id?: string };
  readonly target?: { readonly kind: string; readonly id?: string };
  readonly client_id?: string;
  readonly trace_id?: string;
  readonly detail: object;
  readonly event_id: string;
  readonly type: string;
  readonly outcome: string;
  readonly occurred_at: string;
  readonly sealed_at: string;
};

/** The columns are read from the leaf, as sealing does. */
function eventLine({ seq, leaf }: SealedRow): string {
  const of = JSON.parse(leaf.toString()) as Leaf;
  const { actor, target } = of;
  return line([
    ...[seq, of.event_id, of.type, of.outcome, actor.kind, actor.id ?? null, target?.kind ?? null, target?.id ?? null],
    ...[of.client_id ?? null, JSON.stringify(of.detail), of.trace_id ?? null, of.occurred_at, of.sealed_at, hex(leaf)],
  ]);
}

const personalLines = ({ seq, row, personal }: SealedRow): string =>
  personal
    .map(({ field, salt, value, subject }) => {
      const place = ['actor', 'client_id', 'target'].includes(field) ? seq : null;
      return line([row.eventId, field, hex(salt), value, subject, place]);
    })
    .join('');

function outboxLine({ row, seq }: SealedRow): string {
  const isHidden = row.outcome === 'refused';
  return line([
    ...[row.eventId, row.type, row.outcome, row.actorKind, row.actorId],
    ...[isHidden ? null : row.targetKind, isHidden ? null : row.targetId, row.clientId],
    ...[JSON.stringify({ ...row.detail, identifier: undefined, reason: undefined }), row.traceparent],
    ...[new Date(row.occurredAtMicros / 1_000).toISOString(), seq],
  ]);
}

const userId = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** What users do all day: most events are refreshes, then sign-ins with what they bring; some are refused. */
function eventOf(n: number, users: number, occurredAtMicros: number, nowMicros: number): OutboxRow {
  const by = userId(((n * 7_919) % users) + 1);
  const share = n % 100;
  const common = {
    ...{ id: n, occurredAtMicros, nowMicros, knownSeq: null, eventId: randomUUID(), clientId: 'sallyport' },
    ...{ actorKind: 'user', actorId: by, ipHash: `1.${randomBytes(16).toString('base64url')}` },
    agentHash: `1.${randomBytes(16).toString('base64url')}`,
    traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
  } satisfies Partial<OutboxRow>;
  const target = (targetKind: string) => ({ targetKind, targetId: randomUUID() });
  if (share < 60)
    return {
      ...common,
      ...target('family'),
      type: 'token.refreshed',
      outcome: 'rotated',
      detail: { generation: n % 90 },
    };
  if (share < 72) {
    const detail = { user_id: by, amr: ['pwd'] };
    return { ...common, ...target('session'), type: 'session.created', outcome: 'ok', detail };
  }
  if (share < 84)
    return { ...common, ...target('family'), type: 'token.family_created', outcome: 'ok', detail: { user_id: by } };
  if (share < 92)
    return { ...common, targetKind: 'user', targetId: by, type: 'user.login', outcome: 'ok', detail: { amr: ['pwd'] } };
  if (share < 95) {
    const detail = { identifier: `1.${randomBytes(16).toString('base64url')}`, reason: 'wrong_password' };
    const anonymous = { actorKind: 'anonymous', actorId: null, targetKind: 'user', targetId: by };
    return { ...common, ...anonymous, type: 'user.login', outcome: 'refused', detail };
  }
  return { ...common, ...target('session'), type: 'session.ended', outcome: 'ok', detail: { reason: 'signed_out' } };
}

async function* chunks(lines: Iterable<string>): AsyncGenerator<Buffer> {
  const held: string[] = [];
  for (const each of lines) if (held.push(each) === 500) yield Buffer.from(held.splice(0).join(''));
  if (held.length > 0) yield Buffer.from(held.join(''));
}

const copy = (db: pg.Client, table: keyof typeof COLUMNS, lines: Iterable<string>): Promise<void> =>
  copyIn(db, `COPY ${table} (${COLUMNS[table]}) FROM STDIN`, chunks(lines));

/** Drops the indexes and constraints of a table; resolves to the statements that build them again. */
async function dropIndexes(db: pg.Client, table: string): Promise<string[]> {
  const { rows } = await db.query<{ drop: string; add: string }>(
    `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS add
     FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'u')
     UNION ALL SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
     FROM pg_index i WHERE indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)`,
    [table],
  );
  for (const { drop } of rows) await db.query(drop);
  return rows.map(({ add }) => add);
}

async function readLog(db: pg.Client): Promise<Log> {
  const { rows } = await db.query<Log>(
    `SELECT origin, size::float8 AS size, first_seq::float8 AS "firstSeq" FROM audit_log WHERE closed_at IS NULL`,
  );
  if (!rows[0]) throw new Error('the product has opened no audit log yet');
  return rows[0];
}

async function fillLog(db: pg.Client, url: string, { users, events }: Size, say: (text: string) => void) {
  const { origin, size, firstSeq } = await readLog(db);
  const ports = createTestPorts(url);
  let edge = await readEdge(ports.sql, origin, size).finally(() => ports.end());
  const nowMicros = Math.floor(Date.now()) * 1_000;
  const newestMicros = nowMicros - 60_000_000;
  for (let day = 0; day <= OUTBOX_DAYS; day += 1)
    await db.query(`SELECT audit_outbox_partition((now() AT TIME ZONE 'UTC')::date - $1::int)`, [day]);
  const outboxFromMicros = nowMicros - OUTBOX_DAYS * DAY_MICROS;
  const indexes = await Promise.all(FILLED_WITHOUT_INDEXES.map((table) => dropIndexes(db, table)));
  for (let from = 0; from < events; from += EVENTS_AT_ONCE) {
    const rows = Array.from({ length: Math.min(EVENTS_AT_ONCE, events - from) }, (_, at) => {
      const age = (DAYS * DAY_MICROS * (events - from - at)) / events;
      return eventOf(from + at, users, Math.floor(newestMicros - age), nowMicros);
    });
    const sealed = sealableEvents(rows, firstSeq + edge.size, (count) => randomBytes(count));
    const grown = growTree(
      edge,
      sealed.map(({ leaf }) => hashLeaf(leaf)),
    );
    edge = grown.edge;
    await db.query('BEGIN');
    await copy(db, 'audit_events', sealed.map(eventLine));
    await copy(db, 'audit_personal', sealed.map(personalLines));
    const recent = sealed.filter(({ row }) => row.occurredAtMicros > outboxFromMicros);
    await copy(db, 'audit_outbox', recent.map(outboxLine));
    for (const { level, n, hashes } of grown.tiles)
      await db.query(
        `INSERT INTO audit_tiles (origin, level, n, hashes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (origin, level, n) DO UPDATE SET hashes = EXCLUDED.hashes`,
        [origin, level, n, hashes],
      );
    await db.query(`UPDATE audit_log SET size = $2, root = $3 WHERE origin = $1`, [origin, edge.size, edgeRoot(edge)]);
    await db.query('COMMIT');
    if ((from / EVENTS_AT_ONCE) % 25 === 24) say(`${edge.size} events are sealed`);
  }
  say('building the indexes of the log');
  await db.query(`SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 1`);
  for (const statement of indexes.flat()) await db.query(statement);
}

/** Users as they are a year later: half are signed in, one in five gave a consent, one in ten is a patient. */
const PEOPLE: readonly string[] = [
  `INSERT INTO users (id, email, name, "emailVerified", "createdAt", "updatedAt", roles, "lastLoginAt")
     SELECT id, 'user' || n || '@large.test', 'User ' || n, at, at, at, '{user}', now() - random() * interval '30 days'`,
  `INSERT INTO accounts (id, "accountId", "providerId", "userId", password, "createdAt", "updatedAt")
     SELECT gen_random_uuid()::text, id, 'credential', id, '$2b$12$' || left(encode(sha512(id::bytea), 'base64'), 53), at, at`,
  `INSERT INTO user_roles (user_id, role) SELECT id, 'user'`,
  `INSERT INTO sessions (id, "userId", "expiresAt", token, "ipAddress", "userAgent", amr)
     SELECT '00000000-0000-4000-9000-' || lpad(n::text, 12, '0'), id, now() + interval '7 days', md5(random()::text) || md5(random()::text),
       '10.1.' || n % 250 || '.' || n % 241, 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', '{pwd}'`,
  `INSERT INTO refresh_families (id, generation, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id, client_bound,
       sid, user_id, user_epoch, client_epoch, scope, audience, auth_time, amr, acr, device)
     SELECT gen_random_uuid(), n % 200, now() + interval '7 days', now() + interval '30 days', sha256(random()::text::bytea), 1, 1,
       'sallyport', false, '00000000-0000-4000-9000-' || lpad(n::text, 12, '0'), id, 0, 0, 'openid profile', 'https://api.large.test', at, 'pwd', 'aal1', '{"name":"Chrome on Linux"}'`,
];
const SHARES: readonly number[] = [1, 1, 1, 2, 2];

async function fillPeople(db: pg.Client, users: number, say: (text: string) => void): Promise<void> {
  // Rows as they are after what the triggers would do; their events are those of the log.
  await db.query('SET session_replication_role = replica');
  for (const [at, insert] of PEOPLE.entries()) {
    await db.query(
      `${insert} FROM (SELECT n, '00000000-0000-4000-8000-' || lpad(n::text, 12, '0') AS id,
           now() - random() * interval '365 days' AS at FROM generate_series(1, $1::int, $2::int) n) people`,
      [users, SHARES[at]],
    );
    say(`${insert.split(' ')[2]} are filled`);
  }
  await db.query('SET session_replication_role = origin');
}

/** Adds that many users and sealed events to the database of a stopped product. */
export async function fillInstallation(url: string, size: Size, say: (text: string) => void): Promise<void> {
  const db = new pg.Client({ connectionString: url });
  await db.connect();
  try {
    await db.query('SET synchronous_commit = off');
    await fillPeople(db, size.users, say);
    await fillLog(db, url, size, say);
    await db.query('VACUUM ANALYZE');
  } finally {
    await db.end();
  }
}
