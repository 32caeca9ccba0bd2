import { requestInvalid } from '#services/platform/errors.ts';
import { signOffBelowPolicy, signOffQuorumInvalid } from './errors.ts';
import { LIFE_MINUTES_MAX, type SignOffRole } from './signoff-shapes.ts';
import type { NewSignOff, PolicyRow } from './signoffs.store.ts';

/** What a request asks for. */
export type AskedTerms = {
  /** Those of the policy of the act by default; required if the act has none. */
  readonly required_roles?: readonly SignOffRole[] | undefined;
  /** How many of the roles must approve; all by default, or as the policy says if no roles are named. */
  readonly quorum?: number | undefined;
  /** Required when the act starts. */
  readonly conditions?:
    | {
        readonly min_security_score?: number | undefined;
        readonly no_open_incident?: boolean | undefined;
      }
    | undefined;
  /** Approval and start must be within this time; by default and at most as the policy says, else a day. */
  readonly expires_in_minutes?: number | undefined;
};

type Terms = Pick<NewSignOff, 'requiredRoles' | 'quorum' | 'min_security_score' | 'no_open_incident' | 'lifeMinutes'>;

/** What a request names, and for what it does not name the values of the policy, else the defaults. */
function termsOf(request: AskedTerms, policy: PolicyRow | undefined): Terms {
  const { conditions = {} } = request;
  const requiredRoles = [...new Set(request.required_roles ?? policy?.roles ?? [])];
  if (requiredRoles.length === 0)
    throw requestInvalid({
      problems: [{ at: 'body/required_roles', why: 'is required: no policy names the roles that approve this act' }],
    });
  const byDefault = request.required_roles === undefined && policy !== undefined ? policy.quorum : requiredRoles.length;
  return {
    requiredRoles,
    quorum: request.quorum ?? byDefault,
    min_security_score: conditions.min_security_score ?? policy?.min_security_score ?? null,
    no_open_incident: conditions.no_open_incident ?? policy?.no_open_incident ?? false,
    lifeMinutes: request.expires_in_minutes ?? policy?.life_minutes ?? LIFE_MINUTES_MAX,
  };
}

/**
 * Roles that the policy does not name may approve too, but do not count for it: whichever of the required roles approve,
 * the quorum of the policy is by its own roles.
 */
function* shortfalls({ requiredRoles, ...terms }: Terms, policy: PolicyRow): Generator<string> {
  const others = requiredRoles.filter((role) => !policy.roles.includes(role)).length;
  if (terms.quorum - others < policy.quorum)
    yield `quorum ${terms.quorum} of ${requiredRoles.join(', ')}; ${policy.quorum} of ${policy.roles.join(', ')} must approve`;
  if (terms.lifeMinutes > policy.life_minutes)
    yield `expires_in_minutes ${terms.lifeMinutes}; at most ${policy.life_minutes}`;
  if ((terms.min_security_score ?? -1) < (policy.min_security_score ?? -1))
    yield `min_security_score ${terms.min_security_score}; at least ${policy.min_security_score}`;
  if (policy.no_open_incident && !terms.no_open_incident) yield 'no_open_incident false; must be true';
}

/**
 * The terms of a sign-off: those of the request where it names them, and at least those of the policy of its act.
 * Throws `request_invalid`, `signoff_quorum_invalid`, `signoff_below_policy` (400).
 */
export function termsUnder(policy: PolicyRow | undefined, request: AskedTerms): Terms {
  const terms = termsOf(request, policy);
  if (terms.quorum > terms.requiredRoles.length) throw signOffQuorumInvalid();
  const below = policy === undefined ? [] : [...shortfalls(terms, policy)];
  if (below.length > 0)
    throw signOffBelowPolicy({ detail: `The policy of ${policy?.act} is not met by ${below.join('; nor by ')}.` });
  return terms;
}
