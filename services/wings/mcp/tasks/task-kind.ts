import type { HasAccess } from '#services/core/access/access-directory.ts';
import { clientOrAgent } from '#services/core/access/client-caller.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { TaskChange, TaskRow, TaskState } from './tasks.store.ts';

/** @param percent from 0 to 100 */
export type TaskProgress = { readonly percent: number; readonly message: string };

/** A kind of long work, for those that ask for it: how it begins, how far it is, and how it is cancelled. */
export type TaskKind<BeginPorts> = {
  /** Begins the work. Its subject is the row that the task waits for. */
  begin(
    ports: BeginPorts,
    input: Readonly<Record<string, unknown>>,
    caller: Caller,
  ): Promise<{ readonly subjectId: string; readonly state: TaskState; readonly message: string }>;
  /** How far it is now, for a client that follows it. */
  look(ports: Pick<Ports, 'sql'>, task: TaskRow): Promise<TaskProgress> | TaskProgress;
  /** Cancels it. False if that is no longer possible: then the next check finds how it ended. */
  cancel(ports: BeginPorts, task: TaskRow, caller: Caller): Promise<boolean>;
};

/**
 * The state of a task now. A worker asks for it until the task has ended, also after a restart, so it must be safe to repeat.
 */
export type AdvanceTask<AdvancePorts> = (ports: AdvancePorts, task: TaskRow, caller: Caller) => Promise<TaskChange>;

/** The caller that began a task, for which a worker acts without permissions. */
export function ownerCaller(
  { access }: HasAccess,
  { callerKind, callerId, clientId }: TaskRow,
  { request }: Caller,
): Caller {
  const permissions: ReadonlySet<string> = new Set();
  const agent = access.client(clientId)?.agent;
  if (callerKind === 'client')
    return clientOrAgent(agent, { clientId, permissions, by: 'mcp', isVetted: true, request });
  return {
    kind: 'user',
    userId: callerId,
    sessionId: null,
    clientId,
    permissions,
    by: 'mcp',
    tokenId: null,
    familyId: null,
    authTime: 0,
    ...(agent == null ? {} : { agentId: clientId }),
    request,
  };
}
