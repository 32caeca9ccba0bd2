import { operation } from '../shared/operation.ts';
import { readFirstSteps } from './first-steps.ts';
import { readRefs, search } from './search.ts';
import { type HitView, readFirstStepsEndpoint, readRefsEndpoint, searchEndpoint } from './search-contract.ts';

/** One search over what the modules have, the names of ids, and first steps. */
export const searchOperations = [
  operation(searchEndpoint, search, {
    verb: 'search <q>',
    help: 'find people, clients, agents, roles, API keys, incidents and events by a part of what is known of them',
    line: ({ kind, id, label, detail, owner }: HitView) =>
      [
        kind.padEnd(8),
        id,
        label,
        ...(detail === null || detail === label ? [] : [detail]),
        ...(owner === null ? [] : [`owned by ${owner.kind} ${owner.id}`]),
      ].join('  '),
  }),
  operation(readRefsEndpoint, readRefs),
  operation(readFirstStepsEndpoint, readFirstSteps),
];
