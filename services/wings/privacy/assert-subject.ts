import type { Sql } from '#services/core/ports.ts';
import { phiSubjectUnknown } from './errors.ts';
import { isSubjectKnown } from './phi-keys.store.ts';

/** Throws `phi_subject_unknown` (404) for a subject that is no user and never had an encrypted value:
 * probably a mistyped id. */
export async function assertSubject(sql: Sql, subjectId: string): Promise<void> {
  if (!(await isSubjectKnown(sql, subjectId))) throw phiSubjectUnknown();
}
