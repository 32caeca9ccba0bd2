import { defineMachineControl, type Observation } from '../control.ts';
import { readDuplicateSubjectsTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const subjectsUnique = defineMachineControl({
  name: 'subjects-unique',
  title: 'Every user has an identifier of their own',
  clause: '164.312(a)(2)(i)',
  profile: 'current',
  requirement: 'required',
  population: 'users',
  probe: 'Finds accounts whose addresses differ only in case',
  probeVersion: 1,
  evidence: 'Number of users, and one id of each group of duplicates',
  pace: 'thorough',
  threat: 'Two persons share one account, or one person has two',
  humanDuty: 'Forbid shared accounts, and prove the identity of a person before an account is given.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readDuplicateSubjectsTally(sql), 'another account has the same address but for case'),
});
