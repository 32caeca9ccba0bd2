import { readLogStatus } from '#services/domain/audit/seal/settle-log.ts';
import { defineMachineControl, type Observation } from '../control.ts';

export const auditLogNotRewound = defineMachineControl({
  name: 'audit-log-not-rewound',
  title: 'The audit log continues the head that is known outside the database',
  clause: '164.312(c)(1)',
  profile: 'current',
  requirement: 'required',
  population: 'audit logs in use',
  probe: 'Compares the log with its high-water mark, which is stored outside the database',
  probeVersion: 1,
  evidence: 'The result of the comparison, with origin and size of log and mark',
  pace: 'frequent',
  threat: 'A backup is restored to lose inconvenient events',
  humanDuty: 'Store the mark where the operators of the database cannot write (MARK_STORE).',
  check: async (ports): Promise<Observation> => {
    const state = await readLogStatus(ports);
    const isBroken = state !== null && state.status !== 'current' && state.status !== 'swap';
    return {
      population: state === null ? 0 : 1,
      exceptions: isBroken
        ? [{ resource: state.log.origin, why: `the log and its mark disagree: ${state.status}` }]
        : [],
      observed:
        state === null
          ? {}
          : {
              origin: state.log.origin,
              size: state.log.size,
              mark_size: state.mark?.size ?? null,
              status: state.status,
            },
    };
  },
});
