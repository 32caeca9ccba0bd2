import { operation } from '#services/core/shared/operation.ts';
import { PHI_PURPOSES } from '../phi-shapes.ts';
import type { BreakGlassView, PrivacyRequestView } from './access-contract.ts';
import {
  addRestrictionEndpoint,
  type DisclosureView,
  deleteFieldPolicyEndpoint,
  endRestrictionEndpoint,
  type FieldPolicyView,
  listBreakGlassEndpoint,
  listDisclosuresEndpoint,
  listFieldPoliciesEndpoint,
  listRestrictionsEndpoint,
  logPhiAccessEndpoint,
  openBreakGlassEndpoint,
  type RestrictionView,
  readExportEndpoint,
  readPrivacyRequestEndpoint,
  recordDisclosureEndpoint,
  requestDeletionEndpoint,
  requestExportEndpoint,
  reviewBreakGlassEndpoint,
  setFieldPolicyEndpoint,
  validateDataAccessEndpoint,
} from './access-contract.ts';
import { listBreakGlass, openBreakGlass, reviewBreakGlass } from './break-glass.ts';
import { validateDataAccessRequest } from './decide-access.ts';
import { listDisclosures, recordDisclosure } from './disclosures.ts';
import { deleteFieldPolicy, listFieldPolicies, setFieldPolicy } from './field-policies.ts';
import { logPhiAccess } from './log-phi-access.ts';
import { readExport, readPrivacyRequest, requestDeletion, requestExport } from './privacy-requests.ts';
import { addRestriction, endRestriction, listRestrictions } from './restrictions.ts';

const policyLine = ({ role, purpose, fields }: FieldPolicyView): string =>
  `${role.padEnd(16)}  ${purpose.padEnd(18)}  ${fields.join(',')}`;

/** What a use of health data is decided by, and those that applications make themselves. */
export const policyOperations = [
  operation(validateDataAccessEndpoint, validateDataAccessRequest),
  operation(logPhiAccessEndpoint, logPhiAccess),
  operation(listFieldPoliciesEndpoint, listFieldPolicies, {
    verb: 'privacy policies list',
    help: 'list which fields each role sees for each purpose',
    lines: ({ policies }) => policies.map(policyLine),
  }),
  operation(setFieldPolicyEndpoint, setFieldPolicy, {
    verb: 'privacy policies set <role> <fields...>',
    help: 'set which fields a role sees for a purpose; a path names everything below it, * every field',
    options: { purpose: { flags: '--purpose <purpose>', help: 'why the role uses the data' } },
    asks: ({ role, fields, purpose }) => `let ${role} see ${fields.join(', ')} for ${purpose}`,
    lines: (policy) => [policyLine(policy)],
  }),
  operation(deleteFieldPolicyEndpoint, deleteFieldPolicy),
];

export const breakGlassLine = (row: BreakGlassView): string =>
  [
    row.break_glass_id,
    row.opened_at,
    `until ${row.expires_at}`,
    `${row.user_id} to ${row.subject_id}`,
    row.outcome === null ? 'not reviewed' : `${row.outcome}, by ${row.reviewed_by}`,
  ].join('  ');

export const breakGlassOperations = [
  operation(openBreakGlassEndpoint, openBreakGlass),
  operation(listBreakGlassEndpoint, listBreakGlass, {
    verb: 'privacy break-glass list',
    options: { reviewed: { flags: '--unreviewed', help: 'only those that wait for a review', value: 'false' } },
    line: breakGlassLine,
  }),
  operation(reviewBreakGlassEndpoint, reviewBreakGlass),
];

const restrictionLine = (row: RestrictionView): string =>
  [
    row.restriction_id,
    row.subject_id,
    row.purposes.join(','),
    `since ${row.created_at}`,
    row.ended_at === null ? 'in effect' : `ended ${row.ended_at}`,
  ].join('  ');

export const restrictionOperations = [
  operation(listRestrictionsEndpoint, listRestrictions, {
    verb: 'privacy restrictions list <subject_id>',
    help: 'list the restrictions of a person, newest first',
    checksArguments: true,
    lines: ({ restrictions }) => restrictions.map(restrictionLine),
  }),
  operation(addRestrictionEndpoint, addRestriction, {
    verb: 'privacy restrictions add <subject_id>',
    help: 'deny every use of a person’s data for these purposes, except in an emergency',
    checksArguments: true,
    options: { purposes: { help: 'purposes to deny', choices: PHI_PURPOSES } },
    asks: ({ subject_id: subjectId, purposes }) => `deny ${purposes.join(', ')} for ${subjectId}`,
    lines: (restriction) => [restrictionLine(restriction)],
  }),
  operation(endRestrictionEndpoint, endRestriction, {
    verb: 'privacy restrictions end <subject_id> <restriction_id>',
    checksArguments: true,
    asks: ({ restriction_id: id }) => `end the restriction ${id}`,
    lines: (restriction) => [restrictionLine(restriction)],
  }),
];

const disclosureLine = (row: DisclosureView): string =>
  [row.disclosed_at, row.purpose.padEnd(18), row.recipient ?? '(destroyed)', row.description ?? '(destroyed)'].join(
    '  ',
  );

export const disclosureOperations = [
  operation(recordDisclosureEndpoint, recordDisclosure),
  operation(listDisclosuresEndpoint, listDisclosures, {
    verb: 'privacy disclosures list <subject_id>',
    checksArguments: true,
    line: disclosureLine,
  }),
];

export const requestLine = (row: PrivacyRequestView): string =>
  [
    row.request_id,
    row.kind,
    row.subject_id,
    row.state,
    row.receipt === null ? `due ${row.due_at}` : `receipt ${row.receipt.event_id}`,
    row.receipt === null ? '' : row.receipt.seq === null ? 'not sealed yet' : `sealed as event ${row.receipt.seq}`,
  ].join('  ');

export const privacyRequestOperations = [
  operation(requestExportEndpoint, requestExport, {
    verb: 'privacy export <subject_id>',
    help: 'request an export of what Sallyport knows about a person; a worker makes it',
    checksArguments: true,
    asks: ({ subject_id: subjectId }) => `export the data of ${subjectId}`,
    lines: (request) => [requestLine(request)],
  }),
  operation(requestDeletionEndpoint, requestDeletion, {
    verb: 'privacy delete <subject_id>',
    help: 'request that a worker destroys the keys of a person for good; `request` shows the receipt',
    checksArguments: true,
    asks: ({ subject_id: subjectId }) => `destroy the keys of ${subjectId} for good`,
    lines: (request) => [requestLine(request)],
  }),
  operation(readPrivacyRequestEndpoint, readPrivacyRequest),
  operation(readExportEndpoint, readExport),
];
