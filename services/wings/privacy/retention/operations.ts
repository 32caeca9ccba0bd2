import { operation } from '#services/core/shared/operation.ts';
import { endHold, listHolds, placeHold } from './legal-holds.ts';
import {
  type RetentionPolicyView,
  readRetention,
  readRun,
  requestRetentionRun,
  setRetentionPolicy,
} from './retention.ts';
import type { LegalHoldView, RetentionRunView } from './retention-contract.ts';
import {
  endHoldEndpoint,
  listHoldsEndpoint,
  placeHoldEndpoint,
  readRetentionEndpoint,
  readRetentionRunEndpoint,
  requestRetentionRunEndpoint,
  setRetentionPolicyEndpoint,
} from './retention-contract.ts';

export const policyLine = ({ kind, keep_days, least_days }: RetentionPolicyView): string =>
  `${kind.padEnd(20)}  ${keep_days === null ? 'kept for good' : `${keep_days} days`}${least_days === null ? '' : `  at least ${least_days}`}`;
export const runLine = (row: RetentionRunView): string =>
  [
    row.created_at,
    row.run_id,
    row.dry_run ? 'dry run' : 'run',
    row.state,
    Object.entries(row.counts ?? {})
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', '),
  ].join('  ');

export const retentionOperations = [
  operation(readRetentionEndpoint, readRetention, {
    verb: 'privacy retention show',
    help: 'show how long each kind of record is kept, and the last runs with their counts',
    lines: ({ policies, runs }) => [...policies.map(policyLine), ...runs.map(runLine)],
  }),
  operation(setRetentionPolicyEndpoint, setRetentionPolicy),
  operation(requestRetentionRunEndpoint, requestRetentionRun),
  operation(readRetentionRunEndpoint, readRun),
];

const holdLine = (row: LegalHoldView): string =>
  [
    row.hold_id,
    row.subject_id,
    `since ${row.created_at}`,
    row.ended_at === null ? 'in effect' : `ended ${row.ended_at}`,
  ].join('  ');

export const holdOperations = [
  operation(listHoldsEndpoint, listHolds, {
    verb: 'privacy holds list <subject_id>',
    help: 'list the legal holds on the records of a person, newest first',
    checksArguments: true,
    lines: ({ holds }) => holds.map(holdLine),
  }),
  operation(placeHoldEndpoint, placeHold, {
    verb: 'privacy holds place <subject_id>',
    help: 'add a legal hold, which keeps every record of a person whatever the policies say',
    checksArguments: true,
    asks: ({ subject_id: subjectId }) => `keep every record of ${subjectId}`,
    lines: (hold) => [holdLine(hold)],
  }),
  operation(endHoldEndpoint, endHold, {
    verb: 'privacy holds end <subject_id> <hold_id>',
    checksArguments: true,
    asks: ({ hold_id: holdId }) => `end the legal hold ${holdId}`,
    lines: (hold) => [holdLine(hold)],
  }),
];
