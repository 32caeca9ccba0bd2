import { basicOf, type Request } from '../../http.ts';
import { mayBeRevoked, now, revocationsOf } from '../../ledger.ts';
import type { Usable } from '../../surface-facts.ts';
import type { User } from '../clients.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  keep,
  kept,
  newToken,
  newUsable,
  pickShown,
  REASON,
  type RowStatements,
  type Surface,
  show,
  showToken,
  type TokenUsable,
  type Tools,
} from './surface.ts';

export const agentRows: RowStatements = {
  'registration of an agent': 'SELECT c.name AS key FROM agents a JOIN oauth_clients c ON c."clientId" = a.client_id',
  'kill of an agent': 'SELECT client_id AS key FROM agents WHERE killed_at IS NOT NULL',
};

/** An agent as its program knows it. Its end ends its secret and tokens. */
export type Agent = { readonly id: string; readonly authorization: string; readonly secret: Usable };

/** Agents of other surfaces live and die here too. */
export type Agents = Surface & {
  /** One that no kill was asked for. */
  live(): Agent | undefined;
  /** One whose kill was acknowledged. */
  killed(): Agent | undefined;
};

const LIVE_MOST = 12;
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

export function createAgents(tools: Tools): Agents {
  const { ledger, clients, authorization, random } = tools;
  const agents: Agent[] = [];
  const tokens: TokenUsable[] = [];
  let owner: User | undefined;

  const all = (): Agent[] => agents.filter(({ secret }) => kept(tools, [secret]).length > 0);
  const liveAgents = (): Agent[] => all().filter(({ secret }) => secret.revocations.length === 0);
  const killedAgents = (): Agent[] =>
    all().filter(({ secret }) => secret.revocations.some(({ ackedAtMs }) => ackedAtMs !== undefined));

  async function register(): Promise<Agent | undefined> {
    if (!owner) return undefined;
    const { id: owner_id } = owner;
    const made = await keep(
      tools,
      {
        surface: 'agents',
        kind: 'registration of an agent',
        events: ['agent.registered', 'client.created'],
      },
      (name) => ({
        path: '/v1/admin/agents',
        json: {
          ...{ name, owner_id, scopes: ['openid'], credential_scopes: ['signoffs:request'] },
          ...{ dpop_bound_access_tokens: false, reason: REASON },
        },
        headers: { authorization },
      }),
      ({ status }) => status === 201,
    );
    if (!made) return undefined;
    const { agent_id: id, client_secret } = made.answer.body;
    const secret = newUsable({ surface: 'agents', kind: 'secret of an agent', id });
    const agent = { id, authorization: basicOf({ client_id: id, client_secret }), secret };
    agents.push(agent);
    return agent;
  }

  const tokenRequest = ({ authorization: own }: Agent, form: Readonly<Record<string, string>>): Request => ({
    path: '/oauth2/token',
    form,
    headers: { authorization: own },
  });
  const result = ({ status }: { readonly status: number }): boolean | undefined =>
    status === 200 || (status === 401 ? false : undefined);

  /** Shows the secret, for a token of its own. */
  async function showSecret(agent: Agent | undefined, copy = anyCopy(tools)): Promise<void> {
    if (!agent) return;
    const answer = await show(
      tools,
      agent.secret,
      copy,
      tokenRequest(agent, { grant_type: 'client_credentials' }),
      result,
    );
    if (answer.status === 200)
      tokens.push(newToken('agents', 'token of an agent', answer.body.access_token, agent.secret.revocations));
  }

  /** Exchanges a token of the owner. */
  async function exchange(agent: Agent | undefined, copy = anyCopy(tools)): Promise<void> {
    const family = agent && owner && (await clients.issue(owner.id));
    const subject = family?.access.at(-1);
    if (!agent || !subject || mayBeRevoked(revocationsOf(ledger, subject), now())) return;
    const form = { grant_type: EXCHANGE, subject_token: subject.token, subject_token_type: ACCESS_TOKEN };
    const answer = await show(tools, agent.secret, copy, tokenRequest(agent, form), result);
    if (answer.status !== 200) return;
    const { revocations } = agent.secret;
    tokens.push(newToken('agents', 'exchanged token', answer.body.access_token, revocations, subject));
  }

  /** Other uses of a secret than for a token. */
  async function beat(agent: Agent | undefined, copy = anyCopy(tools)): Promise<void> {
    if (!agent) return;
    const request = { path: '/v1/agents/heartbeat', json: {}, headers: { authorization: agent.authorization } };
    await show(tools, agent.secret, copy, request, result);
  }

  async function kill(agent: Agent | undefined): Promise<void> {
    if (!agent || agent.secret.revocations.length > 0) return;
    const { id: key, secret } = agent;
    const path = `/v1/admin/agents/${key}/kill`;
    await end(
      tools,
      secret,
      { surface: 'agents', kind: 'kill of an agent', events: ['agent.killed'], key },
      { path, json: { reason: REASON }, headers: { authorization } },
      // A retry of a kill whose answer was lost: it is killed.
      ({ status, body }) => status === 200 || (status === 409 && body?.code === 'agent_killed'),
    );
  }

  const anyLive = (): Agent | undefined => random.pick(liveAgents());
  const anyKilled = (): Agent | undefined => random.pick(killedAgents());

  return {
    live: anyLive,
    killed: anyKilled,
    acts: [
      [0.3, () => (liveAgents().length < LIVE_MOST ? register() : kill(anyLive()))],
      [0.15, () => kill(anyLive())],
      [0.6, () => showSecret(anyLive())],
      [0.3, () => exchange(anyLive())],
      [0.3, () => beat(anyLive())],
      [
        2,
        async () => {
          const agent = anyKilled();
          await Promise.all([showSecret(agent, 'A'), showSecret(agent, 'B')]);
        },
      ],
      [0.3, () => beat(anyKilled())],
      [
        2,
        async () => {
          const token = pickShown(tools, tokens);
          if (token) await showToken(tools, token, anyCopy(tools));
        },
      ],
    ],
    prepare: async () => {
      owner = await tools.newUser('developer');
      for (let at = 0; at < 4; at += 1) {
        const agent = await register();
        await showSecret(agent, 'A');
        await exchange(agent, 'A');
      }
      await kill(liveAgents()[0]);
    },
    settle: async () => {
      await kill(anyLive());
      await new Promise((done) => setTimeout(done, 2_000));
      await atBothCopies(all().slice(-150), showSecret);
      await atBothCopies(killedAgents().slice(-50), beat);
      await atBothCopies(tokens.slice(-150), (token, copy) => showToken(tools, token, copy));
    },
  };
}
