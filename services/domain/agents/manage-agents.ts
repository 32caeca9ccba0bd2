import type { HasAccessChanged } from '../access/access-changed.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import { recordEvent } from '../audit/record-event.ts';
import { clientOf } from '../authority/callers.ts';
import { ownerAsking } from '../authority/own-account.ts';
import type { Caller, Ports } from '../ports.ts';
import { type Page, PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import { agentViewOf } from './agent-view.ts';
import {
  type AgentFilter,
  type AgentRow,
  killAgentRow,
  lockAgent,
  markSeen,
  readAgentRow,
  readAgentsPage,
} from './agents.store.ts';
import { agentChanged } from './audit-events.ts';
import type { AgentView } from './contract.ts';
import { agentUnknown } from './errors.ts';

type PageInput = { readonly limit: number; readonly cursor?: string | undefined };

/** Lists agents by id, one page at a time. Throws `cursor_invalid` (400). */
export async function listAgents(
  { sql }: Pick<Ports, 'sql'>,
  input: AgentFilter & PageInput,
): Promise<Page<AgentView>> {
  const [after = ''] = placeOfCursor(input.cursor, [PLACE.id]) ?? [];
  const rows = await readAgentsPage(sql, input, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ agentId }) => [agentId]);
  return { items: items.map(agentViewOf), next };
}

/** Lists the agents of the calling user. Throws `cursor_invalid` (400), `permission_missing` (403). */
export const listOwnAgents = async (
  ports: Pick<Ports, 'sql'>,
  input: PageInput,
  caller: Caller,
): Promise<Page<AgentView>> => listAgents(ports, { ...input, ownerId: ownerAsking(caller).userId });

/** Throws `agent_unknown` (404). */
export async function readAgent({ sql }: Pick<Ports, 'sql'>, agentId: string): Promise<AgentView> {
  const row = await readAgentRow(sql, agentId);
  if (row === undefined) throw agentUnknown();
  return agentViewOf(row);
}

type Kill = { readonly agentId: string; readonly reason: string };

/**
 * Kills an agent for good: its credentials are refused, and its client's token epoch rises, so every token of it and
 * every token exchanged by it is refused at once here and within a second at the other copies and verifiers.
 * A repetition changes nothing and gets the same answer. Throws `agent_unknown` (404).
 */
export function killAgent(
  ports: Pick<Ports, 'transact'> & HasAccessChanged,
  { agentId, reason, ownerId }: Kill & { readonly ownerId?: string },
  caller: Caller,
): Promise<AgentView> {
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason, 'client_disabled');
    // Another user's agent is answered as a missing one.
    const found = await lockAgent(tx, agentId, ownerId);
    if (found === undefined) throw agentUnknown();
    tx.afterCommit(ports.accessChanged);
    if (!found.isKilled) await killAgentRow(tx, agentId);
    return agentViewOf((await readAgentRow(tx, agentId)) as AgentRow);
  });
}

/** The same by the owner. Throws `permission_missing` (403) too. */
export const killOwnAgent = async (
  ports: Pick<Ports, 'transact'> & HasAccessChanged,
  input: Kill,
  caller: Caller,
): Promise<AgentView> => killAgent(ports, { ...input, ownerId: ownerAsking(caller).userId }, caller);

/**
 * Records that the calling agent runs. It calls with its own credentials or token, not with a delegated one.
 * Throws `agent_unknown` (404).
 */
export function recordHeartbeat(
  { transact }: Pick<Ports, 'transact'>,
  { capabilities }: { readonly capabilities?: readonly string[] | undefined },
  caller: Caller,
): Promise<AgentView> {
  return transact(async (tx) => {
    const agentId = clientOf(caller)?.clientId ?? '';
    const seen = await markSeen(tx, agentId, capabilities && [...new Set(capabilities)].sort());
    if (seen === undefined) throw agentUnknown();
    const row = (await readAgentRow(tx, agentId)) as AgentRow;
    if (seen.isChanged)
      await recordEvent(tx, caller, agentChanged, {
        outcome: 'ok',
        target: { kind: 'client', id: agentId },
        detail: { capabilities: row.capabilities.length },
      });
    return agentViewOf(row);
  });
}
