import type { Permission } from '#services/platform/define/permissions.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';

/** Something that people find by what they know of it, and see by its name instead of its id. */
export type Found = {
  readonly kind: string;
  readonly id: string;
  readonly label: string;
  readonly detail: string | null;
  /** The user or client to which it belongs. */
  readonly owner: { readonly kind: string; readonly id: string } | null;
};

/** How a module finds and names its things of one kind, for callers with the permission. */
export type Finder = {
  readonly kind: string;
  readonly permission: string;
  /** At most `limit` things of which the text is a part. */
  find(sql: Sql, text: string, limit: number): Promise<readonly Found[]>;
  /** Those of the things with these ids that exist. Absent: nothing else names a thing of the kind. */
  name?(sql: Sql, ids: readonly string[]): Promise<readonly Found[]>;
};

/** A table of which rows are found. Every text is constant SQL, never a value. */
type FinderTable = {
  readonly kind: string;
  readonly permission: Permission;
  readonly from: string;
  readonly id: string;
  readonly label: string;
  readonly detail?: string;
  readonly owner?: readonly [kind: string, id: string];
  /** Columns of text of which a part is known: a trigram index has them, or the table stays small. */
  readonly parts: readonly string[];
  /** The id is a UUID, of which the beginning is known: eight digits or more. */
  readonly hasUuid?: true;
};

type FoundRow = Pick<Found, 'id' | 'label' | 'detail'> & {
  readonly owner_kind: string | null;
  readonly owner_id: string | null;
};

/** A pattern of LIKE for a text that is a part; its wildcards stand for themselves. */
export const patternOf = (text: string): string => `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const NO_UUIDS = ['ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0000-0000-000000000000'] as const;

/** The first and the last UUID that begin as the text does; also after the `sp_ak_` of an API key, whose secret is left out. */
function uuidsOf(text: string): readonly [first: string, last: string] {
  const [, digits] = /^(?:sp_ak_)?([\da-f]{8,32})(?:_|$)/.exec(text.toLowerCase().replaceAll('-', '')) ?? [];
  return digits === undefined ? NO_UUIDS : [digits.padEnd(32, '0'), digits.padEnd(32, 'f')];
}

/** Declares how the rows of a table are found by a part of their texts, or by the beginning of a UUID, and named. */
export function defineFinder(table: FinderTable): Finder {
  const { kind, permission, from, id, label, detail = 'NULL', owner = ['NULL', 'NULL'], parts, hasUuid } = table;
  const select = `SELECT ${id}::text AS id, ${label} AS label, ${detail} AS detail, ${owner[0]} AS owner_kind,
    ${owner[1]} AS owner_id FROM ${from}`;
  const conditions = [
    ...parts.map((part) => `${part} ILIKE $1`),
    ...(hasUuid ? [`${id} BETWEEN $3::uuid AND $4::uuid`] : []),
  ];
  // Materialized: planned for all matches and read up to the limit. Planned for the limit, a text that many rows have would
  // read the table, and comparing a million texts takes seconds.
  const found = defineStatement(`${kind}Find`)`
    WITH found AS MATERIALIZED (${select} WHERE ${conditions.join(' OR ')}) SELECT * FROM found LIMIT $2`;
  const named = defineStatement(`${kind}Name`, `${select} WHERE ${id} = ANY ($1${hasUuid ? '::uuid[]' : ''})`);
  const shown = (rows: readonly FoundRow[]): Found[] =>
    rows.map(({ owner_kind: of, owner_id: owned, ...row }) => ({
      kind,
      ...row,
      owner: of === null || owned === null ? null : { kind: of, id: owned },
    }));
  return {
    kind,
    permission: permission.name,
    find: async (sql, text, limit) =>
      shown(await sql.query<FoundRow>(found, [patternOf(text), limit, ...(hasUuid ? uuidsOf(text) : [])])),
    name: async (sql, ids) =>
      shown(await sql.query<FoundRow>(named, [hasUuid ? ids.filter((each) => UUID.test(each)) : ids])),
  };
}
