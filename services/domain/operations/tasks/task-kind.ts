import type { Caller } from '../../ports.ts';
import type { TaskChange, TaskRow, TaskState } from './tasks.store.ts';

/** A kind of long work: how it begins, what it waits for, and how it is cancelled. */
export type TaskKind<BeginPorts, AdvancePorts> = {
  /** Begins the work. Its subject is the row that the task waits for. */
  begin(
    ports: BeginPorts,
    input: Readonly<Record<string, unknown>>,
    caller: Caller,
  ): Promise<{ readonly subjectId: string; readonly state: TaskState; readonly message: string }>;
  /** Its state now. Called until it has ended, also after a restart, so it must be safe to repeat. */
  advance(ports: AdvancePorts, task: TaskRow, caller: Caller): Promise<TaskChange>;
  /** Cancels it. False if that is no longer possible: then the next check finds how it ended. */
  cancel(ports: BeginPorts, task: TaskRow, caller: Caller): Promise<boolean>;
};

/** The caller that began a task, for which a worker acts without permissions. */
export function ownerCaller({ callerKind, callerId, clientId }: TaskRow, { request }: Caller): Caller {
  const permissions: ReadonlySet<string> = new Set();
  if (callerKind === 'client') return { kind: 'client', clientId, permissions, by: 'bearer', isVetted: true, request };
  return {
    kind: 'user',
    userId: callerId,
    sessionId: null,
    clientId,
    permissions,
    by: 'bearer',
    tokenId: null,
    familyId: null,
    authTime: 0,
    request,
  };
}
