import type { Caller, Ports } from '#services/core/ports.ts';
import { rollbackIncompatible } from '../errors.ts';
import { maintainVersionHistory } from './maintain-version-history.ts';
import type { NewRelease } from './releases.store.ts';
import {
  type RollbackCompatibility,
  type RollbackQuestion,
  refused,
  validateRollbackCompatibility,
} from './validate-rollback-compatibility.ts';

/** The schema of the database while nothing else migrates it. */
type Schema = {
  /** Names of the migrations that it holds, in order. */
  applied(): Promise<string[]>;
  /** Why rows do not allow to go back behind these, one sentence each. */
  holds(names: readonly string[]): Promise<readonly string[]>;
};

type RevertibleSchema = Schema & {
  /** Works in one transaction, perhaps more than once; a row that `holds` looks for cannot come between. */
  whole<T>(work: () => Promise<T>): Promise<T>;
  /** Takes one back in that transaction. */
  revert(name: string): Promise<void>;
};

type RollbackInput = Omit<RollbackQuestion, 'applied'>;

export type RollbackResult = {
  readonly version: string;
  readonly reverted: readonly string[];
  readonly kept: readonly string[];
};

/** A rollback is whole or not at all. */
export const rollbackRefused = (reason: string): Error =>
  rollbackIncompatible({ detail: `${reason}; nothing has changed` });

/** Whether and how this database goes back now: what a dry run says, and what `executeRollback` does. */
export async function planRollback(schema: Schema, input: RollbackInput): Promise<RollbackCompatibility> {
  const plan = validateRollbackCompatibility({ ...input, applied: await schema.applied() });
  const holds = await schema.holds([...plan.reverts, ...plan.keeps]);
  return holds.length === 0 ? plan : refused(holds.join('; '));
}

/**
 * Takes back the migrations that an older version cannot run with, in one transaction, and records the rollback. No
 * session, family or key is touched, so tokens issued before stay valid.
 *
 * @throws rollbackIncompatible (409) with the reason; then nothing has changed
 */
export async function executeRollback(
  { schema, ...ports }: Pick<Ports, 'transact'> & { readonly schema: RevertibleSchema },
  input: RollbackInput & Pick<NewRelease, 'started_by'>,
  caller: Caller,
): Promise<RollbackResult> {
  const { reverts, keeps } = await schema.whole(async () => {
    const plan = await planRollback(schema, input);
    if (!plan.compatible) throw rollbackRefused(plan.reason);
    for (const name of plan.reverts) await schema.revert(name);
    return plan;
  });
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
