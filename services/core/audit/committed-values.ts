// SQL over a row of audit_events for what a reader of the rows may see, and readers of the public log may not: values
// that the leaf only commits to. They are beside it in audit_personal, until they are erased.

const hiddenOf = (event: string, field: string): string =>
  `(SELECT p.value FROM audit_personal p WHERE p.event_id = ${event}.event_id AND p.field = '${field}')`;

export const actorIdOf = (event: string): string => `coalesce(${event}.actor_id, ${hiddenOf(event, 'actor')})`;

export const clientIdOf = (event: string): string => `coalesce(${event}.client_id, ${hiddenOf(event, 'client_id')})`;

/** Without its kind. */
export const targetIdOf = (event: string): string =>
  `coalesce(${event}.target_id, (SELECT substr(p.value, strpos(p.value, ':') + 1) FROM audit_personal p
     WHERE p.event_id = ${event}.event_id AND p.field = 'target'))`;

/** A member that is a text, a reason or the id of a user. */
export const textOf = (event: string, member: string): string =>
  `coalesce(${event}.detail ->> '${member}', ${hiddenOf(event, `detail.${member}`)})`;

/** Another member, as JSON. */
export const memberOf = (event: string, member: string): string =>
  `coalesce(${event}.detail -> '${member}', ${hiddenOf(event, 'names')}::jsonb -> '${member}')`;

const COLUMNS = ['seq', 'event_id', 'type', 'outcome', 'target_id', 'detail', 'occurred_at']
  .map((name) => `of.${name}`)
  .join();
/** Among so many of the newest events of a committed id are those that a condition looks for. */
const HIDDEN_LIMIT = 2_000;

/**
 * The newest events of an id before a place: along the index of the column, and where the id is no UUID, which leaves
 * show, along audit_personal_place.
 * @param id SQL of the id
 * @param value SQL of the id as `audit_personal` has it
 * @param where further conditions on the event `of`
 */
export const newestEventsOf = ({
  column,
  id,
  value,
  before,
  where,
  limit,
}: {
  readonly column: 'actor_id' | 'target_id' | 'client_id';
  readonly id: string;
  readonly value: string;
  readonly before: string;
  readonly where: string;
  readonly limit: number;
}): string => `SELECT * FROM (
    (SELECT ${COLUMNS} FROM audit_events of WHERE of.${column} = ${id} AND of.seq < ${before} AND ${where} ORDER BY of.seq DESC LIMIT ${limit})
    UNION ALL
    (SELECT ${COLUMNS} FROM (SELECT p.seq FROM audit_personal p
        WHERE ${id} !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' AND p.field = '${column === 'client_id' ? column : column.slice(0, -3)}'
          AND p.value = ${value} AND p.seq < ${before} ORDER BY p.seq DESC LIMIT ${HIDDEN_LIMIT}) place
      JOIN audit_events of ON of.seq = place.seq AND of.${column} IS NULL WHERE ${where} ORDER BY of.seq DESC LIMIT ${limit})
  ) found ORDER BY found.seq DESC LIMIT ${limit}`;
