import { requestInvalid } from '#services/platform/errors.ts';
import { holds } from '../authority/permissions.ts';
import type { Caller, Ports, Sql } from '../ports.ts';
import type { Finder, Found } from '../shared/finder.store.ts';
import { type HitView, REFS_MAX, type RefView } from './search-contract.ts';

type SearchPorts = Pick<Ports, 'sql'> & {
  /** How things of the modules that the installation has are found and named. */
  readonly finders: () => Promise<readonly Finder[]>;
};

/** The one place that decides which kinds a caller finds. */
const findersFor = async ({ finders }: SearchPorts, caller: Caller): Promise<readonly Finder[]> =>
  (await finders()).filter(({ permission }) => holds(caller, permission));

type Party = { readonly kind: string; readonly id: string };
const keyOf = ({ kind, id }: Party): string => `${kind}:${id}`;

/** What of these can be named, by its key. */
async function namesOf(sql: Sql, finders: readonly Finder[], parties: readonly Party[]): Promise<Map<string, Found>> {
  const found = await Promise.all(
    finders.map(async ({ kind, name }) => {
      const ids = [...new Set(parties.filter((party) => party.kind === kind).map(({ id }) => id))];
      return ids.length === 0 ? [] : ((await name?.(sql, ids)) ?? []);
    }),
  );
  return new Map(found.flat().map((each) => [keyOf(each), each]));
}

async function withOwners<F extends Found>(sql: Sql, finders: readonly Finder[], found: readonly F[]) {
  const owners = await namesOf(
    sql,
    finders,
    found.flatMap(({ owner }) => owner ?? []),
  );
  return found.map((each) => ({
    ...each,
    owner: each.owner && { ...each.owner, label: owners.get(keyOf(each.owner))?.label ?? null },
  }));
}

/** Finds what the caller may read by a part of its name, address or id; at most `limit` of each kind. */
export async function search(
  ports: SearchPorts,
  { q, limit }: { readonly q: string; readonly limit: number },
  caller: Caller,
): Promise<{ readonly hits: HitView[]; readonly kinds: string[] }> {
  const finders = await findersFor(ports, caller);
  const text = q.trim();
  const found = text === '' ? [] : await Promise.all(finders.map(({ find }) => find(ports.sql, text, limit)));
  return { hits: await withOwners(ports.sql, finders, found.flat()), kinds: finders.map(({ kind }) => kind) };
}

/** An id may have a comma, so that only one before the next kind separates. */
const BETWEEN = /,(?=[a-z_]{1,32}:)/;

/** Names things by their ids, as far as the caller may read them. Throws `request_invalid` (400) for more than 100. */
export async function readRefs(
  ports: SearchPorts,
  { ids }: { readonly ids: string },
  caller: Caller,
): Promise<{ readonly refs: RefView[] }> {
  const keys = [...new Set(ids.split(BETWEEN))];
  if (keys.length > REFS_MAX)
    throw requestInvalid({ detail: `${keys.length} ids were asked for; one request names up to ${REFS_MAX}.` });
  const finders = await findersFor(ports, caller);
  const asked = keys
    .map((key) => ({ kind: key.slice(0, key.indexOf(':')), id: key.slice(key.indexOf(':') + 1) }))
    .filter(({ kind }) => finders.some((finder) => finder.kind === kind && finder.name !== undefined));
  const names = await namesOf(ports.sql, finders, asked);
  const refs = asked.map((party) => {
    const found = names.get(keyOf(party));
    return found ? { ...found, exists: true } : { ...party, label: party.id, detail: null, owner: null, exists: false };
  });
  return { refs: await withOwners(ports.sql, finders, refs) };
}
