// For tests only: a sealed log to which happens what must not: it is tampered with, restored and continued.
import { sealEvents } from '../../../domain/audit/seal/seal-events.ts';
import { testCaller } from '../ports.ts';
import { runPastTriggers } from '../rows.ts';
import { type OwnLogWorld, openLogWorld } from './log-world.ts';

export type SealingWorld = OwnLogWorld & {
  seal(): ReturnType<typeof sealEvents>;
  /** Past every trigger. */
  asSuperuser(...statements: string[]): Promise<void>;
  /** The tables of the log as they are now; `restore` is a backup put back. */
  backup(): Promise<{ restore(): Promise<void> }>;
};

const TABLES = ['audit_log', 'audit_events', 'audit_personal', 'audit_tiles', 'audit_checkpoints', 'audit_outbox'];

/** A database of its own with a log that has begun: one for each test. `end` forgets both. */
export async function openSealingWorld(): Promise<SealingWorld> {
  const world = await openLogWorld();
  const seal = () => sealEvents(world, {}, testCaller);
  await seal();
  const asSuperuser = (...statements: string[]): Promise<void> => runPastTriggers(world.databaseUrl, ...statements);
  return {
    ...world,
    seal,
    asSuperuser,
    async backup() {
      await asSuperuser(...TABLES.map((table) => `CREATE TABLE kept_${table} AS TABLE ${table}`));
      return {
        restore: () =>
          asSuperuser(
            ...TABLES.flatMap((table) => [
              `DELETE FROM ${table}`,
              `INSERT INTO ${table} ${table === 'audit_outbox' ? 'OVERRIDING SYSTEM VALUE' : ''} TABLE kept_${table}`,
            ]),
          ),
      };
    },
  };
}
