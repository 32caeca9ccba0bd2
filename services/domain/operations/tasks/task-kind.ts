import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { Caller } from '../../ports.ts';
import type { TaskChange, TaskRow, TaskState } from './tasks.store.ts';

/** A kind of long work: how it begins, what it is waiting for, and how it is given up. */
export type TaskKind<BeginPorts, AdvancePorts> = {
  /** Begins the work. Its subject is the row that the task waits for. */
  begin(
    ports: BeginPorts,
    input: Readonly<Record<string, unknown>>,
    caller: Caller,
  ): Promise<{ readonly subjectId: string; readonly state: TaskState; readonly message: string }>;
  /** What became of it. Called again and again until it ended, also after a restart, so it must be safe to repeat. */
  advance(ports: AdvancePorts, task: TaskRow, caller: Caller): Promise<TaskChange>;
  /** Gives it up. False if that is no longer possible: then the next look finds how it ended. */
  cancel(ports: BeginPorts, task: TaskRow, caller: Caller): Promise<boolean>;
};

/** The permission of the endpoint that does the same. */
export function permissionOf({ auth }: Pick<Endpoint, 'auth'>): string {
  if (auth === 'public' || auth.permission === undefined) throw new Error('the endpoint requires no permission');
  return auth.permission;
}

/** The caller that began a task, as a worker acts for it: with no permission of its own. */
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
