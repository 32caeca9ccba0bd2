import type { Found } from '../shared/finder.store.ts';
import { operation } from '../shared/operation.ts';
import { readRefs, search } from './search.ts';
import { readRefsEndpoint, searchEndpoint } from './search-contract.ts';

const line = ({ kind, id, label, detail, owner }: Found): string =>
  [
    kind.padEnd(8),
    id,
    label,
    ...(detail === null || detail === label ? [] : [detail]),
    ...(owner === null ? [] : [`owned by ${owner.kind} ${owner.id}`]),
  ].join('  ');

/** One search over what the modules have, and the names of ids. */
export const searchOperations = [
  operation(searchEndpoint, search, {
    verb: 'search <q>',
    help: 'find people, clients, agents, roles, API keys, incidents and events by a part of what is known of them',
    line,
  }),
  operation(readRefsEndpoint, readRefs),
];
