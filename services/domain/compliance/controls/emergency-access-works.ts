import { openBreakGlass } from '#services/domain/privacy/access/break-glass.ts';
import { decideAccess } from '#services/domain/privacy/access/decide-access.ts';
import { addRestriction } from '#services/domain/privacy/access/restrictions.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { insertProbeUser } from '../probes/access.store.ts';
import { inRollback } from '../probes/in-rollback.ts';
import { expireProbeAccess } from '../probes/privacy.store.ts';
import { insideOf, probeUser } from '../probes/probe-user.ts';

export const emergencyAccessWorks = defineMachineControl({
  name: 'emergency-access-works',
  title: 'Emergency access opens one person to one user over policies and restrictions, and ends by itself',
  clause: '164.312(a)(2)(ii)',
  profile: 'current',
  requirement: 'required',
  population: 'three decisions of a probe: during the access, for another person, and after it',
  probe:
    'Opens emergency access to a restricted person of its own in a transaction, asks the rule of the API about three uses, and rolls back',
  probeVersion: 1,
  evidence: 'The three decisions',
  pace: 'frequent',
  threat: 'Care is delayed because health data cannot be read, or emergency access stays open',
  humanDuty: 'Decide who may open emergency access (permission phi:break_glass).',
  check: async ({ random, ...ports }): Promise<Observation> => {
    const subjectId = random.uuid();
    const user = probeUser(random.uuid(), []);
    const seen = await inRollback(ports, async (tx) => {
      const inside = insideOf(tx, { random });
      const isAllowed = async (to: string): Promise<boolean> =>
        (await decideAccess(inside, { subjectId: to, purpose: 'treatment' }, user)).isAllowed;
      await insertProbeUser(tx, subjectId);
      await addRestriction(inside, { subjectId, purposes: ['treatment'], reason: 'probe' }, user);
      const opened = await openBreakGlass(inside, { subjectId, minutes: 5, reason: 'probe' }, user);
      const during = await isAllowed(subjectId);
      const other = await isAllowed(random.uuid());
      await expireProbeAccess(tx, opened.break_glass_id);
      return { during, other, after: await isAllowed(subjectId) };
    });
    return {
      population: 3,
      exceptions: [
        ...(seen.during ? [] : [{ resource: 'during the access', why: 'emergency access does not open health data' }]),
        ...(seen.other ? [{ resource: 'another person', why: 'emergency access opens another person' }] : []),
        ...(seen.after ? [{ resource: 'after the access', why: 'emergency access does not end' }] : []),
      ],
      observed: { allowed_during: seen.during, allowed_for_another: seen.other, allowed_after: seen.after },
    };
  },
});
