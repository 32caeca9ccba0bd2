import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** By the primary key. */
const peopleNames = defineStatement(
  'signoffPeopleNames',
  `SELECT id, coalesce(name, '') AS name, email FROM users WHERE id = ANY ($1)`,
);
/** By the unique key of the client id, and the primary key of agents. */
const clientNames = defineStatement(
  'signoffClientNames',
  `SELECT c."clientId" AS id, coalesce(nullif(c.name, ''), c."clientId") AS name, a.owner_id
   FROM oauth_clients c LEFT JOIN agents a ON a.client_id = c."clientId" WHERE c."clientId" = ANY ($1)`,
);

export type PersonNames = { readonly id: string; readonly name: string; readonly email: string };
export type ClientNames = { readonly id: string; readonly name: string; readonly owner_id: string | null };

export const readPeopleNames = (sql: Sql, ids: readonly string[]): Promise<PersonNames[]> =>
  ids.length === 0 ? Promise.resolve([]) : sql.query<PersonNames>(peopleNames, [ids]);

export const readClientNames = (sql: Sql, ids: readonly string[]): Promise<ClientNames[]> =>
  ids.length === 0 ? Promise.resolve([]) : sql.query<ClientNames>(clientNames, [ids]);
