import { readOverdueRecords } from '#services/wings/privacy/retention/retention.ts';
import { checked, type Observation } from '../control.ts';
import { observeTally } from '../probes/tally.store.ts';
import { readOldestEvent, readRemovableTally } from '../probes/trail.store.ts';

const OVERDUE_MAX_HOURS = 6;

/** The policies are applied once a day. */
const GRACE_DAYS = 2;

/** How long data is kept. */
export const retentionControls = [
  checked({
    name: 'expired-data-removed',
    title: 'Rows past their retention are removed within six hours',
    clause: '164.310(d)(2)(i)',
    population: 'kinds of rows with a retention',
    probe: 'Reads for each kind how long its oldest expired row has been overdue',
    evidence: 'Kinds that are overdue, with hours',
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
  }),
  checked({
    name: 'retention-applied',
    title:
      'Records about persons are removed within two days after their retention ends, unless a legal hold keeps them',
    clause: '164.310(d)(2)(i)',
    population: 'kinds of records with a retention policy',
    probe: 'Counts for each kind the records that a run of the retention policies should have removed two days ago',
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
  }),
  checked({
    name: 'records-kept-six-years',
    title: 'No process can remove audit records, so they outlast six years',
    clause: '164.316(b)(2)(i)',
    population: 'tables of audit records',
    probe: 'Reads whether a role of the processes may delete or truncate a table of audit records',
    evidence: 'Tables from which rows could be removed, and the time of the oldest event',
    threat: 'Records are gone when an investigation asks for them',
    humanDuty: 'Keep policies, reports and backups of the log for six years.',
    check: async ({ sql }): Promise<Observation> =>
      observeTally(await readRemovableTally(sql), 'a process may remove audit records', {
        oldest_event_at: await readOldestEvent(sql),
      }),
  }),
] as const;
