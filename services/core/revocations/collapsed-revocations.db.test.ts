// A process that was taken over runs as its role: it writes epochs and revocations of its own before it lets any be dropped.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemClock } from '#services/platform/crypto/system.ts';
import { createPool, createSql } from '#services/platform/postgres/pool.ts';
import { createPatientPool, queryRows, quietLog, rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { keepRevocations } from './revocation-lifetime.ts';
import { createRevocationSet, type RevocationSet } from './revocation-set.ts';
import { readFeed } from './revocations.store.ts';

const COLLAPSE = 'collapse_revocations';
const PEOPLE = 2;

const database = opened(createTestDatabase);
const pool = opened(() => createPatientPool({ url: database.url, applicationName: 'collapsed', connections: 1 }));
const api = opened(() =>
  createPool({
    url: database.url,
    role: 'sallyport_api',
    connections: 1,
    applicationName: 'attack',
    statementTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
    connectTimeoutMs: 10_000,
  }),
);

const one = fc.nat({ max: PEOPLE - 1 });
const some = fc.uniqueArray(one, { minLength: 1, maxLength: PEOPLE });
const epoch = fc.nat({ max: 3 });
const kind = fc.constantFrom('user', 'client');
const scene = fc.record({
  users: fc.tuple(epoch, epoch),
  clients: fc.tuple(epoch, epoch),
  revoked: fc.array(
    fc.record({
      kind: fc.constantFrom('jti', 'family', 'sid', 'cookie'),
      user: fc.option(one),
      client: one,
      // A revocation by the id of a token, or one of a restored feed, does not say whose it was.
      isNamed: fc.boolean(),
      minutes: fc.constantFrom(5, 20, 10_000),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  acts: fc.array(
    fc.oneof(
      fc.record({ act: fc.constant('lower'), kind, of: one }),
      fc.record({ act: fc.constant('cut'), kind, below: fc.nat({ max: 1 }) }),
      fc.record({ act: fc.constant('drop'), kind, of: fc.option(some) }),
    ),
    { minLength: 1, maxLength: 4 },
  ),
});
type Scene = typeof scene extends fc.Arbitrary<infer T> ? T : never;

let runs = 0;

/** What a copy refuses that starts now: it has never read what was dropped. */
async function knownToNewCopy(): Promise<RevocationSet> {
  const known = createRevocationSet({ clock: systemClock, log: quietLog, stalenessBoundMs: 60_000, budget: 1_000_000 });
  const sql = createSql(pool);
  for (let read = 0, page = await readFeed(sql, 0); page.entries.length > 0; page = await readFeed(sql, read)) {
    known.apply(page.entries);
    read = page.entries.at(-1)!.epoch;
  }
  return known;
}

/** Writes what the scene begins with, and returns its tokens and cookies. */
async function begin({ users, clients, revoked }: Scene, name: (kind: string, at: number) => string) {
  await queryRows(
    database.url,
  )(`${users.map((at, n) => `INSERT INTO users (id, email, "tokenEpoch") VALUES ('${name('user', n)}', '${name('user', n)}@example.test', ${at});`).join('')}
     ${clients.map((at, n) => `INSERT INTO oauth_clients (id, "clientId", "tokenEpoch") VALUES ('${name('client', n)}', '${name('client', n)}', ${at});`).join('')}`);
  const tokens = revoked.map(({ kind, user: given, client, isNamed, minutes }, at) => {
    const ofUser = kind === 'sid' || kind === 'cookie';
    const user = ofUser ? (given ?? 0) : given;
    const id = name(kind, at);
    const value = kind === 'cookie' ? createHash('sha256').update(id).digest('hex') : id;
    const row = [
      kind === 'cookie' ? 'jti' : kind,
      value,
      user !== null && (ofUser || isNamed) ? name('user', user) : null,
      !ofUser && isNamed ? name('client', client) : null,
    ].map((cell) => (cell === null ? 'NULL' : `'${cell}'`));
    const claims = {
      jti: kind === 'jti' ? value : 'other',
      sid: kind === 'sid' ? value : undefined,
      fid: kind === 'family' ? value : undefined,
      sub: user === null ? name('client', client) : name('user', user),
      client_id: name('client', client),
      ue: user === null ? 0 : users[user]!,
      ce: clients[client]!,
    };
    const isRefused = (by: RevocationSet): boolean =>
      kind === 'cookie'
        ? by.isTokenRevoked(value) || (by.userEpoch(claims.sub) ?? 0) > claims.ue
        : by.check(claims) !== null;
    return { kind, isRefused, row: `(${row}, 'test', now() + interval '${minutes} minutes')` };
  });
  await queryRows(database.url)(
    `INSERT INTO revocations (kind, value, user_id, client_id, reason, expires_at) VALUES ${tokens.map(({ row }) => row).join()}`,
  );
  return tokens;
}

const TABLES = { user: ['users', 'id'], client: ['oauth_clients', '"clientId"'] } as const;
function statementOf(act: Scene['acts'][number], name: (kind: string, at: number) => string): string {
  const [table, id] = TABLES[act.kind as keyof typeof TABLES];
  if (!('below' in act) && act.act === 'lower')
    return `UPDATE ${table} SET "tokenEpoch" = 0 WHERE ${id} = '${name(act.kind, act.of as number)}'`;
  if ('below' in act)
    return `INSERT INTO revocations (kind, value, token_epoch, reason, expires_at)
      SELECT '${act.kind}', ${id}, "tokenEpoch" - ${act.below}, 'test', now() + interval '10 days' FROM ${table}`;
  const of = act.of as number[] | null;
  return `SELECT ${COLLAPSE}('${act.kind}', ${of === null ? 'NULL' : `ARRAY['${of.map((at) => name(act.kind, at)).join(`','`)}']`})`;
}

test('a revoked token stays revoked, whatever a process writes before single revocations give way to epochs', () =>
  fc.assert(
    fc.asyncProperty(scene, async (given) => {
      runs += 1;
      const run = runs;
      const name = (kind: string, at: number): string => `${kind}-${run}-${at}`;
      const tokens = await begin(given, name);
      const attacker = await api.connect();
      try {
        await attacker.query('BEGIN');
        for (const act of given.acts) {
          await attacker.query('SAVEPOINT act');
          await attacker.query(statementOf(act, name)).catch(() => attacker.query('ROLLBACK TO act'));
        }
        await attacker.query('COMMIT');
      } finally {
        attacker.release();
      }
      const known = await knownToNewCopy();
      expect(tokens.filter(({ isRefused }) => !isRefused(known)).map(({ kind }) => kind)).toEqual([]);
    }),
    { numRuns: 60 },
  ));

const keptSeconds = async (): Promise<number> => {
  const rows = await rowsOf(pool)<{ kept: number }>`SELECT extract(epoch
    FROM revocation_keep_until() - clock_timestamp())::float8 AS kept`;
  return rows[0]?.kept ?? 0;
};

test('a revocation is kept longer than any token under the settings lives, and later settings never shorten that', async () => {
  const ports = { sql: createSql(pool) };
  await keepRevocations(ports, { accessTokenSeconds: 86_400, leewaySeconds: 60 });
  expect(await keptSeconds()).toBeGreaterThan(86_400 + 60);
  await keepRevocations(ports, { accessTokenSeconds: 30, leewaySeconds: 0 });
  expect(await keptSeconds()).toBeGreaterThan(86_400 + 60);
});
