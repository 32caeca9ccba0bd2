import { LOCK_POLICY, refusedSeconds } from '#services/domain/identity/sign-in/sign-in-counters.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { countProbeFailure } from '../probes/access.store.ts';
import { inRollback } from '../probes/in-rollback.ts';

export const guessingLocksAccounts = defineMachineControl({
  name: 'guessing-locks-accounts',
  title: 'Wrong passwords lock an account',
  clause: '164.308(a)(5)(ii)(C)',
  profile: 'current',
  requirement: 'addressable',
  population: 'failures of a probe',
  probe:
    'Counts failed passwords for a name that does not exist, asks the rule of the API whether it is locked, and rolls back',
  probeVersion: 1,
  evidence: 'Failures until the lock, and its length in seconds',
  pace: 'frequent',
  threat: 'An attacker guesses passwords',
  humanDuty: 'Review incidents of password guessing.',
  check: async ({ random, ...ports }): Promise<Observation> => {
    const key = `account:probe-${random.uuid()}`;
    const wanted = LOCK_POLICY.failuresToLock;
    const after = await inRollback(ports, async (tx) => {
      const refusals: number[] = [];
      for (let at = 0; at < wanted; at += 1) {
        const { total, lockedSeconds } = await countProbeFailure(tx, key, LOCK_POLICY);
        refusals.push(refusedSeconds([key], [{ key, failures: total, lockedSeconds }]));
      }
      return refusals;
    });
    const isLocked = (after.at(-1) ?? 0) > 0;
    return {
      population: wanted,
      exceptions: isLocked ? [] : [{ resource: 'account', why: `${wanted} wrong passwords do not lock an account` }],
      observed: { failures: wanted, refused_seconds: after },
    };
  },
});
