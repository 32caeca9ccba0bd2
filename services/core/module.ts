import type { Config } from '#services/platform/config/load.ts';
import type { Wing } from '#services/platform/config/wings.ts';
import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { Job } from '#services/platform/define/job.ts';
import type { Permission } from '#services/platform/define/permissions.ts';
import type { Question } from '#services/platform/define/question.ts';
import type { Section } from '#services/platform/define/setting.ts';
import type { ClientRefusals } from './access/refusals/contract.ts';
import type { AlertRule } from './audit/read/alert-rule.ts';
import type { OwnScope } from './authority/own-scopes.ts';
import type { ModuleCheck } from './health/doctor-check.ts';
import type { HasGaps } from './health/production-gaps.ts';
import type { RowLetters } from './health/row-dead-letters.ts';
import type { Grant } from './oauth/backchannel.ts';
import type { Caller, Ports } from './ports.ts';
import type { Processor } from './processor.ts';
import type { Approval, SignedAct } from './shared/approval.ts';
import type { Finder } from './shared/finder.store.ts';
import type { Operation } from './shared/operation.ts';
import type { Purge } from './shared/purge.ts';
import type { TaskAdvance, TaskKind } from './shared/task-kind.ts';
import type { Tool } from './shared/tool.ts';

/** Expired rows, and the job that removes them. */
type Purged = { readonly by: Job; readonly purges: readonly Purge[] };

/** What a process shows of a module while it runs; called with its start. */
type Watch<P = never> = (ports: P) => { close(): unknown } | undefined;

/** Reads the clients of a user, each with its name, why its requests were refused, and its limits. */
type OwnedClients = (ports: Pick<Ports, 'sql'>, user: Caller) => Promise<readonly OwnedClient[]>;
export type OwnedClient = ClientRefusals & {
  readonly name: string;
  /** What it may start in a day, and has started: a number of acts, or an amount in a currency. */
  readonly limits: readonly {
    readonly act: string;
    readonly currency: string | null;
    readonly most: number;
    readonly used: number;
  }[];
};

/** The process that a watch shows: one of several of its kind. */
export type HasCopy = { readonly copy: { readonly kind: 'api' | 'worker'; readonly config: Config } };

/** A module of the domain, as one value: what the product enumerates of it. */
export type Module = HasGaps & {
  /** Its folder. */
  readonly name: string;
  /** What it does: pages that name every module show it. Words in _italics_ are in the glossary, specifications in their list. */
  readonly sentence: string;
  /** The wing that it is part of, if an installation can leave it out. */
  readonly wing: Wing | undefined;
  /** Tables that it owns: their columns change here. Reads and writes of other modules have a reason (`tools/checks/foreign-sql.json`). */
  readonly tables: readonly string[];
  readonly permissions: readonly Permission[];
  /** Scopes by which a user lets an application read what it keeps of the account, at the MCP server. */
  readonly ownScopes: readonly OwnScope[];
  readonly events: readonly AuditEvent[];
  /** What its events do to the alerts that people get. */
  readonly alerts: readonly AlertRule[];
  readonly jobs: readonly Job[];
  readonly purged: readonly Purged[];
  /** Its sections of the configuration. */
  readonly settings: Readonly<Record<string, Section>>;
  /** Loads the lists of its operations, which only faces need. */
  readonly operations: () => Promise<readonly Operation[]>;
  /** Loads how its things are found and named, for people who know a part of them. */
  readonly finders: () => Promise<readonly Finder[]>;
  /** Loads how it reads the clients that users own. */
  readonly ownedClients: () => Promise<readonly OwnedClients[]>;
  /** Loads its jobs with their use-cases, which only workers run. The jobs of `purged` need none. */
  readonly processors: () => Promise<readonly Processor[]>;
  /** Loads its rows that jobs gave up: faces show them among the dead letters of the queues. */
  readonly deadLetters: () => Promise<readonly RowLetters[]>;
  /** Loads how it reads the share of compliance controls that pass. */
  readonly score?: () => Promise<(ports: Pick<Ports, 'sql'>) => Promise<number | null>>;
  /** Loads how it reads whether people have approved an act, which only the API asks. */
  readonly approval?: () => Promise<
    (ports: Pick<Ports, 'sql' | 'transact'>, asked: SignedAct, caller: Caller) => Promise<Approval>
  >;
  /** Loads what `sallyport doctor` checks of it. */
  readonly checks: () => Promise<readonly ModuleCheck[]>;
  /** Work that waits in rows: `sallyport doctor` warns of it where the wing is left out. */
  readonly leftWork: readonly { readonly question: Question; readonly what: string }[];
  /** Loads what a worker shows of it. */
  readonly watches: () => Promise<readonly Watch[]>;
  /** Loads what each copy of the API and each worker shows of itself. */
  readonly copyWatches: () => Promise<readonly Watch[]>;
  /** Loads its tools, which only the MCP server offers. */
  readonly tools: () => Promise<readonly Tool[]>;
  /** Loads the grants that it adds to the token endpoint. */
  readonly grants: () => Promise<readonly Grant[]>;
  /** Loads its kinds of tasks, which only the MCP server begins. */
  readonly tasks: () => Promise<readonly TaskKind[]>;
  /** Loads how tasks of these kinds are advanced, which only workers do: with other rights in the database, so by other files. */
  readonly taskAdvances: () => Promise<readonly TaskAdvance[]>;
  /** Loads the file that defines its metrics. */
  readonly metrics?: () => Promise<unknown>;
};

const none = async (): Promise<readonly never[]> => [];
const NOTHING = {
  wing: undefined,
  tables: [],
  permissions: [],
  ownScopes: [],
  events: [],
  alerts: [],
  jobs: [],
  purged: [],
  settings: {},
  operations: none,
  finders: none,
  ownedClients: none,
  processors: none,
  deadLetters: none,
  checks: none,
  leftWork: [],
  watches: none,
  copyWatches: none,
  tools: none,
  tasks: none,
  taskAdvances: none,
  grants: none,
};

/** Declares a module; what it does not name it has none of. */
export const defineModule = <M extends Pick<Module, 'name' | 'sentence'> & Partial<Module>>(
  module: M,
): Omit<typeof NOTHING, keyof M> & M => ({ ...NOTHING, ...module });
