import { decideAccess } from '#services/domain/privacy/access/decide-access.ts';
import { setFieldPolicy } from '#services/domain/privacy/access/field-policies.ts';
import { addRestriction } from '#services/domain/privacy/access/restrictions.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { insertProbeUser } from '../probes/access.store.ts';
import { inRollback } from '../probes/in-rollback.ts';
import { readRestrictedUsesTally } from '../probes/privacy.store.ts';
import { insideOf, probeClient, probeUser } from '../probes/probe-user.ts';
import { observeTally } from '../probes/tally.ts';

const ROLE = 'user';
const DECISIONS = 2;

export const restrictionsEnforced = defineMachineControl({
  name: 'restrictions-enforced',
  title: 'A restriction that was agreed to refuses users and clients, and no use was made against one',
  clause: '164.522(a)(1)(iii)',
  profile: 'current',
  requirement: 'required',
  population: 'restrictions, and two decisions of a probe: for a user and for a client',
  probe:
    'Restricts a person of its own in a transaction, asks the rule of the API about a use, and rolls back; and compares each restriction with the uses in the audit log',
  probeVersion: 1,
  evidence: 'The decisions, the number of restrictions, and ids of those that a use contradicts',
  pace: 'thorough',
  threat: 'Health data is used in a way that the person was promised would not happen',
  humanDuty: 'Decide each request for a restriction, and record those you agree to.',
  check: async ({ random, ...ports }): Promise<Observation> => {
    const subjectId = random.uuid();
    const user = probeUser(random.uuid(), [ROLE]);
    const use = { subjectId, purpose: 'payment' } as const;
    const allowed = await inRollback(ports, async (tx) => {
      const inside = insideOf(tx, { random });
      await insertProbeUser(tx, subjectId);
      await setFieldPolicy(inside, { role: ROLE, purpose: 'payment', fields: ['name'], reason: 'probe' }, user);
      await addRestriction(inside, { subjectId, purposes: ['payment'], reason: 'probe' }, user);
      const byUser = (await decideAccess(inside, use, user)).isAllowed;
      return { user: byUser, client: (await decideAccess(inside, use, probeClient)).isAllowed };
    });
    const uses = observeTally(
      await readRestrictedUsesTally(ports.sql),
      'health data was used for a purpose that the person had restricted',
      { user_allowed: allowed.user, client_allowed: allowed.client },
    );
    const decisions = Object.entries(allowed)
      .filter(([, isAllowed]) => isAllowed)
      .map(([who]) => ({ resource: `decision for a ${who}`, why: `a restriction does not bind a ${who}` }));
    return {
      ...uses,
      population: uses.population + DECISIONS,
      exceptions: [...decisions, ...uses.exceptions],
      exceptionCount: decisions.length + (uses.exceptionCount ?? 0),
    };
  },
});
