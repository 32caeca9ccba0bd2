import type { Ports } from '#services/core/ports.ts';
import type { SignOffView } from './contract.ts';
import { type ClientNames, type PersonNames, readClientNames, readPeopleNames } from './signoff-names.store.ts';

/** Who is behind the ids of sign-offs. A deleted user or client has no names. */
export type SignOffNames = {
  readonly people: ReadonlyMap<string, PersonNames>;
  readonly clients: ReadonlyMap<string, ClientNames>;
};

const byId = <T extends { readonly id: string }>(rows: readonly T[]): ReadonlyMap<string, T> =>
  new Map(rows.map((row) => [row.id, row]));

/**
 * Reads the names of the requesters of sign-offs, of the owners of agents among them, and of the people who decided.
 * Only for the pages of callers who may read these sign-offs: names are in no list, event or log.
 */
export async function readSignOffNames(
  { sql }: Pick<Ports, 'sql'>,
  signOffs: readonly SignOffView[],
): Promise<SignOffNames> {
  const asking = signOffs.map(({ requested_by: by }) => by);
  const clientIds = [
    ...asking.filter(({ kind }) => kind === 'client').map(({ id }) => id),
    ...signOffs.flatMap(({ client_id: id }) => (id === null ? [] : [id])),
  ];
  const clients = await readClientNames(sql, [...new Set(clientIds)]);
  const userIds = [
    ...asking.filter(({ kind }) => kind === 'user').map(({ id }) => id),
    ...clients.flatMap((row) => (row.owner_id === null ? [] : [row.owner_id])),
    ...signOffs.flatMap(({ decisions }) => decisions.map(({ user_id: id }) => id)),
  ];
  return { people: byId(await readPeopleNames(sql, [...new Set(userIds)])), clients: byId(clients) };
}
