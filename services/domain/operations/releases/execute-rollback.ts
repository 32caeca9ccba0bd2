import type { Caller, Ports } from '../../ports.ts';
import { rollbackIncompatible } from '../errors.ts';
import { maintainVersionHistory } from './maintain-version-history.ts';
import type { NewRelease } from './releases.store.ts';
import {
  type RollbackCompatibility,
  type RollbackQuestion,
  validateRollbackCompatibility,
} from './validate-rollback-compatibility.ts';

/** The schema of the database while nothing else migrates it. */
export type LockedSchema = {
  /** Names of the migrations that it holds, in order. */
  applied(): Promise<string[]>;
  /** Takes one back, in one transaction. */
  revert(name: string): Promise<void>;
};

type RollbackPorts = Pick<Ports, 'transact'> & { readonly schema: LockedSchema };

type RollbackInput = Omit<RollbackQuestion, 'applied'> & Pick<NewRelease, 'started_by'>;

export type RollbackResult = {
  readonly version: string;
  readonly reverted: readonly string[];
  readonly kept: readonly string[];
};

const planOf = async (schema: LockedSchema, input: RollbackInput): Promise<RollbackCompatibility> =>
  validateRollbackCompatibility({ ...input, applied: await schema.applied() });

/** Postgres' class of a down that raised an exception of its own, such as for rows that would be lost. */
const RAISED = 'P0001';

/**
 * Takes back the migrations that an older version cannot run with, each in a transaction of its own, and records the
 * rollback. What was taken back before a crash stays so; the same call goes on from there. No session, family or key is
 * touched, so tokens issued before stay valid.
 *
 * @throws rollbackIncompatible (409) with the reason, before anything is changed or when a migration refuses to go back
 */
export async function executeRollback(
  { schema, ...ports }: RollbackPorts,
  input: RollbackInput,
  caller: Caller,
): Promise<RollbackResult> {
  const { compatible, reason, reverts, keeps } = await planOf(schema, input);
  if (!compatible) throw rollbackIncompatible({ detail: reason });
  for (const name of reverts) {
    try {
      await schema.revert(name);
    } catch (err) {
      const { code, message } = err as Error & { code?: string };
      if (code === RAISED) throw rollbackIncompatible({ detail: `migration ${name}: ${message}` });
      throw err;
    }
  }
  const applied = await schema.applied();
  const row = {
    kind: 'rollback',
    version: input.version,
    build: null,
    schema_version: applied.at(-1) ?? 'none',
    started_by: input.started_by,
  } as const;
  await maintainVersionHistory(ports, row, caller, { reverted: reverts, kept: keeps });
  return { version: input.version, reverted: reverts, kept: keeps };
}
