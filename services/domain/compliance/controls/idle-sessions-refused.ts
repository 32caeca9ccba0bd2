import { usedSession } from '#services/domain/identity/sessions/session-life.ts';
import { sessionLifeOf } from '#services/platform/config/identity.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { insertProbeSession, insertProbeUser } from '../probes/access.store.ts';
import { inRollback } from '../probes/in-rollback.ts';

export const idleSessionsRefused = defineMachineControl({
  name: 'idle-sessions-refused',
  title: 'A session is refused one second after its idle limit',
  clause: '164.312(a)(2)(iii)',
  profile: 'current',
  requirement: 'addressable',
  population: 'two sessions of a probe: one past the idle limit, one within it',
  probe:
    'Inserts a user with two sessions in a transaction, asks the rule of the API whether each is live, and rolls back',
  probeVersion: 1,
  evidence: 'The idle limit in seconds, and the decision for each session',
  pace: 'frequent',
  threat: 'A person uses a workstation that its user left signed in',
  humanDuty: 'Choose the idle limit (SESSION_IDLE_TWO_FACTORS), and lock the screens of workstations.',
  check: async ({ config, clock, random, ...ports }): Promise<Observation> => {
    const life = sessionLifeOf(config);
    const limit = life.twoFactorIdleSeconds;
    if (limit === 0)
      return {
        population: 1,
        exceptions: [{ resource: 'SESSION_IDLE_TWO_FACTORS', why: 'sessions have no idle limit' }],
        observed: { idle_limit_seconds: 0 },
      };
    const [past, within] = await inRollback(ports, async (tx) => {
      const userId = random.uuid();
      await insertProbeUser(tx, userId);
      const isLive = async (idleSeconds: number): Promise<boolean> => {
        const id = random.uuid();
        const updatedAt = await insertProbeSession(tx, id, userId, idleSeconds);
        return (await usedSession({ sql: tx, clock }, life, { id, acr: 'aal2', updatedAt }, false)) !== null;
      };
      return [await isLive(limit + 1), await isLive(limit / 2)];
    });
    return {
      population: 2,
      exceptions: [
        ...(past ? [{ resource: 'session past its limit', why: 'a session past its idle limit is accepted' }] : []),
        ...(within ? [] : [{ resource: 'session within its limit', why: 'the probe’s live session is refused' }]),
      ],
      observed: {
        idle_limit_seconds: limit,
        past_limit_accepted: past === true,
        within_limit_accepted: within === true,
      },
    };
  },
});
