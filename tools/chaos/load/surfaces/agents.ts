import { basicOf } from '../../http.ts';
import { mayBeRevoked, now, revocationsOf, type Usable } from '../../ledger.ts';
import { type Clients, isOk, post, REASON, type User } from '../clients.ts';
import { issue } from '../tokens.ts';
import {
  atBothCopies,
  keep,
  type Living,
  living,
  newToken,
  pickShown,
  show,
  showToken,
  type TokenUsable,
} from './surface.ts';

/** An agent as its program knows it. Its end ends its secret, which this is, and its tokens. */
export type Agent = Usable & { readonly authorization: string };
export type Agents = Living<{ readonly authorization: string }>;

const PATH = '/v1/admin/agents';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const SETTLED_MOST = 150;

/** Agents get tokens of their own, exchange those of their owner and say that they live, until they are killed. */
export function createAgents(clients: Clients): Agents {
  const { authorization } = clients;
  const tokens: TokenUsable[] = [];
  let owner: User | undefined;

  const tokenRequest = (agent: Agent, form: Readonly<Record<string, string>>) => ({
    path: '/oauth2/token',
    form,
    headers: { authorization: agent.authorization },
  });
  const accepts = ({ status }: { readonly status: number }): boolean | undefined =>
    status === 200 || (status === 401 ? false : undefined);

  /** Exchanges a token of the owner. */
  async function exchange(agent: Agent | undefined): Promise<void> {
    const family = agent && owner && (await issue(clients, owner.id));
    const subject = family?.access.at(-1);
    if (!agent || !subject || mayBeRevoked(revocationsOf(clients.ledger, subject), now())) return;
    const form = { grant_type: EXCHANGE, subject_token: subject.token, subject_token_type: ACCESS_TOKEN };
    const answer = await show(clients, agent, clients.random.pick(['A', 'B'])!, tokenRequest(agent, form), accepts);
    if (answer.status !== 200) return;
    tokens.push(newToken('agents', 'exchanged token', answer.body.access_token, agent.revocations, subject));
  }

  const agents = living<{ readonly authorization: string }>(clients, {
    name: 'agents',
    called: 'secret of an agent',
    rows: {
      'registration of an agent':
        'SELECT c.name AS key FROM agents a JOIN oauth_clients c ON c."clientId" = a.client_id',
      'kill of an agent': 'SELECT client_id AS key FROM agents WHERE killed_at IS NOT NULL',
    },
    mostLive: 12,
    perSecond: { make: 0.3, end: 0.15, show: 0.5 },
    make: async () => {
      if (!owner) return undefined;
      const what = { kind: 'registration of an agent', events: ['agent.registered', 'client.created'] };
      const scopes = { scopes: ['openid'], credential_scopes: ['signoffs:request'] };
      const json = { ...scopes, owner_id: owner.id, dpop_bound_access_tokens: false, reason: REASON };
      const made = await keep(clients, 'agents', what, (name) => post(authorization, PATH, { name, ...json }));
      if (!made) return undefined;
      const { agent_id: id, client_secret } = made.answer.body;
      return { id, authorization: basicOf({ client_id: id, client_secret }) };
    },
    shows: [
      {
        request: (agent) => tokenRequest(agent, { grant_type: 'client_credentials' }),
        accepts,
        after: ({ revocations }, { status, body }) => {
          if (status === 200) tokens.push(newToken('agents', 'token of an agent', body.access_token, revocations));
        },
      },
      { request: (agent) => post(agent.authorization, '/v1/agents/heartbeat', {}), accepts },
    ],
    end: {
      kind: 'kill of an agent',
      events: ['agent.killed'],
      request: ({ id }) => post(authorization, `${PATH}/${id}/kill`, { reason: REASON }),
      // A retry of a kill whose answer was lost: it is killed.
      isDone: (answer) => isOk(answer) || answer.body?.code === 'agent_killed',
    },
  });

  return {
    ...agents,
    acts: [
      ...agents.acts,
      [0.3, () => exchange(agents.live())],
      [1, () => atBothCopies([agents.ended()], agents.show)],
      [2, () => showToken(clients, pickShown(clients, tokens))],
    ],
    prepare: async () => {
      owner = await clients.newUser('developer');
      await agents.prepare();
      for (const agent of agents.made) await exchange(agent);
    },
    settle: async () => {
      await agents.settle();
      await atBothCopies(tokens.slice(-SETTLED_MOST), (token, copy) => showToken(clients, token, copy));
    },
  };
}
