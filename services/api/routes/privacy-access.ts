import type { Ports } from '#services/domain/ports.ts';
import {
  addRestrictionEndpoint,
  deleteFieldPolicyEndpoint,
  endRestrictionEndpoint,
  listBreakGlassEndpoint,
  listDisclosuresEndpoint,
  listFieldPoliciesEndpoint,
  listRestrictionsEndpoint,
  logPhiAccessEndpoint,
  openBreakGlassEndpoint,
  readExportEndpoint,
  readPrivacyRequestEndpoint,
  recordDisclosureEndpoint,
  requestDeletionEndpoint,
  requestExportEndpoint,
  reviewBreakGlassEndpoint,
  setFieldPolicyEndpoint,
  validateDataAccessEndpoint,
} from '#services/domain/privacy/access/access-contract.ts';
import { listBreakGlass, openBreakGlass, reviewBreakGlass } from '#services/domain/privacy/access/break-glass.ts';
import { validateDataAccessRequest } from '#services/domain/privacy/access/decide-access.ts';
import { listDisclosures, recordDisclosure } from '#services/domain/privacy/access/disclosures.ts';
import {
  deleteFieldPolicy,
  listFieldPolicies,
  setFieldPolicy,
} from '#services/domain/privacy/access/field-policies.ts';
import { logPhiAccess } from '#services/domain/privacy/access/log-phi-access.ts';
import {
  type HasPrivacyWake,
  readExport,
  readPrivacyRequest,
  requestPrivacyJob,
} from '#services/domain/privacy/access/privacy-requests.ts';
import { addRestriction, endRestriction, listRestrictions } from '#services/domain/privacy/access/restrictions.ts';
import type { HasPhiKeys } from '#services/domain/privacy/phi-keys.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';

export type PrivacyAccessRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> &
  HasPhiKeys &
  HasPrivacyWake;

/** Who may use health data, emergency access, and what a person may ask for. */
export function privacyAccessRoutes(routes: RouteContext, deps: PrivacyAccessRoutesDeps): void {
  bind(routes, validateDataAccessEndpoint, ({ body: { subject_id: subjectId, ...request } }, caller) =>
    validateDataAccessRequest(deps, { ...request, subjectId }, caller),
  );
  bindOnce(routes, logPhiAccessEndpoint, ({ body: { subject_id: subjectId, ...access } }, caller, once) =>
    logPhiAccess({ ...deps, ...once }, { ...access, subjectId }, caller),
  );
  bind(routes, listFieldPoliciesEndpoint, async () => ({ policies: await listFieldPolicies(deps) }));
  bind(routes, setFieldPolicyEndpoint, ({ params, body }, caller) =>
    setFieldPolicy(deps, { ...params, ...body }, caller),
  );
  bind(routes, deleteFieldPolicyEndpoint, ({ params, body }, caller) =>
    deleteFieldPolicy(deps, { ...params, ...body }, caller),
  );
  bindOnce(routes, openBreakGlassEndpoint, ({ body: { subject_id: subjectId, ...asked } }, caller, once) =>
    openBreakGlass({ ...deps, ...once }, { ...asked, subjectId }, caller),
  );
  bind(routes, listBreakGlassEndpoint, async ({ query: { reviewed, ...page } }) => {
    const isReviewed = reviewed === undefined ? undefined : reviewed === 'true';
    const { items, next } = await listBreakGlass(deps, { ...page, reviewed: isReviewed });
    return { break_glass: items, next };
  });
  bind(routes, reviewBreakGlassEndpoint, ({ params, body }, caller) =>
    reviewBreakGlass(deps, { id: params.break_glass_id, ...body }, caller),
  );
  bind(routes, listRestrictionsEndpoint, async ({ params }) => ({
    restrictions: await listRestrictions(deps, { subjectId: params.subject_id }),
  }));
  bindOnce(routes, addRestrictionEndpoint, ({ params, body }, caller, once) =>
    addRestriction({ ...deps, ...once }, { subjectId: params.subject_id, ...body }, caller),
  );
  bind(routes, endRestrictionEndpoint, ({ params, body }, caller) =>
    endRestriction(
      deps,
      { subjectId: params.subject_id, restrictionId: params.restriction_id, reason: body.reason },
      caller,
    ),
  );
  bindOnce(routes, recordDisclosureEndpoint, ({ params, body: { disclosed_at: disclosedAt, ...body } }, caller, once) =>
    recordDisclosure({ ...deps, ...once }, { subjectId: params.subject_id, disclosedAt, ...body }, caller),
  );
  bind(routes, listDisclosuresEndpoint, async ({ params, query }) => {
    const { items, next } = await listDisclosures(deps, { subjectId: params.subject_id, ...query });
    return { disclosures: items, next };
  });
  for (const [endpoint, kind] of [
    [requestExportEndpoint, 'export'],
    [requestDeletionEndpoint, 'deletion'],
  ] as const)
    bind(routes, endpoint, ({ params, body }, caller) =>
      requestPrivacyJob(deps, { kind, subjectId: params.subject_id, reason: body.reason }, caller),
    );
  bind(routes, readPrivacyRequestEndpoint, ({ params }) => readPrivacyRequest(deps, params.request_id));
  bind(routes, readExportEndpoint, ({ params }, caller) => readExport(deps, params.request_id, caller));
}
