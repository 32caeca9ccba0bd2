import type { Wing } from '#services/platform/config/wings.ts';
import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { Job } from '#services/platform/define/job.ts';
import type { Permission } from '#services/platform/define/permissions.ts';
import type { Section } from '#services/platform/define/setting.ts';
import type { AlertRule } from './audit/read/alert-rule.ts';
import type { HasGaps } from './health/production-gaps.ts';
import type { RowLetters } from './health/row-dead-letters.ts';
import type { Operation } from './shared/operation.ts';
import type { Purge } from './shared/purge.ts';
import type { TaskAdvance, TaskKind } from './shared/task-kind.ts';

/** Expired rows, and the job that removes them. */
type Purged = {
  readonly by: Job;
  readonly purges: readonly Purge[];
};

/** A module of the domain, as one value: what the product enumerates of it. */
export type Module<
  Kinds extends TaskKind = TaskKind,
  Advances extends TaskAdvance = TaskAdvance,
  Operations extends Operation = Operation,
> = HasGaps & {
  /** Its folder. */
  readonly name: string;
  /** What it does: pages that name every module show it. Words in _italics_ are in the glossary, specifications in their list. */
  readonly sentence: string;
  /** The wing that it is part of, if an installation can leave it out. */
  readonly wing?: Wing;
  /** Tables that it owns: their columns change here. Reads and writes of other modules have a reason (`tools/checks/foreign-sql.ts`). */
  readonly tables: readonly string[];
  readonly permissions: readonly Permission[];
  readonly events: readonly AuditEvent[];
  /** What its events do to the alerts that people get. */
  readonly alerts: readonly AlertRule[];
  readonly jobs: readonly Job[];
  readonly purged: readonly Purged[];
  /** Its sections of the configuration. */
  readonly settings: Readonly<Record<string, Section>>;
  /** Loads the lists of its operations, which only faces need. */
  readonly operations?: () => Promise<readonly Operations[]>;
  /** Loads its rows that jobs gave up: faces show them among the dead letters of the queues. */
  readonly deadLetters?: () => Promise<readonly RowLetters[]>;
  /** Loads its kinds of tasks, which only the MCP server begins. */
  readonly tasks?: () => Promise<readonly Kinds[]>;
  /** Loads how tasks of these kinds are advanced, which only workers do: with other rights in the database, so by other files. */
  readonly taskAdvances?: () => Promise<readonly Advances[]>;
  /** Loads the file that defines its metrics. */
  readonly metrics?: () => Promise<unknown>;
};

/** Declares a module; what it does not name it has none of. */
export const defineModule = <
  Kinds extends TaskKind = never,
  Advances extends TaskAdvance = never,
  Operations extends Operation = never,
>(
  module: Pick<Module, 'name' | 'sentence'> & Partial<Module<Kinds, Advances, Operations>>,
): Module<Kinds, Advances, Operations> => ({
  tables: [],
  permissions: [],
  events: [],
  alerts: [],
  jobs: [],
  purged: [],
  settings: {},
  ...module,
});
