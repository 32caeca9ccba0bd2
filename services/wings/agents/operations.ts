import { refusalLines } from '#services/core/access/refusals/operations.ts';
import { operation } from '#services/core/shared/operation.ts';
import {
  type AgentLimit,
  type AgentLimits,
  type AgentView,
  explainAgentRefusalsEndpoint,
  explainOwnAgentRefusalsEndpoint,
  killAgentEndpoint,
  killOwnAgentEndpoint,
  limitAgentEndpoint,
  limitOwnAgentEndpoint,
  listAgentsEndpoint,
  listOwnAgentsEndpoint,
  readAgentEndpoint,
  readAgentLimitsEndpoint,
  readOwnAgentLimitsEndpoint,
  recordHeartbeatEndpoint,
  registerAgentEndpoint,
} from './contract.ts';
import {
  explainAgentRefusals,
  explainOwnAgentRefusals,
  killAgent,
  killOwnAgent,
  limitAgent,
  limitOwnAgent,
  limitUses,
  listAgents,
  listOwnAgents,
  readAgent,
  readAgentLimits,
  readOwnAgentLimits,
  recordHeartbeat,
} from './manage-agents.ts';
import { type RegisteredAgent, registerAgent } from './register-agent.ts';

const line = (agent: AgentView): string =>
  [
    agent.agent_id,
    agent.status.padEnd(8),
    `owner ${agent.owner_id}`,
    `seen ${agent.last_seen_at ?? 'never'}`,
    agent.name,
  ].join('  ');

const lines = (agent: AgentView): string[] => [
  line(agent),
  `scopes ${agent.scopes.join(' ') || 'none'}  client credentials ${agent.credential_scopes.join(' ') || 'none'}`,
  `authenticates by ${agent.auth_method}${agent.dpop_bound_access_tokens ? ', tokens bound to its key' : ''}`,
  `capabilities ${agent.capabilities.join(' ') || 'none'}  expires ${agent.expires_at}`,
  ...(agent.killed_at === null ? [] : [`killed ${agent.killed_at}`]),
];

const registered = (agent: RegisteredAgent): string[] => [
  ...lines(agent),
  ...(agent.client_secret === null ? [] : [`secret  ${agent.client_secret}  (shown only once)`]),
];

const limitLine = (limit: AgentLimit): string => {
  const uses = limitUses(limit).map(({ currency, most, used }) => ({
    text: `${used} of ${most} ${currency ?? 'acts'}`,
    isLeft: used < most,
  }));
  return [
    limit.act,
    `${uses.map(({ text }) => text).join(', ')} today`,
    `set by ${limit.set_by}`,
    ...(uses.every(({ isLeft }) => isLeft) ? [] : [`reached until ${limit.resets_at}`]),
  ].join('  ');
};
const limitLines = ({ limits }: AgentLimits): string[] =>
  limits.length === 0 ? ['no act is limited'] : limits.map(limitLine);

/** Agents: for administrators, for their owners, and for the agents themselves. */
export const agentOperations = [
  operation(registerAgentEndpoint, registerAgent, {
    verb: 'agents register <name>',
    help: 'register an agent; the output shows its secret, which is shown only once',
    options: {
      owner_id: {
        flags: '--owner <user>',
        help: 'id or e-mail address of the user that the agent acts for; it never has more permissions',
        reads: 'user',
      },
      auth_method: { flags: '--auth-method <method>', help: 'how it authenticates', default: 'client_secret_basic' },
      jwks: { flags: '--jwks <file>', help: 'its public keys, for private_key_jwt', reads: 'jwks-file' },
      jwks_uri: { flags: '--jwks-uri <url>', help: 'where its public keys are fetched, for private_key_jwt' },
      scopes: {
        flags: '--scopes <scope...>',
        help: 'scopes of tokens that it gets in exchange for tokens of its owner',
      },
      credential_scopes: { flags: '--credential-scopes <scope...>', help: 'scopes of its own tokens' },
      audiences: {
        flags: '--audiences <audience...>',
        help: 'audiences of its tokens besides the installation itself',
        keepsCommas: true,
      },
      dpop_bound_access_tokens: { flags: '--no-dpop', help: 'issue tokens that are not bound to a key of the agent' },
      capabilities: { flags: '--capabilities <capability...>', help: 'what it can do, in its own words' },
      heartbeat_seconds: { flags: '--heartbeat <seconds>', help: 'how often it reports that it runs', default: '60' },
      expires_in_days: {
        flags: '--expires-in-days <days>',
        help: 'days after which its credentials are refused',
        default: '90',
      },
    },
    asks: ({ name, owner_id: ownerId }) => `register agent ${name} for user ${ownerId}`,
    lines: registered,
  }),
  operation(listAgentsEndpoint, listAgents, {
    verb: 'agents list',
    help: 'list agents by id',
    options: {
      owner: { flags: '--owner <user>', help: 'only agents of this user, by id or e-mail address', reads: 'user' },
      status: { flags: '--status <status>', help: 'only agents with this status' },
    },
    line,
  }),
  operation(readAgentEndpoint, readAgent, {
    verb: 'agents show <agent_id>',
    help: 'show one agent with its scopes',
    lines,
  }),
  operation(explainAgentRefusalsEndpoint, explainAgentRefusals, {
    verb: 'agents why <agent_id>',
    help: 'show which limits an agent has reached today, why its requests were refused in the last 7 days, and the fix',
    lines: (answer) => [...limitLines(answer), ...refusalLines(answer)],
  }),
  operation(readAgentLimitsEndpoint, readAgentLimits),
  operation(limitAgentEndpoint, limitAgent, {
    verb: 'agents limit <agent_id> <act>',
    help: 'set how many acts of a kind an agent may start in a day, and up to which amount',
    arguments: { act: { member: 'act', help: 'such as payments.send, payments.* or *' } },
    options: {
      acts_a_day: { flags: '--acts-a-day <number>', help: 'how many it may start', no: 'set no limit of their number' },
      amounts_a_day: {
        flags: '--amounts-a-day <amounts>',
        help: 'the most by currency, such as EUR=1000,USD=500',
        reads: 'amounts',
      },
      amount_at: { flags: '--amount-at <pointer>', help: 'where the arguments name the amount; /amount by default' },
      currency_at: { flags: '--currency-at <pointer>', help: 'where they name the currency; /currency by default' },
    },
    about: readAgent,
    asks: ({ act, acts_a_day: acts, amounts_a_day: amounts }, { name }: AgentView) =>
      acts === null && amounts === null
        ? `remove the limit of ${act} of agent ${name}`
        : `limit ${act} of agent ${name}`,
    lines: limitLines,
  }),
  operation(killAgentEndpoint, killAgent, {
    verb: 'agents kill <agent_id>',
    help: 'kill an agent for good; its tokens and those it exchanged are refused within a second',
    about: readAgent,
    asks: (_input, { name, agent_id: agentId }: AgentView) => `kill agent ${name} (${agentId})`,
    lines,
  }),
  operation(listOwnAgentsEndpoint, listOwnAgents),
  operation(explainOwnAgentRefusalsEndpoint, explainOwnAgentRefusals),
  operation(killOwnAgentEndpoint, killOwnAgent),
  operation(readOwnAgentLimitsEndpoint, readOwnAgentLimits),
  operation(limitOwnAgentEndpoint, limitOwnAgent),
  operation(recordHeartbeatEndpoint, recordHeartbeat),
];
