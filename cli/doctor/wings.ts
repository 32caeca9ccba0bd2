import { type Check, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { WINGS, type Wing } from '#services/platform/config/wings.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { withDatabase } from '../database-ports.ts';

/** What a wing still has to do. By the primary keys: an installation that leaves a wing out has few of its rows. */
const leftWork = defineStatement(
  'doctorLeftWork',
  `SELECT EXISTS (SELECT FROM agents WHERE killed_at IS NULL) AS agents,
     EXISTS (SELECT FROM phi_data_keys WHERE shredded_at IS NULL) AS privacy,
     EXISTS (SELECT FROM signoffs WHERE state IN ('pending', 'approved')) AS signoff`,
);

type LeftWork = Partial<Readonly<Record<Wing, boolean>>>;

const WORK: Partial<Readonly<Record<Wing, string>>> = {
  agents: 'agents live, and the API cannot kill them',
  privacy: 'health data is stored, and no export, deletion or retention policy runs',
  signoff: 'sign-offs are open, and no person can decide them',
};

/** Names the wings that this installation leaves out, and those that still have work. */
export function wingsResult(leftOut: readonly Wing[], work: LeftWork): Result {
  if (leftOut.length === 0) return pass(`all: ${WINGS.join(', ')}`);
  const evidence = `left out: ${leftOut.join(', ')}`;
  const busy = leftOut.flatMap((wing) => (work[wing] === true && WORK[wing] !== undefined ? [WORK[wing]] : []));
  return busy.length === 0 ? pass(evidence) : warn(`${evidence}; ${busy.join('; ')}`, 'do not leave them out');
}

export const wingsCheck: Check = {
  name: 'wings',
  needs: 'databaseUrl',
  run: async (settings) => {
    const { leftOut } = (await settings()).wings;
    const [work = {}] = leftOut.length === 0 ? [] : await withDatabase(({ sql }) => sql.query<LeftWork>(leftWork));
    return wingsResult(leftOut, work);
  },
};
