import type { z } from 'zod';
import type { Caller, Ports } from '../ports.ts';

export type TaskState = 'working' | 'input_required' | 'completed' | 'cancelled';

export type TaskOwner = { readonly kind: 'user' | 'client'; readonly id: string; readonly clientId: string };

export type TaskRow = {
  readonly id: string;
  readonly kind: string;
  readonly caller_kind: TaskOwner['kind'];
  readonly caller_id: string;
  readonly client_id: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly state: TaskState;
  readonly subject_id: string;
  readonly message: string;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly is_error: boolean;
  readonly created_at: string;
  readonly updated_at: string;
  readonly next_look_at: string;
};

export type TaskChange = {
  readonly state: TaskState;
  readonly message: string;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly isError?: boolean;
  /** When to check again; not for a task that ended. */
  readonly afterSeconds?: number;
  /** Checked again at this time, RFC 3339, or as soon as what the task waits for changes. */
  readonly at?: string;
};

/** @param percent from 0 to 100 */
export type TaskProgress = { readonly percent: number; readonly message: string };

/** A kind of long work, for those that ask for it: how it begins, how far it is, and how it is cancelled. */
export type TaskKind<BeginPorts = never> = {
  readonly name: string;
  /** The permission, and scope, that beginning it needs. */
  readonly permission: string;
  /** The tool that begins it: what it takes, and the result of the task. */
  readonly tool: {
    readonly name: string;
    readonly title: string;
    readonly description: string;
    readonly input: z.ZodObject;
    readonly output: z.ZodObject;
  };
  /** Begins the work. Its subject is the row that the task waits for. */
  readonly begin: (
    ports: BeginPorts,
    input: Readonly<Record<string, unknown>>,
    caller: Caller,
  ) => Promise<{ readonly subjectId: string; readonly state: TaskState; readonly message: string }>;
  /** How far it is now, for a client that follows it. */
  readonly look: (ports: Pick<Ports, 'sql'>, task: TaskRow) => Promise<TaskProgress> | TaskProgress;
  /** Cancels it. False if that is no longer possible: then the next check finds how it ended. */
  readonly cancel: (ports: BeginPorts, task: TaskRow, caller: Caller) => Promise<boolean>;
};

/** Why the act of a task must not run for its caller any more, as an error code; null if it may. */
export type WhyNot = (permission: string) => Promise<string | null>;

export type TaskAdvance<AdvancePorts = never> = {
  /** That of the kind. */
  readonly name: string;
  /**
   * The state of a task now. A worker asks for it until the task has ended, also after a restart, so it must be safe to
   * repeat. The caller is the one that began the task, without permissions.
   */
  readonly advance: (ports: AdvancePorts, task: TaskRow, caller: Caller, whyNot: WhyNot) => Promise<TaskChange>;
};
