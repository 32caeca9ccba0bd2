import { decideAccess } from '#services/domain/privacy/access/decide-access.ts';
import { setFieldPolicy } from '#services/domain/privacy/access/field-policies.ts';
import { applyMinimumNecessary } from '#services/domain/privacy/access/minimum-necessary.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { inRollback } from '../probes/in-rollback.ts';
import { deleteProbePolicies } from '../probes/privacy.store.ts';
import { insideOf, probeUser } from '../probes/probe-user.ts';

const ROLE = 'user';
const PLANTED = { name: 'probe', diagnosis: { code: 'probe' } };

export const minimumNecessaryApplied = defineMachineControl({
  name: 'minimum-necessary-applied',
  title: 'A user sees only the fields that a policy permits to a role, and nothing without one',
  clause: '164.502(b)',
  profile: 'current',
  requirement: 'required',
  population: 'two decisions of a probe: a purpose with a policy, and one without',
  probe:
    'Permits one field to a role in a transaction, asks the rule of the API what a user of the role sees of a planted value, and rolls back',
  probeVersion: 1,
  evidence: 'Names of the fields that the probe saw, and the decision without a policy',
  pace: 'frequent',
  threat: 'A member of staff reads health data that the work does not need',
  humanDuty: 'Write the policy that limits uses, disclosures and requests to the minimum necessary.',
  check: async ({ random, ...ports }): Promise<Observation> => {
    const subjectId = random.uuid();
    const caller = probeUser(random.uuid(), [ROLE]);
    const [seen, isOtherAllowed] = await inRollback(ports, async (tx) => {
      const inside = insideOf(tx, { random });
      await deleteProbePolicies(tx, ROLE);
      await setFieldPolicy(inside, { role: ROLE, purpose: 'payment', fields: ['name'], reason: 'probe' }, caller);
      const decision = await decideAccess(inside, { subjectId, purpose: 'payment' }, caller);
      const other = await decideAccess(inside, { subjectId, purpose: 'operations' }, caller);
      const shown = decision.isAllowed ? applyMinimumNecessary(PLANTED, decision.fields) : {};
      return [Object.keys(shown as object).sort(), other.isAllowed] as const;
    });
    const isExact = seen.length === 1 && seen[0] === 'name';
    return {
      population: 2,
      exceptions: [
        ...(isExact
          ? []
          : [{ resource: 'purpose with a policy', why: 'a user sees other fields than the policy permits' }]),
        ...(isOtherAllowed
          ? [{ resource: 'purpose without a policy', why: 'a user sees health data without a policy' }]
          : []),
      ],
      observed: { fields_permitted: ['name'], fields_seen: seen, allowed_without_policy: isOtherAllowed },
    };
  },
});
