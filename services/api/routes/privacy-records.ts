import type { Ports } from '#services/domain/ports.ts';
import {
  listConsentsEndpoint,
  recordConsentEndpoint,
  validateConsentEndpoint,
  withdrawConsentEndpoint,
} from '#services/domain/privacy/consent/consent-contract.ts';
import {
  listConsents,
  manageConsentWithdrawal,
  recordUserConsent,
  validateUserConsent,
} from '#services/domain/privacy/consent/user-consent.ts';
import { endHold, listHolds, placeHold } from '#services/domain/privacy/retention/legal-holds.ts';
import {
  type HasRetentionWake,
  readRetention,
  readRun,
  requestRetentionRun,
  setRetentionPolicy,
} from '#services/domain/privacy/retention/retention.ts';
import {
  endHoldEndpoint,
  listHoldsEndpoint,
  placeHoldEndpoint,
  readRetentionEndpoint,
  readRetentionRunEndpoint,
  requestRetentionRunEndpoint,
  setRetentionPolicyEndpoint,
} from '#services/domain/privacy/retention/retention-contract.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';

export type PrivacyRecordsRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'random'> & HasRetentionWake;

/** Consents of persons, legal holds, and how long records are kept. */
export function privacyRecordsRoutes(routes: RouteContext, deps: PrivacyRecordsRoutesDeps): void {
  bindOnce(routes, recordConsentEndpoint, ({ body: { subject_id: subjectId, ...decision } }, caller, once) =>
    recordUserConsent({ ...deps, ...once }, { ...decision, subjectId }, caller),
  );
  bind(routes, withdrawConsentEndpoint, async ({ body: { subject_id: subjectId, ...asked } }, caller) => ({
    withdrawn: await manageConsentWithdrawal(deps, { ...asked, subjectId }, caller),
  }));
  bind(routes, listConsentsEndpoint, async ({ params }) => ({
    consents: await listConsents(deps, { subjectId: params.subject_id }),
  }));
  bind(routes, validateConsentEndpoint, async ({ params }) => ({
    granted: await validateUserConsent(deps.sql, params.subject_id, params.purpose),
  }));
  bind(routes, readRetentionEndpoint, () => readRetention(deps));
  bind(routes, setRetentionPolicyEndpoint, ({ body: { keep_days: keepDays, ...body } }, caller) =>
    setRetentionPolicy(deps, { ...body, keepDays }, caller),
  );
  bind(routes, requestRetentionRunEndpoint, ({ body }, caller) =>
    requestRetentionRun(deps, { isDryRun: body.dry_run, reason: body.reason }, caller),
  );
  bind(routes, readRetentionRunEndpoint, ({ params }) => readRun(deps, params.run_id));
  bind(routes, listHoldsEndpoint, async ({ params }) => ({
    holds: await listHolds(deps, { subjectId: params.subject_id }),
  }));
  bindOnce(routes, placeHoldEndpoint, ({ params, body }, caller, once) =>
    placeHold({ ...deps, ...once }, { subjectId: params.subject_id, reason: body.reason }, caller),
  );
  bind(routes, endHoldEndpoint, ({ params, body }, caller) =>
    endHold(deps, { subjectId: params.subject_id, holdId: params.hold_id, reason: body.reason }, caller),
  );
}
