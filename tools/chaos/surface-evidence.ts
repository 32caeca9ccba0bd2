import { setTimeout as sleep } from 'node:timers/promises';
import { APPLIED_MAX } from '#services/wings/outbound/signals/receive-signal.ts';
import type { Gate } from './gates.ts';
import {
  arrived,
  arrivedInOrder,
  type DueEvent,
  exported,
  exportedInOrder,
  leftAddressesTold,
  signalled,
  signalledInOrder,
  told,
  toldInOrder,
  toldOfSilences,
  toldOnce,
} from './gates-handoffs.ts';
import { sentAfterRetry, silentAfterDiscard } from './gates-queues.ts';
import { type BusiestMinute, withinBounds } from './gates-signals.ts';
import {
  type Begun,
  closedByKill,
  finished,
  type KilledAgent,
  type SignOffRow,
  startedOnceAndApproved,
} from './gates-signoffs.ts';
import {
  acceptedAfterEnd,
  type ImportRow,
  importedOnce,
  isImportedOnce,
  keptOnce,
  openedOnce,
  type Rows,
  refusedWithoutEnd,
  registeredWhole,
} from './gates-surfaces.ts';
import { type Ledger, now } from './ledger.ts';
import { ALERT_TARGET } from './load/surfaces/alerts.ts';
import { surfaceRows, surfacesOfUsables } from './load/surfaces/all.ts';
import { ROWS_OF_IMPORT } from './load/surfaces/imports.ts';
import { MOST_IN_A_MINUTE } from './load/surfaces/signal-bounds.ts';
import type { RowStatements } from './load/surfaces/surface.ts';
import { HANDOFF_TYPES } from './settings.ts';
import type { ChaosStores } from './stores.ts';
import type { SurfaceName } from './surface-facts.ts';
import type { System } from './system.ts';

const PATIENCE_MS = 90_000;

async function readRows({ query }: ChaosStores, statements: RowStatements): Promise<Rows> {
  const rows = new Map<string, Map<string, number>>();
  for (const [kind, statement] of Object.entries(statements)) {
    const counted = await query<{ key: string; n: number }>(
      `SELECT key, count(*)::int AS n FROM (${statement}) AS found GROUP BY key`,
    );
    rows.set(kind, new Map(counted.map(({ key, n }) => [key, n])));
  }
  return rows;
}

const readSignOffs = ({ query }: ChaosStores): Promise<SignOffRow[]> =>
  query<SignOffRow>(
    `SELECT id::text, state, quorum::int,
       (SELECT count(*)::int FROM signoff_decisions d WHERE d.signoff_id = s.id AND decision = 'approve') AS approvals,
       (SELECT count(*)::int FROM audit_events e WHERE e.type = 'signoff.started' AND e.target_id = s.id::text) AS started
     FROM signoffs s`,
  );

const readKilled = ({ query }: ChaosStores): Promise<KilledAgent[]> =>
  query<KilledAgent>(
    `SELECT a.client_id AS id, coalesce(array_agg(s.id::text || ' ' || s.state) FILTER (WHERE s.id IS NOT NULL), '{}') AS open
     FROM agents a LEFT JOIN signoffs s ON s.client_id = a.client_id
       AND s.state IN ('pending', 'approved', 'running') AND s.expires_at > clock_timestamp()
     WHERE a.killed_at IS NOT NULL GROUP BY 1`,
  );

/** Asks again until all of it has come to its end, or patience has. */
async function untilEnded<T>(read: () => Promise<readonly T[]>, isEnded: (row: T) => boolean): Promise<readonly T[]> {
  const deadline = now() + PATIENCE_MS;
  for (;;) {
    const rows = await read();
    if (rows.every(isEnded) || now() > deadline) return rows;
    await sleep(500);
  }
}

const begun = ({ query }: ChaosStores, statement: string): Promise<readonly Begun[]> =>
  untilEnded(
    () => query<Begun>(statement),
    ({ isEnded }) => isEnded,
  );

/** What the target is to be told of: what lasts, and of the rest what it was told of; in the order in which it was planned. */
const DUE_ALERTS = `
  SELECT a.id || ' ' || status AS id, coalesce(n.seq, 0)::int AS seq, a.source || ' ' || a.name AS type
  FROM alerts a CROSS JOIN unnest(ARRAY['firing', 'resolved']) AS status
  JOIN alert_targets t ON t.name = '${ALERT_TARGET}' AND a.raised_at >= t.created_at
  LEFT JOIN alert_notices n ON n.target_id = t.id AND n.alert_id = a.id AND n.kind = status
  WHERE a.state = 'firing' AND status = 'firing'
    OR a.state = 'resolved' AND EXISTS (
      SELECT FROM alert_notices f WHERE f.target_id = t.id AND f.alert_id = a.id AND f.kind = 'firing')`;
/** From the silences themselves: whether there is an alert of each is what is asked. */
const DUE_SILENCES = `
  SELECT coalesce(a.id::text || ' firing', 'without an alert: ' || s.id) AS id, coalesce(a.seq, 0)::int AS seq,
    'silence ' || s.matchers::text AS type
  FROM alert_silences s JOIN alert_targets t ON t.name = '${ALERT_TARGET}' AND s.created_at >= t.created_at
  LEFT JOIN alerts a ON a.source = 'oversight' AND a.cause = s.id::text`;
/** Types of the log that are signals whatever their detail, of users. */
const SIGNALLED_TYPES = ['session.ended', 'user.tokens_revoked', 'account.password_changed'];

/** What each surface acknowledged, ended and began, against the database and the receiver. */
export async function checkSurfaces(system: System, ledger: Ledger, followedFrom: number): Promise<Gate[]> {
  const { stores } = system;
  const perSurface: Gate[] = [];
  for (const [surface, statements] of Object.entries(surfaceRows) as [SurfaceName, RowStatements][])
    perSurface.push(keptOnce(ledger, surface, await readRows(stores, statements)));
  for (const surface of surfacesOfUsables)
    perSurface.push(acceptedAfterEnd(ledger, surface), refusedWithoutEnd(ledger, surface));
  const runs = await begun(stores, `SELECT id::text, state, state = 'done' AS "isEnded" FROM retention_runs`);
  const reports = await begun(
    stores,
    `SELECT id::text, status AS state, ended_at IS NOT NULL AND status <> 'failed' AS "isEnded" FROM compliance_reports`,
  );
  const tasks = await begun(
    stores,
    `SELECT id, state || ': ' || message || ' Next look at ' || next_look_at AS state,
       state NOT IN ('working', 'input_required') AS "isEnded" FROM mcp_tasks`,
  );
  const imports = await untilEnded(
    () =>
      stores.query<ImportRow>(
        `SELECT id::text, state, (new_count + changed_count)::int AS users, rejected_count::int AS rejected,
           (SELECT count(*)::int FROM audit_events e WHERE e.type = 'import.batch' AND e.target_id = i.id::text) AS batches
         FROM imports i`,
      ),
    (row) => isImportedOnce(row, ROWS_OF_IMPORT),
  );
  const due = await untilEnded(
    () =>
      stores.query<DueEvent>(
        'SELECT seq::int, event_id::text AS id, type FROM audit_events WHERE seq > $1 AND type = ANY($2) ORDER BY seq',
        [followedFrom, HANDOFF_TYPES],
      ),
    ({ id }) => ledger.arrivals.some((arrival) => arrival.id === id),
  );
  const [{ newest }] = (await stores.query<{ newest: number }>('SELECT max(seq)::int AS newest FROM audit_events')) as [
    { newest: number },
  ];
  const sealed = await untilEnded(
    () =>
      stores.query<DueEvent>(
        'SELECT seq::int, event_id::text AS id, type FROM audit_events WHERE seq > $1 AND seq <= $2 ORDER BY seq',
        [followedFrom, newest],
      ),
    // In the order of the log: when it has the newest, it has all.
    ({ seq, id }) => seq < newest || ledger.exported.some((each) => each.id === id),
  );
  const dueAlerts = await untilEnded(
    () => stores.query<DueEvent>(DUE_ALERTS),
    ({ id }) => ledger.told.some((arrival) => arrival.id === id),
  );
  const dueSilences = await untilEnded(
    () => stores.query<DueEvent>(DUE_SILENCES),
    ({ id }) => ledger.told.some((arrival) => arrival.id === id),
  );
  const dueSignals = await untilEnded(
    () =>
      stores.query<DueEvent>(
        `SELECT seq::int, event_id::text AS id, type FROM audit_events
         WHERE seq > $1 AND type = ANY($2) AND occurred_at > (SELECT min(created_at) FROM signal_streams) ORDER BY seq`,
        [followedFrom, SIGNALLED_TYPES],
      ),
    ({ id }) => ledger.signalled.some((arrival) => arrival.id === id),
  );
  await untilEnded(
    async () => [sentAfterRetry(ledger), leftAddressesTold(ledger)],
    ({ findings }) => findings.length === 0,
  );
  return [
    ...perSurface,
    startedOnceAndApproved(ledger, await readSignOffs(stores)),
    closedByKill(await readKilled(stores)),
    finished('retention: every run ends', ledger, runs),
    finished('reports: every report is built', ledger, reports),
    importedOnce(ledger, imports, ROWS_OF_IMPORT),
    openedOnce(ledger),
    registeredWhole(ledger),
    finished('MCP tasks: every task ends', ledger, tasks),
    arrived(ledger, due),
    arrivedInOrder(ledger),
    exported(ledger, sealed),
    exportedInOrder(ledger),
    told(ledger, dueAlerts),
    toldInOrder(ledger, dueAlerts),
    toldOnce(ledger),
    toldOfSilences(ledger, dueSilences),
    leftAddressesTold(ledger),
    signalled(ledger, dueSignals),
    signalledInOrder(ledger, dueSignals),
    withinBounds(ledger, await stores.query<BusiestMinute>(MOST_IN_A_MINUTE), APPLIED_MAX),
    sentAfterRetry(ledger),
    silentAfterDiscard(ledger),
  ];
}
