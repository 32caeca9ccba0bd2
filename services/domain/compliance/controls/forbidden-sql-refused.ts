import { defineMachineControl, type Observation } from '../control.ts';
import { FORBIDDEN, refusalOf } from '../probes/custody.store.ts';
import { inRollback } from '../probes/in-rollback.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

export const forbiddenSqlRefused = defineMachineControl({
  name: 'forbidden-sql-refused',
  title: 'The database role of the processes can neither change the audit log nor create tables',
  clause: '164.312(a)(1)',
  profile: 'current',
  requirement: 'required',
  population: 'forbidden statements',
  probe: 'Tries each forbidden statement with the connection of the worker, in a transaction that is rolled back',
  probeVersion: 1,
  evidence: 'The SQLSTATE that answered each statement (42501 is insufficient_privilege)',
  pace: 'frequent',
  threat: 'An attacker who controls a process rewrites the record of what he did',
  humanDuty: 'Give the processes a database user that is no superuser, and keep the owner’s credentials elsewhere.',
  check: async (ports): Promise<Observation> => {
    const answers = await inRollback(ports, async (tx) => {
      const seen: (readonly [string, string | null])[] = [];
      for (const statement of FORBIDDEN) seen.push([statement[0], await refusalOf(tx, statement)]);
      return seen;
    });
    return {
      population: answers.length,
      exceptions: answers
        .filter(([, code]) => code !== INSUFFICIENT_PRIVILEGE)
        .map(([what]) => ({ resource: what, why: 'the role of the process may run a forbidden statement' })),
      observed: { answers: Object.fromEntries(answers) },
    };
  },
});
