import { actingAgentOf, hasSignIn, personOf, userOf } from '#services/core/authority/callers.ts';
import { clientIdOf } from '#services/core/authority/names.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { isConsented, needsConsent } from '../consent/user-consent.ts';
import type { PhiPurpose } from '../phi-shapes.ts';
import { readAccess } from './access.store.ts';
import type { RefusalOfAccess } from './access-shapes.ts';
import { mergeFields, permitsField } from './minimum-necessary.ts';

type DataAccessRequest = {
  readonly subject_id: string;
  readonly purpose: PhiPurpose;
  /** Paths that are needed; the whole value by default. */
  readonly fields?: readonly string[] | undefined;
};

/** What a caller may see of a person's values for a purpose. */
export type AccessDecision = {
  readonly isAllowed: boolean;
  /** Permitted paths; empty when refused. */
  readonly fields: readonly string[];
  readonly basis: 'policy' | 'client' | 'break_glass' | null;
  readonly breakGlassId: string | null;
  readonly reason: RefusalOfAccess | null;
  /** The agent that acts, by its own credentials or by a token of its owner; null for people and applications. */
  readonly agentId: string | null;
};

/**
 * Decides by the field policies of the caller's roles, the restrictions of the person and open emergency access. A token
 * of a pair that another party issued for the user has no roles. An agent has the roles that its owner has at this
 * moment, and no emergency access. A client acts for an application that knows its users, so only restrictions bind it.
 * Emergency access overrides both: a restriction does not bind emergency treatment (45 CFR 164.522(a)(1)(iii)). Research
 * requires the person's consent from every caller.
 */
export async function decideAccess(
  { sql }: Pick<Ports, 'sql'>,
  { subject_id: subjectId, purpose }: DataAccessRequest,
  caller: Caller,
): Promise<AccessDecision> {
  const user = userOf(caller);
  const person = personOf(caller);
  const actingId = actingAgentOf(caller);
  const clientId = actingId ?? clientIdOf(caller);
  const {
    is_agent: isAgent,
    policies,
    is_restricted: isRestricted,
    break_glass_id: breakGlassId,
  } = await readAccess(sql, {
    roles: person !== null && hasSignIn(person) ? (person.roles ?? []) : [],
    purpose,
    subjectId,
    userId: person?.userId ?? null,
    clientId,
  });
  // The rows know an agent that this copy has not heard of yet.
  const agentId = isAgent ? clientId : actingId;
  const refused = (reason: RefusalOfAccess): AccessDecision => ({
    isAllowed: false,
    fields: [],
    basis: null,
    breakGlassId: null,
    reason,
    agentId,
  });
  // No emergency replaces the authorization that such a purpose requires.
  if (needsConsent(purpose) && !(await isConsented(sql, subjectId, purpose))) return refused('consent_missing');
  if (breakGlassId !== null)
    return { isAllowed: true, fields: ['*'], basis: 'break_glass', breakGlassId, reason: null, agentId };
  const isByPolicy = user !== null || agentId !== null;
  const fields = isByPolicy ? mergeFields(policies) : ['*'];
  if (fields === null) return refused('purpose_not_permitted');
  if (isRestricted) return refused('restricted');
  return {
    isAllowed: true,
    fields,
    basis: isByPolicy ? 'policy' : 'client',
    breakGlassId: null,
    reason: null,
    agentId,
  };
}

export type ValidationResult = {
  readonly allowed: boolean;
  /** Of the requested paths those that are permitted; without a request all that are. */
  readonly fields: readonly string[];
  readonly refused_fields: readonly string[];
  readonly basis: AccessDecision['basis'];
  readonly reason: RefusalOfAccess | null;
};

/** Answers whether an access would be permitted, without one. */
export async function validateDataAccessRequest(
  ports: Pick<Ports, 'sql'>,
  request: DataAccessRequest,
  caller: Caller,
): Promise<ValidationResult> {
  const { isAllowed, fields, basis, reason } = await decideAccess(ports, request, caller);
  const asked = request.fields;
  if (!isAllowed || asked === undefined)
    return { allowed: isAllowed, fields, refused_fields: isAllowed ? [] : (asked ?? []), basis, reason };
  const refusedFields = asked.filter((path) => !permitsField(fields, path));
  const allowed = refusedFields.length === 0;
  return {
    allowed,
    fields: asked.filter((path) => permitsField(fields, path)),
    refused_fields: refusedFields,
    basis,
    reason: allowed ? null : 'field_not_permitted',
  };
}
