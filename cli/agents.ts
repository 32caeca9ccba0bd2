import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { createAccessDirectory } from '../services/domain/access/access-directory.ts';
import { AGENT_METHODS, AGENT_STATUSES, type AgentStatus } from '../services/domain/agents/agent-shapes.ts';
import { type AgentView, registerAgentEndpoint } from '../services/domain/agents/contract.ts';
import { killAgent, listAgents, readAgent } from '../services/domain/agents/manage-agents.ts';
import {
  type RegisterAgentInput,
  registerAgent,
  registrationInputOf,
} from '../services/domain/agents/register-agent.ts';
import { findUserId } from '../services/domain/identity/users/find-user-id.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  noNotices,
  onDatabase,
  pageOf,
} from './admin.ts';
import { checked, wholeNumberOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport agents');

type RegisterOptions = ActOptions & {
  readonly owner: string;
  readonly authMethod: string;
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly scopes: string[];
  readonly credentialScopes: string[];
  readonly audiences: string[];
  readonly dpop: boolean;
  readonly capabilities: string[];
  readonly heartbeat: string;
  readonly expiresInDays: string;
};

type Filters = ListOptions & { readonly owner?: string; readonly status?: AgentStatus };

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

/** @throws CommandError (2) */
function keysIn(file: string | undefined): unknown {
  if (file === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CommandError(exitCodes.usage, `${file} is not readable JSON`, 'name a file with a JWK set', { cause });
  }
}

/** Validated by the schema of the endpoint. */
function registrationOf(name: string, options: RegisterOptions): RegisterAgentInput {
  const body = checked(registerAgentEndpoint, {
    name,
    owner_id: options.owner,
    auth_method: options.authMethod,
    jwks: keysIn(options.jwks),
    jwks_uri: options.jwksUri,
    scopes: options.scopes,
    credential_scopes: options.credentialScopes,
    audiences: options.audiences,
    dpop_bound_access_tokens: options.dpop,
    capabilities: options.capabilities,
    heartbeat_seconds: wholeNumberOf('--heartbeat', options.heartbeat, 10, 86_400),
    expires_in_days: wholeNumberOf('--expires-in-days', options.expiresInDays, 1, 365),
    reason: options.reason,
  });
  return registrationInputOf(body);
}

/** `sallyport agents register|list|show|kill`, directly on the database. */
export function registerAgents(program: Command): void {
  const agents = program.command('agents');
  addReason(agents.command('register'))
    .description('register an agent; the output shows its secret, which is shown only once')
    .argument('<name>')
    .requiredOption(
      '--owner <user>',
      'id or e-mail address of the user that the agent acts for; it never has more permissions',
    )
    .addOption(
      new Option('--auth-method <method>', 'how it authenticates').choices(AGENT_METHODS).default(AGENT_METHODS[0]),
    )
    .option('--jwks <file>', 'its public keys, for private_key_jwt')
    .option('--jwks-uri <url>', 'where its public keys are fetched, for private_key_jwt')
    .option('--scopes <scope...>', 'scopes of tokens that it gets in exchange for tokens of its owner', [])
    .option('--credential-scopes <scope...>', 'scopes of its own tokens', [])
    .option('--audiences <audience...>', 'audiences of its tokens besides the installation itself', [])
    .option('--no-dpop', 'issue tokens that are not bound to a key of the agent')
    .option('--capabilities <capability...>', 'what it can do, in its own words', [])
    .option('--heartbeat <seconds>', 'how often it reports that it runs', '60')
    .option('--expires-in-days <days>', 'days after which its credentials are refused', '90')
    .action((name: string, _own, command: Command) =>
      onDatabase<RegisterOptions>(command, async (ports, output, options) => {
        const owner = await findUserId(ports, options.owner);
        const input = registrationOf(name, { ...options, owner });
        const access = createAccessDirectory(ports);
        await access.load();
        const act = () => registerAgent({ ...ports, ...noNotices, access }, input, caller);
        await actAsked(output, options, `register agent ${name} for user ${input.ownerId}`, act, (made) => [
          ...lines(made),
          ...(made.client_secret === null ? [] : [`secret  ${made.client_secret}  (shown only once)`]),
        ]);
      }),
    );
  addPage(agents.command('list'))
    .description('list agents by id')
    .option('--owner <user>', 'only agents of this user, by id or e-mail address')
    .addOption(new Option('--status <status>', 'only agents with this status').choices(AGENT_STATUSES))
    .action((_own, command: Command) =>
      onDatabase<Filters>(command, async (ports, output, options) => {
        const { owner, status } = options;
        const ownerId = owner === undefined ? undefined : await findUserId(ports, owner);
        listPage(output, 'agents', await listAgents(ports, { ...pageOf(options), ownerId, status }), line);
      }),
    );
  agents
    .command('show')
    .description('show one agent with its scopes')
    .argument('<agent_id>')
    .action((agentId: string, _own, command: Command) =>
      onDatabase<GlobalOptions>(command, async (ports, output) => output.data(await readAgent(ports, agentId), lines)),
    );
  addReason(agents.command('kill'))
    .description('kill an agent for good; its tokens and those it exchanged are refused within a second')
    .argument('<agent_id>')
    .action((agentId: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const { name } = await readAgent(ports, agentId);
        const act = () => killAgent({ ...ports, ...noNotices }, { agentId, reason: options.reason }, caller);
        await actAsked(output, options, `kill agent ${name} (${agentId})`, act, lines);
      }),
    );
}
