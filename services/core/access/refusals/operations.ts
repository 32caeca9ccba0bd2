import { operation } from '../../shared/operation.ts';
import { type ClientRefusals, explainClientRefusalsEndpoint, listClientRefusalsEndpoint } from './contract.ts';
import { explainClientRefusals, listClientRefusals } from './read-client-refusals.ts';

type Refusal = ClientRefusals['refusals'][number];

const sampleLines = ({ request }: Refusal): string[] =>
  request === null
    ? []
    : [
        `  sent  ${request.endpoint}  by ${request.auth_method}  ${request.parameters.join(' ')}${request.other_parameters === 0 ? '' : ` and ${request.other_parameters} others`}`,
        ...(['grant_type', 'scope', 'redirect_uri'] as const).flatMap((name) =>
          request[name] === null ? [] : [`  ${name}  ${request[name]}`],
        ),
      ];

const linesOf = (refusal: Refusal): string[] => [
  `${refusal.requests} × ${refusal.code}  ${refusal.client_id ?? 'no known client'}  ${refusal.first_seen_at} to ${refusal.last_seen_at}${refusal.refused_from === null ? '' : `, refused from ${refusal.refused_from}`}`,
  `  ${refusal.cause}`,
  ...sampleLines(refusal),
  ...(refusal.fix === '' ? [] : [`  fix: ${refusal.fix}`]),
];

/** Refusals with their fixes, then what will be refused. */
export function refusalLines({ refusals }: ClientRefusals): string[] {
  const later = refusals.filter(({ refused_from: from }) => from !== null);
  const past = refusals.filter(({ refused_from: from }) => from === null);
  const warning = later.length === 1 ? '1 client still sends' : `${later.length} clients still send`;
  return [
    ...(past.length === 0 ? ['nothing was refused in 7 days'] : past.flatMap(linesOf)),
    ...(later.length === 0 ? [] : [`${warning} what will be refused`, ...later.flatMap(linesOf)]),
  ];
}

export const refusalOperations = [
  operation(explainClientRefusalsEndpoint, explainClientRefusals, {
    verb: 'clients why <client_id>',
    help: 'show why requests of a client were refused in the last 7 days, and the fix',
    lines: refusalLines,
  }),
  operation(listClientRefusalsEndpoint, listClientRefusals, {
    verb: 'clients refusals',
    help: 'list the most frequent refusals of all clients, and the clients that will be refused',
    lines: refusalLines,
  }),
];
