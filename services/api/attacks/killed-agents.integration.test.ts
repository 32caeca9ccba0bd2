import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { asShipped } from '#tools/testing/harness/busy-machine.ts';
import { type ClientCredentials, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

asShipped();

/** How old a copy's knowledge may be. */
const BOUND_MS = 2_000;
const SIGNOFFS = '/v1/handoff/signoffs';
const ACT = { act: 'release.deploy', arguments: { version: '1.4' } };

const harness = opened(openApiHarness);
const env = { REVOCATION_STALENESS_MS: String(BOUND_MS) };
const here = opened(() => harness.startCopy({ hashes: false, env }));
const there = opened(() => harness.startCopy({ hashes: false, env }));
const admin = opened(() => newPerson(here, ['admin']));
const approver = opened(() => newPerson(here, ['qa']));

type Attack = (agent: ClientCredentials, signOffs: Readonly<Record<string, string>>) => Promise<Received>;
const post = (path: string, sent: object) => send(there.url, 'POST', path, sent);

/** What a thief of the secret tries at the copy that cannot read who was killed. */
const byAct: Record<string, Attack> = {
  'request a sign-off': (basic) =>
    post(SIGNOFFS, { basic, json: { ...ACT, title: 'x', required_roles: ['qa'], quorum: 1 } }),
  'start what was approved': (basic, { approved }) => post(`${SIGNOFFS}/${approved}/start`, { basic, json: ACT }),
  'finish what ran': (basic, { running }) =>
    post(`${SIGNOFFS}/${running}/finish`, { basic, json: { outcome: 'done' } }),
  'have a person approve what was pending': (_agent, { pending, sha256 }) =>
    post(`${SIGNOFFS}/${pending}/approve`, { bearer: approver.bearer, json: { role: 'qa', arguments_sha256: sha256 } }),
};
const byAuthentication: Record<string, Attack> = {
  'get a token': (basic) => post('/oauth2/token', { basic, form: { grant_type: 'client_credentials' } }),
  'introspect a token': (basic) => post('/oauth2/introspect', { basic, form: { token: admin.bearer } }),
  'say that it runs': (basic) => post('/v1/agents/heartbeat', { basic, json: {} }),
  'read sign-offs': (basic) => send(there.url, 'GET', SIGNOFFS, { basic }),
  'make itself an API key': (basic) => post('/v1/api-keys', { basic, json: { name: 'x' } }),
};

async function newAgent(): Promise<ClientCredentials> {
  const owner = await newPerson(here, ['developer']);
  const json = {
    name: 'Deployer',
    owner_id: owner.id,
    credential_scopes: ['signoffs:request', 'signoffs:read'],
    dpop_bound_access_tokens: false,
    reason: 'test',
  };
  const { body } = await send(here.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json });
  const basic = { client_id: body.agent_id, client_secret: body.client_secret };
  const asked = () => send(there.url, 'GET', SIGNOFFS, { basic });
  await eventually('the other copy to know the agent', async () => (await asked()).status === 200);
  return basic;
}

/** Its sign-offs, one in each state that an attacker can use. */
async function signOffsOf(basic: ClientCredentials): Promise<Record<string, string>> {
  const ids: Record<string, string> = {};
  for (const state of ['pending', 'approved', 'running']) {
    const json = { ...ACT, title: 'Deploy', required_roles: ['qa'], quorum: 1 };
    const { body, status, text } = await send(here.url, 'POST', SIGNOFFS, { basic, json });
    expect(status, text).toBe(201);
    ids[state] = body.signoff_id;
    ids.sha256 = body.arguments_sha256;
    const decision = { role: 'qa', arguments_sha256: body.arguments_sha256 };
    const path = `${SIGNOFFS}/${body.signoff_id}`;
    if (state !== 'pending')
      expect(
        (await send(here.url, 'POST', `${path}/approve`, { bearer: approver.bearer, json: decision })).status,
      ).toBe(200);
    if (state === 'running')
      expect((await send(here.url, 'POST', `${path}/start`, { basic, json: ACT })).status).toBe(200);
  }
  return ids;
}

const isKilled = async ({ client_id }: ClientCredentials): Promise<boolean> =>
  (await harness.rows`SELECT 1 FROM agents WHERE client_id = ${client_id} AND killed_at IS NOT NULL`).length > 0;

test.each(['applications', 'roles'])(
  'the secret of an agent that was killed at one copy is worth nothing at another that cannot read %s',
  async (table) => {
    const agent = await newAgent();
    const signOffs = await signOffsOf(agent);
    const answers: [attack: string, status: number][] = [];
    const attack = async (attacks: Record<string, Attack>): Promise<void> => {
      for (const [name, act] of Object.entries(attacks)) answers.push([name, (await act(agent, signOffs)).status]);
    };
    await harness.owner.transact(async (tx) => {
      await tx.query(defineStatement('')`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`, []);
      const json = { reason: 'its secret was stolen' };
      const killing = send(here.url, 'POST', `/v1/admin/agents/${agent.client_id}/kill`, {
        bearer: admin.bearer,
        json,
      });
      await eventually('the kill', () => isKilled(agent));
      // No row of a killed agent starts or ends, whatever a copy believes.
      await attack(byAct);
      await sleep(BOUND_MS + 500);
      for (let turn = 0; turn < 3; turn += 1) await attack({ ...byAct, ...byAuthentication });
      await killing;
    });
    expect(answers.filter(([, status]) => status < 400)).toEqual([]);
    expect(answers.length).toBeGreaterThan(20);
    const states = await harness.rows`SELECT state, failure FROM signoffs WHERE client_id = ${agent.client_id}`;
    expect(states).toEqual(Array(3).fill({ state: 'failed', failure: 'agent_killed' }));
    // Once the table can be read, people are served again and the agent is unknown.
    await eventually('the copy to serve', async () => {
      const sent = { bearer: admin.bearer };
      return (await send(there.url, 'GET', SIGNOFFS, sent)).status === 200;
    });
    expect((await byAuthentication['get a token']?.(agent, signOffs))?.status).toBe(401);
  },
);
