import type { Ports } from '#services/core/ports.ts';
import { consentOperations, listConsentsOperation } from '#services/wings/privacy/consent/operations.ts';
import { holdOperations, retentionOperations } from '#services/wings/privacy/retention/operations.ts';
import type { HasRetentionWake } from '#services/wings/privacy/retention/retention.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

export type PrivacyRecordsRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'random'> & HasRetentionWake;

/** Consents of persons, legal holds, and how long records are kept. */
export function privacyRecordsRoutes(routes: RouteContext, deps: PrivacyRecordsRoutesDeps): void {
  bindOperations(
    routes,
    [listConsentsOperation, ...consentOperations, ...retentionOperations, ...holdOperations],
    deps,
  );
}
