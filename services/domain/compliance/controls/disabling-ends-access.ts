import { defineMachineControl, type Observation } from '../control.ts';
import { disableProbeUser, insertProbeSession, insertProbeUser, readProbeAccess } from '../probes/access.store.ts';
import { inRollback } from '../probes/in-rollback.ts';

export const disablingEndsAccess = defineMachineControl({
  name: 'disabling-ends-access',
  title: 'Disabling a user ends the sessions, revokes the tokens and is recorded, in one transaction',
  clause: '164.308(a)(3)(ii)(C)',
  profile: 'current',
  requirement: 'addressable',
  population: 'three effects on a probe’s user',
  probe: 'Inserts a user with a session, disables the user, reads what is left, and rolls back',
  probeVersion: 1,
  evidence: 'Sessions left, revocations written and events recorded',
  pace: 'frequent',
  threat: 'Access outlives the decision to end it',
  humanDuty: 'Decide who is disabled, and when.',
  check: async ({ random, ...ports }): Promise<Observation> => {
    const left = await inRollback(ports, async (tx) => {
      const userId = random.uuid();
      await insertProbeUser(tx, userId);
      await insertProbeSession(tx, random.uuid(), userId, 0);
      await disableProbeUser(tx, userId);
      return readProbeAccess(tx, userId);
    });
    return {
      population: 3,
      exceptions: [
        ...(left.sessions === 0 ? [] : [{ resource: 'sessions', why: 'a disabled user keeps the session' }]),
        ...(left.revocations > 0 ? [] : [{ resource: 'revocations', why: 'the tokens of a disabled user stay valid' }]),
        ...(left.events > 0 ? [] : [{ resource: 'events', why: 'disabling a user is not recorded' }]),
      ],
      observed: { ...left },
    };
  },
});
