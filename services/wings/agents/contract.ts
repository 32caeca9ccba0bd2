import { z } from 'zod';
import {
  bodyReason,
  jwks,
  manages,
  pageQuery,
  reads,
  reason,
  scopes,
  text,
} from '#services/core/access/admin-shapes.ts';
import { clientExists, clientKeysInvalid, clientSettingsConflict } from '#services/core/access/errors.ts';
import { clientRefusals } from '#services/core/access/refusals/contract.ts';
import { rightsExceeded } from '#services/core/authority/errors.ts';
import { userUnknown } from '#services/core/tokens/errors.ts';
import { componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { AGENT_METHODS, AGENT_STATUSES, CAPABILITIES_MAX, LIMIT_SETTERS } from './agent-shapes.ts';
import { agentExceedsOwner, agentUnknown } from './errors.ts';
import { agentsManage, agentsRead } from './permissions.ts';

const defineEndpoint = endpointsOf('Agents');
const instant = z.iso.datetime();
const agentId = z
  .string()
  .max(255)
  .regex(/^[\w-]+$/);
const ownerId = agentId;
const ofAgent = z.strictObject({ agent_id: agentId });
/** What the agent can do, in its own words; no permission follows from it. */
const capabilities = z.array(z.string().regex(/^[a-z0-9][\w.:-]{0,63}$/)).max(CAPABILITIES_MAX);

const agentView = z
  .object({
    /** Also the `client_id` of its tokens. */
    agent_id: z.string(),
    name: z.string(),
    owner_id: z.string(),
    status: z.enum(AGENT_STATUSES),
    auth_method: z.string(),
    /** Scopes of the tokens that it may get in exchange for tokens of its owner. */
    scopes: z.array(z.string()),
    /** Scopes of its own tokens. */
    credential_scopes: z.array(z.string()),
    audiences: z.array(z.string()),
    dpop_bound_access_tokens: z.boolean(),
    capabilities: z.array(z.string()),
    heartbeat_seconds: z.int(),
    last_seen_at: instant.nullable(),
    created_at: instant,
    expires_at: instant,
    killed_at: instant.nullable(),
  })
  .register(componentNames, { id: 'Agent' });
export type AgentView = z.output<typeof agentView>;

/** An act such as `payments.send`, the beginning of acts (`payments.*`), or `*` for every act. */
const limitedAct = z
  .string()
  .max(128)
  .regex(/^([a-z][a-z0-9_.:-]*\*?|\*)$/);
/** JSON pointer (RFC 6901) into the arguments of the act. */
const pointer = z
  .string()
  .max(256)
  .regex(/^(\/[A-Za-z0-9_][\w.-]*)+$/);
/** By currency, in the unit of the arguments. An act in another currency does not start. */
const amounts = z.record(z.string().regex(/^[A-Z][A-Z0-9]{2,11}$/), z.number().min(0).max(Number.MAX_SAFE_INTEGER));

const agentLimit = z
  .object({
    act: limitedAct,
    set_by: z.enum(LIMIT_SETTERS),
    acts_a_day: z.int().nullable(),
    amounts_a_day: amounts.nullable(),
    amount_at: z.string().nullable(),
    currency_at: z.string().nullable(),
    /** What the agent has started since the day (UTC) began. */
    acts_today: z.int(),
    amounts_today: z.record(z.string(), z.number()),
    /** When the next day begins. */
    resets_at: instant,
  })
  .register(componentNames, { id: 'AgentLimit' });
export type AgentLimit = z.output<typeof agentLimit>;
const agentLimits = z.object({ limits: z.array(agentLimit) });
export type AgentLimits = z.output<typeof agentLimits>;

const limitChange = z.strictObject({
  act: limitedAct,
  /** How many such acts the agent may start in a day; null sets no limit of their number. */
  acts_a_day: z.int().min(0).max(1_000_000).nullable(),
  /** Without it, and with null above, the limit of the act is removed. */
  amounts_a_day: amounts.nullable().default(null),
  amount_at: pointer.default('/amount'),
  currency_at: pointer.default('/currency'),
  reason,
});
export type LimitChange = z.output<typeof limitChange>;

const registration = z.strictObject({
  name: text(128),
  owner_id: ownerId,
  /** `private_key_jwt` requires `jwks` or `jwks_uri`. */
  auth_method: z.enum(AGENT_METHODS).default('client_secret_basic'),
  jwks: jwks.optional(),
  jwks_uri: z.string().max(512).optional(),
  /** Scopes of the tokens that it may get in exchange for tokens of its owner (RFC 8693). */
  scopes: scopes.default([]),
  /** Scopes of its own tokens. Neither list names a permission that its owner lacks. */
  credential_scopes: scopes.default([]),
  audiences: z.array(text(512)).max(50).default([]),
  /** RFC 9449: its tokens are bound to a key of the agent. */
  dpop_bound_access_tokens: z.boolean().default(true),
  capabilities: capabilities.default([]),
  heartbeat_seconds: z.int().min(10).max(86_400).default(60),
  expires_in_days: z.int().min(1).max(365).default(90),
  reason,
});
export type AgentRegistration = z.output<typeof registration>;

export const registerAgentEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/agents',
  operation: 'registerAgent',
  summary: 'Register an agent for a user; only this response shows its secret',
  auth: manages(agentsManage),
  idempotency: 'answer',
  body: registration,
  responses: { 201: agentView.extend({ client_secret: z.string().nullable() }) },
  errors: [agentExceedsOwner, clientKeysInvalid, clientSettingsConflict, rightsExceeded, userUnknown, clientExists],
});

export const listAgentsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/agents',
  operation: 'listAgents',
  summary: 'List agents',
  auth: reads(agentsRead),
  query: z.strictObject({ ...pageQuery, owner: ownerId.optional(), status: z.enum(AGENT_STATUSES).optional() }),
  responses: { 200: z.object({ agents: z.array(agentView), next: z.string().nullable() }) },
});

export const readAgentEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/agents/{agent_id}',
  operation: 'readAgent',
  summary: 'Get an agent',
  auth: reads(agentsRead),
  params: ofAgent,
  responses: { 200: agentView },
  errors: [agentUnknown],
});

export const explainAgentRefusalsEndpoint = defineEndpoint({
  ...readAgentEndpoint,
  path: '/v1/admin/agents/{agent_id}/why',
  operation: 'explainAgentRefusals',
  summary: 'Explain why requests of an agent were refused in the last 7 days, and what will be refused',
  responses: { 200: clientRefusals.extend(agentLimits.shape) },
});

export const readAgentLimitsEndpoint = defineEndpoint({
  ...readAgentEndpoint,
  path: '/v1/admin/agents/{agent_id}/limits',
  operation: 'readAgentLimits',
  summary: 'List what an agent may start in a day, and what it has started today',
  responses: { 200: agentLimits },
});

export const limitAgentEndpoint = defineEndpoint({
  ...readAgentLimitsEndpoint,
  method: 'PUT',
  operation: 'limitAgent',
  summary: 'Set how many acts of a kind an agent may start in a day, and up to which amount',
  auth: manages(agentsManage),
  body: limitChange,
});

export const killAgentEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/agents/{agent_id}/kill',
  operation: 'killAgent',
  summary: 'Kill an agent for good, and revoke its tokens and those it exchanged',
  auth: manages(agentsManage),
  params: ofAgent,
  body: bodyReason,
  responses: { 200: agentView },
  errors: [agentUnknown],
});

const OWNER = { accepts: ['bearer', 'session'], for: 'person', subject: 'own' } as const;

export const listOwnAgentsEndpoint = defineEndpoint({
  ...listAgentsEndpoint,
  path: '/v1/agents',
  operation: 'listOwnAgents',
  summary: 'List the agents that act for you',
  auth: OWNER,
  query: z.strictObject(pageQuery),
});

export const killOwnAgentEndpoint = defineEndpoint({
  ...killAgentEndpoint,
  path: '/v1/agents/{agent_id}/kill',
  operation: 'killOwnAgent',
  summary: 'Kill an agent that acts for you, and revoke its tokens and those it exchanged',
  auth: OWNER,
  errors: [agentUnknown],
});

export const explainOwnAgentRefusalsEndpoint = defineEndpoint({
  ...explainAgentRefusalsEndpoint,
  path: '/v1/agents/{agent_id}/why',
  operation: 'explainOwnAgentRefusals',
  summary: 'Explain why requests of an agent that acts for you were refused in the last 7 days',
  auth: OWNER,
});

export const readOwnAgentLimitsEndpoint = defineEndpoint({
  ...readAgentLimitsEndpoint,
  path: '/v1/agents/{agent_id}/limits',
  operation: 'readOwnAgentLimits',
  summary: 'List what an agent that acts for you may start in a day, and what it has started today',
  auth: OWNER,
});

export const limitOwnAgentEndpoint = defineEndpoint({
  ...limitAgentEndpoint,
  path: '/v1/agents/{agent_id}/limits',
  operation: 'limitOwnAgent',
  summary: 'Set how many acts of a kind an agent that acts for you may start in a day, and up to which amount',
  auth: { ...OWNER, stepUp: true },
});

export const recordHeartbeatEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/agents/heartbeat',
  operation: 'recordHeartbeat',
  summary: 'Report that the calling agent runs, and what it can do',
  auth: { accepts: ['bearer', 'client'], for: 'agent', subject: 'own' },
  body: z.strictObject({ capabilities: capabilities.optional() }),
  responses: { 200: agentView },
  errors: [storeUnavailable, agentUnknown],
});
