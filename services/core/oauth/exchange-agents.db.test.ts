import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { agentCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { TOKEN_EXCHANGE } from '../access/grant-shapes.ts';
import type { AgentCaller } from '../authority/callers.ts';
import { issuePair } from '../tokens/issue/issue-pair.ts';
import { openIssuingHarness } from '../tokens/issuing-harness.ts';
import { exchangeToken } from './exchange-token.ts';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const harness = opened(openIssuingHarness);

async function newAgent(): Promise<{ readonly agent: AgentCaller; readonly owner: Person; readonly token: string }> {
  const owner = await newPerson(harness);
  await harness.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'operator')`, [owner.id]);
  const { clientId } = await harness.newClient([], { grant_types: [TOKEN_EXCHANGE] });
  await harness.rows(
    `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, clock_timestamp() + interval '1 day')`,
    [clientId, owner.id],
  );
  await harness.reload();
  const session = userCaller(owner.id, { sessionId: owner.sessionId, by: 'session' });
  const { access_token: token } = await issuePair(harness.ports, {}, session);
  return { agent: agentCaller(clientId, owner.id), owner, token };
}

const exchange = (agent: AgentCaller, subjectToken: string) =>
  exchangeToken(
    harness.ports,
    {
      client: { clientId: agent.clientId, isAuthenticated: true },
      subjectToken,
      subjectTokenType: ACCESS_TOKEN,
      requestedTokenType: undefined,
      hasActorToken: false,
      keys: {},
      scope: 'openid',
      resource: undefined,
      audience: undefined,
    },
    agent,
  );
const issuedBy = ({ clientId }: AgentCaller) =>
  harness.rows(
    `SELECT outcome FROM audit_outbox WHERE type = 'token.issued' AND actor_id = $1 AND detail ->> 'grant' = 'token_exchange'
     ORDER BY id`,
    [clientId],
  );

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
