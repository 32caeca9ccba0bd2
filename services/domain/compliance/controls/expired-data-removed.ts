import { defineMachineControl, type Observation } from '../control.ts';

const OVERDUE_MAX_HOURS = 6;

export const expiredDataRemoved = defineMachineControl({
  name: 'expired-data-removed',
  title: 'Rows past their retention are removed within six hours',
  clause: '164.310(d)(2)(i)',
  profile: 'current',
  requirement: 'required',
  population: 'kinds of rows with a retention',
  probe: 'Reads for each kind how long its oldest expired row has been overdue',
  probeVersion: 1,
  evidence: 'Kinds that are overdue, with hours',
  pace: 'frequent',
  threat: 'Data that should be gone is stolen',
  humanDuty: 'Choose retention periods, and dispose of disks and backups.',
  check: async ({ sql, installation: { purges } }): Promise<Observation> => {
    const late: { kind: string; hours: number }[] = [];
    for (const purge of purges) {
      const hours = Math.floor(((await purge.readOverdueMs(sql)) ?? 0) / 3_600_000);
      if (hours >= OVERDUE_MAX_HOURS) late.push({ kind: purge.kind, hours });
    }
    return {
      population: purges.length,
      exceptions: late.map(({ kind, hours }) => ({ resource: kind, why: `rows are overdue by ${hours} hours` })),
      observed: { kinds: purges.length, overdue: late },
    };
  },
});
