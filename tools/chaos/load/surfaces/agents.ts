import { eventually } from '#tools/testing/eventually.ts';
import { type Answer, type Ask, basicOf, type Request } from '../../http.ts';
import { mayBeRevoked, now, revocationsOf, type Usable } from '../../ledger.ts';
import { anyCopy, type Clients, isCreated, isOk, post, REASON, type User } from '../clients.ts';
import { issue, signIn } from '../tokens.ts';
import {
  atBothCopies,
  keep,
  type Living,
  type Look,
  living,
  look,
  newToken,
  pickShown,
  show,
  showToken,
  type TokenUsable,
  toldWrongly,
} from './surface.ts';

/** An agent as its program knows it. Its end ends its secret, which this is, and its tokens. */
export type Agent = Usable & { readonly authorization: string };
/** Requests of agents are sent by its `ask`, which counts them. */
export type Agents = Living<{ readonly authorization: string }> & { readonly ask: Ask; owner(): User | undefined };

const PATH = '/v1/admin/agents';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const SETTLED_MOST = 150;

/** Where copies count what they refuse. */
const COUNTED = /^\/(?:oauth2\/(?:token|bc-authorize)$|v1\/handoff\/signoffs)/;

type Refusal = { readonly client_id: string; readonly requests: number };

/** What an owner is told of an agent's refusals where it is of another client, or of more requests than were sent. */
export const wrongRefusals = (id: string, most: number, told: readonly Refusal[]): unknown =>
  told.some(({ client_id: of }) => of !== id) || told.reduce((sum, { requests }) => sum + requests, 0) > most
    ? { most, told }
    : undefined;

/** Agents get tokens of their own, exchange those of their owner and say that they live, until they are killed. */
export function createAgents(every: Clients): Agents {
  const { authorization } = every;
  const tokens: TokenUsable[] = [];
  const looks: Look[] = [];
  /** By credential, how many of its requests may have been refused and counted. */
  const mayCount = new Map<string, number>();
  const ask: Ask = async (copy, request) => {
    const by = COUNTED.test(request.path) ? request.headers?.authorization : undefined;
    if (by === undefined) return every.ask(copy, request);
    mayCount.set(by, (mayCount.get(by) ?? 0) + 1);
    const answer = await every.ask(copy, request);
    if (isOk(answer) || isCreated(answer) || answer.status >= 500) mayCount.set(by, (mayCount.get(by) ?? 0) - 1);
    return answer;
  };
  const clients = { ...every, ask };
  let [owner, other]: (User | undefined)[] = [];

  const tokenRequest = ({ authorization: by }: Agent, form: Readonly<Record<string, string>>): Request => ({
    path: '/oauth2/token',
    form,
    headers: { authorization: by },
  });
  const accepts = ({ status }: Pick<Answer, 'status'>): boolean | undefined =>
    status === 200 || (status === 401 ? false : undefined);

  /** The owner asks why an agent is refused, and so does somebody else. @returns what the owner has been told so far */
  async function why(agent = agents.ended()): Promise<readonly Look[]> {
    if (agent && owner && other) {
      const get = (cookie: string): Request => ({
        method: 'GET',
        path: `/v1/agents/${agent.id}/why`,
        headers: { cookie },
      });
      await look(clients, looks, get(owner.cookie), ({ status: said, body }) =>
        said === 401
          ? undefined
          : wrongRefusals(agent.id, mayCount.get(agent.authorization) ?? 0, body.refusals ?? [body]),
      );
      await look(clients, looks, get(other.cookie), ({ status: said, body }) => (said < 400 ? body : undefined));
    }
    return looks.filter(({ answer: { body } }) => body?.refusals?.length > 0);
  }

  /** Exchanges a token of the owner. */
  async function exchange(agent: Agent | undefined): Promise<void> {
    const family = agent && owner && (await issue(clients, owner.id));
    const subject = family?.access.at(-1);
    if (!agent || !subject || mayBeRevoked(revocationsOf(clients.ledger, subject), now())) return;
    const form = { grant_type: EXCHANGE, subject_token: subject.token, subject_token_type: ACCESS_TOKEN };
    const answer = await show(clients, agent, anyCopy(clients), tokenRequest(agent, form), accepts);
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
    ask,
    owner: () => owner,
    acts: [
      ...agents.acts,
      [0.3, () => exchange(agents.live())],
      [1, () => atBothCopies([agents.ended()], agents.show)],
      [0.3, why],
      [2, () => showToken(clients, pickShown(clients, tokens))],
    ],
    prepare: async () => {
      [owner, other] = [await clients.newUser('developer'), await clients.newUser()];
      await agents.prepare();
      for (const agent of agents.made) await exchange(agent);
    },
    settle: async () => {
      // A loss of the database ended their sessions.
      for (const user of [owner, other]) if (user) await signIn(clients, user);
      await agents.settle();
      await atBothCopies(tokens.slice(-SETTLED_MOST), (token, copy) => showToken(clients, token, copy));
    },
    gates: async () => {
      const told = async () => (await why()).length > 0;
      // Copies write what they counted every ten seconds.
      await eventually('refusals of a killed agent', told, 30_000).catch(() => {});
      const { length: checked } = await why();
      return [{ ...toldWrongly('agents: the owner reads why, of each request once', looks), checked }];
    },
  };
}
