import type { HasAccessChanged } from '#services/core/access/access-changed.ts';
import type { ClientRefusals } from '#services/core/access/refusals/contract.ts';
import { explainClientRefusals } from '#services/core/access/refusals/read-client-refusals.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { clientOf } from '#services/core/authority/callers.ts';
import { ownerAsking } from '#services/core/authority/own-account.ts';
import type { OwnedClient } from '#services/core/module.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import { type AgentStatus, LIMITS_MAX } from './agent-shapes.ts';
import {
  deleteLimitRow,
  killAgentRow,
  lockAgent,
  markSeen,
  readAgentRow,
  readAgentsPage,
  readLimitRows,
  setLimitRow,
} from './agents.store.ts';
import { agentChanged, agentLimitsChanged } from './audit-events.ts';
import type { AgentLimit, AgentLimits, AgentView, LimitChange } from './contract.ts';
import { agentUnknown } from './errors.ts';

/** Agents on the page of an owner, and refusals and limits of each; the API has all. */
const SHOWN = { agents: 8, refusals: 2, limits: 3 };

type PageInput = { readonly limit: number; readonly cursor?: string | undefined };
type ListInput = PageInput & { readonly owner?: string | undefined; readonly status?: AgentStatus | undefined };
type AgentPage = { readonly agents: AgentView[]; readonly next: string | null };

/** Lists agents by id, one page at a time. Throws `cursor_invalid` (400). */
export async function listAgents(
  { sql }: Pick<Ports, 'sql'>,
  { owner, status, limit, cursor }: ListInput,
): Promise<AgentPage> {
  const [after = ''] = placeOfCursor(cursor, [PLACE.id]) ?? [];
  const rows = await readAgentsPage(sql, { owner_id: owner, status }, after, limit + 1);
  const { items, next } = pageOf(rows, limit, ({ agent_id: agentId }) => [agentId]);
  return { agents: items, next };
}

/** Lists the agents of the calling user. Throws `cursor_invalid` (400), `permission_missing` (403). */
export const listOwnAgents = async (ports: Pick<Ports, 'sql'>, input: PageInput, caller: Caller): Promise<AgentPage> =>
  listAgents(ports, { ...input, owner: ownerAsking(caller).userId });

/** Another user's agent is answered as a missing one. */
type Named = { readonly agent_id: string; readonly owner_id?: string };

/** Throws `agent_unknown` (404). */
export async function readAgent(
  { sql }: Pick<Ports, 'sql'>,
  { agent_id: agentId, owner_id: ownerId }: Named,
): Promise<AgentView> {
  const row = await readAgentRow(sql, agentId, ownerId);
  if (row === undefined) throw agentUnknown();
  return row;
}

/** Throws `agent_unknown` (404). */
export async function readAgentLimits(ports: Pick<Ports, 'sql'>, input: Named): Promise<AgentLimits> {
  const { agent_id: agentId } = await readAgent(ports, input);
  return { limits: await readLimitRows(ports.sql, agentId) };
}

/** A limit as what is counted: acts, then amounts by currency. */
export const limitUses = (limit: AgentLimit): OwnedClient['limits'] => [
  ...(limit.acts_a_day === null
    ? []
    : [{ act: limit.act, currency: null, most: limit.acts_a_day, used: limit.acts_today }]),
  ...Object.entries(limit.amounts_a_day ?? {}).map(([currency, most]) => {
    return { act: limit.act, currency, most, used: limit.amounts_today[currency] ?? 0 };
  }),
];

const tooMany = (at: string, what: string): Error =>
  requestInvalid({ problems: [{ at: `body/${at}`, why: `is more than the ${LIMITS_MAX} ${what}` }] });

/**
 * Sets, replaces or removes the limit of one act: that of the administrator, or that of the owner, who so limits an agent
 * further and never widens it. It holds for the next start. Throws `request_invalid` (400), `agent_unknown` (404).
 */
export async function limitAgent(
  { transact }: Pick<Ports, 'transact'>,
  { agent_id: agentId, owner_id: ownerId, reason, ...limit }: Named & LimitChange,
  caller: Caller,
): Promise<AgentLimits> {
  const setBy = ownerId === undefined ? 'administrator' : 'owner';
  const { act, acts_a_day: acts, amounts_a_day: amounts } = limit;
  if (Object.keys(amounts ?? {}).length > LIMITS_MAX) throw tooMany('amounts_a_day', 'currencies of a limit');
  return transact(async (tx) => {
    if ((await lockAgent(tx, agentId, ownerId)) === undefined) throw agentUnknown();
    const others = (await readLimitRows(tx, agentId)).filter((row) => row.set_by === setBy && row.act !== act);
    if (others.length >= LIMITS_MAX) throw tooMany('act', 'acts that are limited');
    if (acts === null && amounts === null) await deleteLimitRow(tx, agentId, setBy, act);
    else await setLimitRow(tx, agentId, setBy, limit);
    await recordEvent(tx, caller, agentLimitsChanged, {
      outcome: 'ok',
      target: { kind: 'client', id: agentId },
      detail: { act, set_by: setBy, acts_a_day: acts, has_amounts: amounts !== null, reason },
    });
    return { limits: await readLimitRows(tx, agentId) };
  });
}

/** What was refused, and the limits by which starts are refused until the next day. Throws `agent_unknown` (404). */
export async function explainAgentRefusals(
  ports: Pick<Ports, 'sql'>,
  input: Named,
): Promise<ClientRefusals & AgentLimits> {
  const limits = await readAgentLimits(ports, input);
  return { ...(await explainClientRefusals(ports, { client_id: input.agent_id })), ...limits };
}

/** The same for the owner. Throws `permission_missing` (403) too. */
const byOwner =
  <P, I, A>(act: (ports: P, input: I & Pick<Named, 'owner_id'>, caller: Caller) => Promise<A>) =>
  async (ports: P, input: I, caller: Caller): Promise<A> =>
    act(ports, { ...input, owner_id: ownerAsking(caller).userId }, caller);

export const explainOwnAgentRefusals = byOwner(explainAgentRefusals);
export const readOwnAgentLimits = byOwner(readAgentLimits);
export const limitOwnAgent = byOwner(limitAgent);

const shareOf = ({ used, most }: OwnedClient['limits'][number]): number => (used + 1) / (most + 1);

/** The caller's agents, each with what will be refused, its most frequent refusals, and the limits it is nearest to. */
export async function readOwnedClients(ports: Pick<Ports, 'sql'>, caller: Caller): Promise<readonly OwnedClient[]> {
  const { agents } = await listOwnAgents(ports, { limit: SHOWN.agents }, caller);
  const owned: OwnedClient[] = [];
  // One after another: a request holds one connection.
  for (const { agent_id, name } of agents.filter(({ killed_at: at }) => at === null)) {
    const { refusals, limits } = await explainOwnAgentRefusals(ports, { agent_id }, caller);
    const nearest = limits.flatMap(limitUses).sort((one, other) => shareOf(other) - shareOf(one));
    const later = refusals.filter(({ refused_from: from }) => from !== null);
    const shown = [...new Set([...later, ...refusals])].slice(0, SHOWN.refusals);
    owned.push({ name, refusals: shown, limits: nearest.slice(0, SHOWN.limits) });
  }
  return owned;
}

type Kill = Named & { readonly reason: string };

/**
 * Kills an agent for good: its credentials are refused, and its client's token epoch rises, so every token of it and
 * every token exchanged by it is refused at once here and within a second at the other copies and verifiers.
 * A repetition changes nothing and gets the same answer. Throws `agent_unknown` (404).
 */
export function killAgent(
  ports: Pick<Ports, 'transact'> & HasAccessChanged,
  { agent_id: agentId, reason, owner_id: ownerId }: Kill,
  caller: Caller,
): Promise<AgentView> {
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason, 'client_disabled');
    const found = await lockAgent(tx, agentId, ownerId);
    if (found === undefined) throw agentUnknown();
    tx.afterCommit(ports.accessChanged);
    if (!found.is_killed) await killAgentRow(tx, agentId);
    return (await readAgentRow(tx, agentId)) as AgentView;
  });
}

export const killOwnAgent = byOwner(killAgent);

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
    const row = (await readAgentRow(tx, agentId)) as AgentView;
    if (seen.is_changed)
      await recordEvent(tx, caller, agentChanged, {
        outcome: 'ok',
        target: { kind: 'client', id: agentId },
        detail: { capabilities: row.capabilities.length },
      });
    return row;
  });
}
