import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { agentCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { TOKEN_EXCHANGE } from '../access/grant-shapes.ts';
import type { AgentCaller } from '../authority/callers.ts';
import type { Caller } from '../ports.ts';
import { type AccessTokenClaims, signAccessToken } from '../tokens/access-token.ts';
import { issueClientToken } from '../tokens/issue/issue-client-token.ts';
import { issuePair } from '../tokens/issue/issue-pair.ts';
import { openIssuingHarness } from '../tokens/issuing-harness.ts';
import { exchangeToken } from './exchange-token.ts';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const harness = opened(openIssuingHarness);

const newService = () => harness.newClient([], { grant_types: ['client_credentials', TOKEN_EXCHANGE] });

async function newAgent(): Promise<{ readonly agent: AgentCaller; readonly owner: Person; readonly token: string }> {
  const owner = await newPerson(harness);
  await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${owner.id}, 'operator')`;
  const { clientId } = await newService();
  await harness.rows`INSERT INTO agents (client_id, owner_id, expires_at)
    VALUES (${clientId}, ${owner.id}, clock_timestamp() + interval '1 day')`;
  await harness.reload();
  const session = userCaller(owner.id, { sessionId: owner.sessionId, by: 'session' });
  const { access_token: token } = await issuePair(harness.ports, {}, session);
  return { agent: agentCaller(clientId, owner.id), owner, token };
}

const exchange = (
  agent: Pick<AgentCaller, 'clientId'> & Caller,
  subjectToken: string,
  actorToken?: string,
  actorTokenType = actorToken && ACCESS_TOKEN,
) =>
  exchangeToken(
    harness.ports,
    {
      client: { clientId: agent.clientId, isAuthenticated: true },
      subjectToken,
      subjectTokenType: ACCESS_TOKEN,
      requestedTokenType: undefined,
      actorToken,
      actorTokenType,
      keys: {},
      scope: 'openid',
      resource: undefined,
      audience: undefined,
    },
    agent,
  );
const issuedBy = ({ clientId }: AgentCaller) =>
  harness.rows`SELECT outcome FROM audit_outbox
    WHERE type = 'token.issued' AND actor_id = ${clientId} AND detail ->> 'grant' = 'token_exchange'
    ORDER BY id`;

test('an agent exchanges a token of its owner, and the exchange is in the log before the answer', async () => {
  const { agent, owner, token } = await newAgent();
  const { access_token } = await exchange(agent, token);
  expect(decodeJwt(access_token)).toMatchObject({ sub: owner.id, act: { sub: agent.clientId } });
  expect(await issuedBy(agent)).toEqual([{ outcome: 'ok' }]);
});

test('an agent does not exchange the token of another user', async () => {
  const [{ agent }, { token }] = [await newAgent(), await newAgent()];
  expect(await outcomeOf(exchange(agent, token))).toBe('subject_token_invalid');
});

test.each([
  ['killed', 'UPDATE agents SET killed_at = now() WHERE client_id = $1'],
  ['expired', 'UPDATE agents SET expires_at = now() - make_interval(secs => 1) WHERE client_id = $1'],
  ['disabled', 'UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1'],
])('an agent that was %s exchanges nothing, even at a copy that does not know', async (_state, change) => {
  const { agent, token } = await newAgent();
  await harness.rows(change, [agent.clientId]);
  expect(await outcomeOf(exchange(agent, token))).toBe('subject_token_invalid');
  expect(await issuedBy(agent)).toEqual([{ outcome: 'refused' }]);
});

describe.each([
  ['loses a role', `DELETE FROM user_roles WHERE user_id = $1 AND role = 'operator'`],
  ['is disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
  ['is deleted', 'DELETE FROM users WHERE id = $1'],
])('an owner who %s between the request of the agent and the answer', (_what, change) => {
  test('the token is not exchanged', async () => {
    const { agent, owner, token } = await newAgent();
    const { main } = harness.stores.pools;
    const outcome = await outcomeOf(overtaken(main, owner.id, change, () => exchange(agent, token)));
    expect(outcome).toBe('subject_token_invalid');
    expect(await issuedBy(agent)).toEqual([{ outcome: 'refused' }]);
  });
});

describe('an actor token', () => {
  const ownToken = async (of: Caller) => (await issueClientToken(harness.ports, {}, of)).access_token;
  /** What `act` of a token names, the latest first. */
  const actors = (act: unknown): readonly string[] =>
    act === undefined ? [] : [(act as Json).sub, ...actors((act as Json).act)];

  test('of an agent of the user makes it the actor at the head of the chain, until the agent ends', async () => {
    const [{ agent, owner, token }, first, service] = [await newAgent(), await newService(), await newService()];
    const passed = (await exchange(first, token, await ownToken(first))).access_token;
    const claims = decodeJwt((await exchange(service, passed, await ownToken(agent))).access_token);
    expect(claims).toMatchObject({ sub: owner.id, client_id: service.clientId });
    expect(actors(claims.act)).toEqual([agent.clientId, ...actors(decodeJwt(passed).act)]);
    expect((claims.origins as Json[]).map(({ client_id }) => client_id)).toContain(agent.clientId);
    const acting = `SELECT detail ->> 'acting' AS acting FROM audit_outbox WHERE type = 'token.issued' AND target_id = $1`;
    expect(await harness.rows(acting, [claims.jti])).toEqual([{ acting: agent.clientId }]);
    const own = await ownToken(agent);
    await harness.rows`UPDATE agents SET killed_at = now() WHERE client_id = ${agent.clientId}`;
    expect(await outcomeOf(exchange(service, passed, own))).toBe('subject_token_invalid');
    expect(await harness.ports.confirmState()).toBe(true);
    expect(await outcomeOf(exchange(service, passed, own))).toBe('actor_token_invalid');
  });

  test('of anybody else, forged, or without its type is refused', async () => {
    const [{ agent, token }, service, other] = [await newAgent(), await newService(), await newService()];
    const [own, mine] = [await ownToken(agent), await ownToken(service)];
    const strangers = await Promise.all([(await newAgent()).agent, other].map(ownToken));
    for (const actor of [...strangers, token, `${own.slice(0, -8)}AAAAAAAA`, 'x'])
      expect(await outcomeOf(exchange(service, token, actor))).toBe('actor_token_invalid');
    expect(await outcomeOf(exchange(agent, token, mine)), 'an agent by another').toBe('actor_token_invalid');
    expect(await outcomeOf(exchange(service, token, own, ''))).toBe('request_invalid');
    expect(await outcomeOf(exchange(service, token, undefined, ACCESS_TOKEN))).toBe('request_invalid');
    expect(await outcomeOf(exchange(service, token, own))).toBe('ok');
  });

  test('is that of the actor in `may_act` of the subject token', async () => {
    const [{ agent, token }, service] = [await newAgent(), await newService()];
    const naming = async (sub: string) =>
      (await signAccessToken(harness.ports, { ...(decodeJwt(token) as AccessTokenClaims), may_act: { sub } } as never))
        .token;
    const named = await naming(agent.clientId);
    expect(await outcomeOf(exchange(service, named, await ownToken(agent)))).toBe('ok');
    expect(await outcomeOf(exchange(service, named))).toBe('actor_token_invalid');
  });

  test('makes no chain of more than four', async () => {
    const { agent, ...owned } = await newAgent();
    let { token } = owned;
    while (actors(decodeJwt(token).act).length < 4) token = (await exchange(await newService(), token)).access_token;
    expect(await outcomeOf(exchange(await newService(), token, await ownToken(agent)))).toBe('subject_token_invalid');
  });
});
