import { type Check, pass, warn } from '#services/core/health/doctor-check.ts';
import { modules } from '#services/modules.ts';
import { WINGS } from '#services/platform/config/wings.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { withDatabase } from '../database-ports.ts';

const works = modules.flatMap(({ wing, leftWork }) => leftWork.map((work) => ({ wing, ...work })));
/** $1: the wings that are left out; nothing is asked of the others. */
const leftWork = defineStatement('doctorLeftWork')`
  SELECT ARRAY[${works.map(({ wing, question }) => `CASE WHEN '${wing}' = ANY ($1::text[]) THEN (${question.sql}) ELSE false END`).join(', ')}] AS is_left`;

/** Names the wings that this installation leaves out, and what they still have to do. */
export const wingsCheck: Check = {
  name: 'wings',
  needs: 'databaseUrl',
  run: async (settings) => {
    const { leftOut } = (await settings()).wings;
    if (leftOut.length === 0) return pass(`all: ${WINGS.join(', ')}`);
    const [row] = await withDatabase(({ sql }) => sql.query<{ is_left: boolean[] }>(leftWork, [leftOut]));
    const left = works.filter((_, n) => row?.is_left[n]);
    const evidence = [`left out: ${leftOut.join(', ')}`, ...left.map(({ what }) => what)].join('; ');
    return left.length === 0 ? pass(evidence) : warn(evidence, 'do not leave them out');
  },
};
