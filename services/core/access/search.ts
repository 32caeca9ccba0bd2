import { requestInvalid } from '#services/platform/errors.ts';
import { holds } from '../authority/callers.ts';
import type { Module } from '../module.ts';
import type { Caller, Ports } from '../ports.ts';
import { type HitView, REFS_MAX, type RefView } from './search-contract.ts';

type SearchPorts = Pick<Ports, 'sql'> & {
  /** How things of the modules that the installation has are found and named. */
  readonly finders: Module['finders'];
};

/** The one place that decides which kinds a caller finds. */
const findersFor = async ({ finders }: SearchPorts, caller: Caller) =>
  (await finders()).filter(({ permission }) => holds(caller, permission));

/** Finds what the caller may read by a part of its name, address or id; at most `limit` of each kind. */
export async function search(
  ports: SearchPorts,
  { q, limit }: { readonly q: string; readonly limit: number },
  caller: Caller,
): Promise<{ readonly hits: HitView[] }> {
  const text = q.trim();
  const finders = text === '' ? [] : await findersFor(ports, caller);
  const hits: HitView[] = [];
  // One after another: a request holds one connection, however many kinds there are.
  for (const { find } of finders) hits.push(...(await find(ports.sql, text, limit)));
  return { hits };
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
  const refs: RefView[] = [];
  for (const { kind, name } of await findersFor(ports, caller)) {
    const asked = keys.filter((key) => key.startsWith(`${kind}:`)).map((key) => key.slice(kind.length + 1));
    if (name === undefined || asked.length === 0) continue;
    const found = new Map((await name(ports.sql, asked)).map((thing) => [thing.id, thing]));
    for (const id of asked)
      refs.push({ ...(found.get(id) ?? { kind, id, label: id, detail: null, owner: null }), exists: found.has(id) });
  }
  return { refs };
}
