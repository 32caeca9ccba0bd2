import { defineMachineControl, type Observation } from '../control.ts';
import { observeTally } from '../probes/tally.ts';
import { readOldestEvent, readRemovableTally } from '../probes/trail.store.ts';

export const recordsKeptSixYears = defineMachineControl({
  name: 'records-kept-six-years',
  title: 'No process can remove audit records, so they outlast six years',
  clause: '164.316(b)(2)(i)',
  profile: 'current',
  requirement: 'required',
  population: 'tables of audit records',
  probe: 'Reads whether a role of the processes may delete or truncate a table of audit records',
  probeVersion: 1,
  evidence: 'Tables from which rows could be removed, and the time of the oldest event',
  pace: 'frequent',
  threat: 'Records are gone when an investigation asks for them',
  humanDuty: 'Keep policies, reports and backups of the log for six years.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readRemovableTally(sql), 'a process may remove audit records', {
      oldest_event_at: await readOldestEvent(sql),
    }),
});
