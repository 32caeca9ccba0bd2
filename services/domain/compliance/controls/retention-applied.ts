import { readOverdueRecords } from '#services/domain/privacy/retention/retention.ts';
import { defineMachineControl, type Observation } from '../control.ts';

/** The policies are applied once a day. */
const GRACE_DAYS = 2;

export const retentionApplied = defineMachineControl({
  name: 'retention-applied',
  title: 'Records about persons are removed within two days after their retention ends, unless a legal hold keeps them',
  clause: '164.310(d)(2)(i)',
  profile: 'current',
  requirement: 'required',
  population: 'kinds of records with a retention policy',
  probe: 'Counts for each kind the records that a run of the retention policies should have removed two days ago',
  probeVersion: 1,
  evidence: 'Days that each kind is kept, and the number of records that are overdue',
  pace: 'thorough',
  threat: 'Data that should be gone is stolen',
  humanDuty: 'Choose how long records are kept, and place and end legal holds.',
  check: async ({ sql }): Promise<Observation> => {
    const kinds = await readOverdueRecords({ sql }, GRACE_DAYS);
    return {
      population: kinds.length,
      exceptions: kinds
        .filter(({ overdue }) => overdue > 0)
        .map(({ kind, overdue }) => ({ resource: kind, why: `${overdue} records are overdue` })),
      observed: { kinds: kinds.map(({ kind, keepDays, overdue }) => ({ kind, keep_days: keepDays, overdue })) },
    };
  },
});
