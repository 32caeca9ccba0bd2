import type { ReplaySet } from './make-set.ts';
import type { RecordedEvent } from './record-acts.ts';

/** An installation that seals and evaluates what is written to its outbox. */
export type Installation = {
  query<R>(text: string, values?: readonly unknown[]): Promise<R[]>;
  /** Resolves once every written event is sealed and evaluated. */
  settle(): Promise<void>;
};

type Raised = {
  readonly detection: string;
  readonly subject: string;
  readonly count: number;
  readonly seq: number | null;
  readonly actions: readonly string[];
};

export type DetectionScore = {
  readonly detection: string;
  readonly attacks: number;
  readonly detected: number;
  readonly incidents: number;
  readonly false_alarms: number;
  /** Of the incidents, those about an attack; null without incidents. */
  readonly precision: number | null;
  /** Of the attacks, those with an incident; null without attacks. */
  readonly recall: number | null;
};

export type Score = {
  readonly sign_ins: number;
  readonly events: number;
  readonly users: number;
  /** Incidents about sign-ins that are no attack, and their sightings. */
  readonly false_alarms: number;
  readonly false_sightings: number;
  readonly false_alarm_percent: number;
  readonly detections: readonly DetectionScore[];
  readonly scenarios: readonly { readonly scenario: string; readonly attacks: number; readonly detected: number }[];
  readonly false_by_group: Readonly<Record<string, number>>;
};

const ROWS = 5_000;

async function inChunks<T>(
  items: readonly T[],
  write: (chunk: string) => Promise<unknown>,
  onDone: (done: number) => void,
): Promise<void> {
  for (let at = 0; at < items.length; at += ROWS) {
    await write(JSON.stringify(items.slice(at, at + ROWS)));
    onDone(Math.min(items.length, at + ROWS));
  }
}

/** Rows that exist before the traffic: users, agents and the rights of administrators. Without triggers: they record nothing. */
async function prepare({ query }: Installation, { users, agentIds }: ReplaySet): Promise<void> {
  const silently = (text: string) => `DO $do$ BEGIN SET LOCAL session_replication_role = replica; ${text}; END $do$`;
  const json = (rows: unknown) => `$json$${JSON.stringify(rows)}$json$::jsonb`;
  for (let at = 0; at < users.length; at += ROWS)
    await query(
      silently(`INSERT INTO users (id, email, name, "emailVerified")
        SELECT u ->> 'id', u ->> 'email', 'Replay', to_timestamp((u ->> 'verifiedAt')::float8 / 1000)
        FROM jsonb_array_elements(${json(users.slice(at, at + ROWS))}) u`),
    );
  await query(
    silently(`INSERT INTO agents (client_id, owner_id, expires_at)
      SELECT a, 'replay', now() + interval '1 year' FROM jsonb_array_elements_text(${json(agentIds)}) a`),
  );
}

/** Writes the traffic in the order of its time, waits until it is evaluated, and counts what was raised. */
export async function replay(
  installation: Installation,
  set: ReplaySet,
  onProgress: (text: string) => void = () => {},
): Promise<Score> {
  await prepare(installation, set);
  const earlier = await installation.query<{ id: string }>('SELECT id FROM incidents');
  await inChunks(
    set.events.map(({ label: _label, ...event }) => event),
    (chunk) =>
      installation.query(
        `INSERT INTO audit_outbox (event_id, type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash,
           agent_hash, detail, occurred_at)
         SELECT (e ->> 'eventId')::uuid, e ->> 'type', e ->> 'outcome', e ->> 'actorKind', e ->> 'actorId', e ->> 'targetKind',
           e ->> 'targetId', e ->> 'clientId', e ->> 'ipHash', e ->> 'agentHash', e -> 'detail', to_timestamp((e ->> 'at')::float8 / 1000)
         FROM jsonb_array_elements($1::jsonb) e`,
        [chunk],
      ),
    (done) => onProgress(`written ${done} of ${set.events.length} events`),
  );
  await installation.settle();
  const raised = await installation.query<Raised>(
    `SELECT detection, subject_id AS subject, count::int, (detail ->> 'seq')::int AS seq, actions
     FROM incidents WHERE NOT id::text = ANY ($1::text[])`,
    [earlier.map(({ id }) => id)],
  );
  const seqs = raised.flatMap(({ seq }) => (seq === null ? [] : [seq]));
  const rows = await installation.query<{ seq: number; id: string }>(
    'SELECT seq::int, event_id AS id FROM audit_events WHERE seq = ANY ($1::bigint[])',
    [seqs],
  );
  return scoreOf(set, raised, new Map(rows.map(({ seq, id }) => [seq, id])));
}

function scoreOf(set: ReplaySet, raised: readonly Raised[], eventIds: ReadonlyMap<number, string>): Score {
  const events = new Map(set.events.map((event) => [event.eventId, event]));
  const of = ({ seq }: Raised): RecordedEvent | undefined => events.get(eventIds.get(seq ?? -1) ?? '');
  const wanted = new Map(set.attacks.map((attack) => [traceOf(attack), attack]));
  const detected = new Set<string>();
  const wrong: Raised[] = [];
  const byGroup: Record<string, number> = {};
  for (const incident of raised) {
    const label = of(incident)?.label;
    if (label?.truth === 'attack' && wanted.get(label.trace)?.detections.includes(incident.detection)) {
      detected.add(label.trace);
      continue;
    }
    // An attack that raises another detection as well is no false alarm.
    if (label?.truth === 'attack') continue;
    wrong.push(incident);
    const group = `${incident.detection}: ${label?.group ?? 'no event'}`;
    byGroup[group] = (byGroup[group] ?? 0) + 1;
  }
  const names = [
    ...new Set([...set.attacks.flatMap(({ detections }) => detections), ...raised.map(({ detection }) => detection)]),
  ].sort();
  const isAbout = (attack: ReplaySet['attacks'][number], name: string): boolean => attack.detections.includes(name);
  const detections = names.map((detection): DetectionScore => {
    const attacks = set.attacks.filter((attack) => isAbout(attack, detection));
    const found = attacks.filter((attack) => detected.has(traceOf(attack))).length;
    const incidents = raised.filter((incident) => incident.detection === detection).length;
    const falseAlarms = wrong.filter((incident) => incident.detection === detection).length;
    return {
      detection,
      attacks: attacks.length,
      detected: found,
      incidents,
      false_alarms: falseAlarms,
      precision: incidents === 0 ? null : rounded((incidents - falseAlarms) / incidents),
      recall: attacks.length === 0 ? null : rounded(found / attacks.length),
    };
  });
  const scenarios = [...Map.groupBy(set.attacks, ({ name }) => name)].map(([scenario, all]) => ({
    scenario,
    attacks: all.length,
    detected: all.filter((attack) => detected.has(traceOf(attack))).length,
  }));
  return {
    sign_ins: set.benignSignIns,
    events: set.events.length,
    users: set.users.length,
    false_alarms: wrong.length,
    false_sightings: wrong.reduce((sum, { count }) => sum + count, 0),
    false_alarm_percent: rounded((100 * wrong.length) / set.benignSignIns),
    detections,
    scenarios,
    false_by_group: byGroup,
  };
}

const traceOf = ({ acts }: ReplaySet['attacks'][number]): string =>
  acts.find(({ label }) => label.truth === 'attack')?.label.trace ?? '';
const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;
