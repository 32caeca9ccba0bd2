import { sessionLifeOf } from '#services/platform/config/identity.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { readOverlongSessionsTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const sessionsExpire = defineMachineControl({
  name: 'sessions-expire',
  title: 'No session outlives the configured lifetime',
  clause: '164.312(a)(2)(iii)',
  profile: 'current',
  requirement: 'addressable',
  population: 'live sessions',
  probe: 'Compares the expiry of every live session with the lifetimes of the settings',
  probeVersion: 1,
  evidence: 'Number of live sessions, and ids of those that would live longer than the settings allow',
  pace: 'frequent',
  threat: 'A stolen session cookie is used long after it was stolen',
  humanDuty: 'Choose the lifetimes (SESSION_EXPIRY, SESSION_EXPIRY_TWO_FACTORS).',
  check: async ({ sql, config }): Promise<Observation> => {
    const { sessionSeconds, twoFactorSeconds } = sessionLifeOf(config);
    const tally = await readOverlongSessionsTally(sql, { sessionSeconds, twoFactorSeconds });
    return observeTally(tally, 'the session lives longer than the settings allow', {
      lifetime_seconds: sessionSeconds,
      two_factor_lifetime_seconds: twoFactorSeconds,
    });
  },
});
