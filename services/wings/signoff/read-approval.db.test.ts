import { decodeJwt } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { declarationShape } from '#services/core/access/application-shapes.ts';
import { declareApplication } from '#services/core/access/manage-applications.ts';
import { issueClientToken } from '#services/core/tokens/issue/issue-client-token.ts';
import { openIssuingHarness } from '#services/core/tokens/issuing-harness.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { agentCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import type { SignOffView } from './contract.ts';
import { decideSignOff } from './decide-signoff.ts';
import { requestSignOff } from './request-signoff.ts';
import type { Asking } from './signoff-harness.ts';
import { startSignOff } from './start-signoff.ts';

const BANK = 'https://bank.test';
const ROLES = ['qa', 'tech_lead'] as const;
const properties = { amount: { type: 'number' }, to: { type: 'string' }, note: { type: 'string' } };
const words = { en: 'wire {amount} to {to}', de: '{amount} an {to} senden' };
const wire = { schema: { type: 'object', properties, required: ['amount', 'to'] }, words, bound: ['amount', 'to'] };

const harness = opened(openIssuingHarness);
const ports = partOf(() => ({ ...harness.ports, openSignOffsMax: 50, readSecurityScore: async () => null }));
let agent: Asking;

async function newAgent(types: string[] = ['sallyport_act', 'wire', 'order']): Promise<Asking> {
  const { clientId } = await harness.newClient(['signoffs:request'], { authorization_details_types: types });
  const { id } = await newPerson(harness);
  const insert = `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, now() + interval '1 day')`;
  await harness.rows(insert, [clientId, id]);
  await harness.reload();
  return agentCaller(clientId, id, ['signoffs:request']);
}
beforeAll(async () => {
  const types = { wire: { ...wire, signoff: true }, order: wire };
  const members = { permissions: [], authorization_details: types, signoff_policies: [{ act: 'wire', roles: ROLES }] };
  const declared = declarationShape.parse({ application: 'bank', audience: BANK, ...members });
  await declareApplication({ ...harness.ports, ownAudiences: [] }, { ...declared, reason: 'test' }, testCaller);
  agent = await newAgent();
});

const request = (act: string, values: unknown, by = agent): Promise<SignOffView> =>
  requestSignOff(
    ports,
    { act, title: 'Please', arguments: values, required_roles: [...ROLES], expires_in_minutes: 9 },
    by,
  );
/** The ids of those who approved. */
async function approve(
  signOff: Promise<SignOffView> | Pick<SignOffView, 'signoff_id' | 'arguments_sha256'>,
): Promise<string[]> {
  const { signoff_id, arguments_sha256 } = await signOff;
  return Promise.all(
    ROLES.map(async (role) => {
      const { id } = await newPerson(harness);
      await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
      const person = userCaller(id, { acr: 'aal2', authTime: Math.floor(Date.now() / 1_000) });
      await decideSignOff(
        { ...ports, wakePings: () => {} },
        { signoff_id, role, decision: 'approve', arguments_sha256 },
        person,
      );
      return id;
    }),
  );
}
const token = (details: unknown, resource?: string, by = agent) => {
  const authorizationDetails = typeof details === 'string' ? details : JSON.stringify(details);
  return issueClientToken(harness.ports, { authorizationDetails, resource }, by);
};
/** Why a token is refused, and what its client lacks. */
const refused = async (...asked: Parameters<typeof token>): Promise<[string, Json | undefined]> => {
  const refusal: Json = await token(...asked).catch((err: unknown) => err);
  expect(refusal.code).toBe('authorization_details_invalid');
  return [refusal.options.detail, refusal.options.members?.authorization_details];
};
const rotate = (alg: string) => ({ type: 'sallyport_act', act: 'keys.rotate', arguments: { alg, keep: [1, 2] } });

test('a token carries an act once people have approved it, for no longer than the sign-off, and not once it has started', async () => {
  const { type, ...act } = rotate('ES256');
  const [, lacks] = await refused([rotate('ES256')]);
  const { signoff_id, arguments_sha256 } = await request(act.act, act.arguments);
  expect(lacks).toEqual([{ type, act: act.act, arguments_sha256, request_at: '/v1/handoff/signoffs' }]);
  expect(await refused([rotate('ES256')])).toEqual([`the sign-off ${signoff_id} is pending`, undefined]);
  await approve({ signoff_id, arguments_sha256 });
  // Spelt in another way, it is the same.
  const spelt = '[{"arguments":{"keep":[1.0,2e0],"alg":"ES\\u003256"},"type":"sallyport_act","act":"keys.rotate"}]';
  const { authorization_details, access_token } = await token(spelt);
  const { jti, iat = 0, exp = 0, ...claims } = decodeJwt(access_token);
  expect(claims).toMatchObject({ sub: agent.clientId, authorization_details: [rotate('ES256')] });
  expect([authorization_details, exp - iat <= 540]).toEqual([[rotate('ES256')], true]);
  const [event] = await harness.rows`SELECT detail FROM audit_outbox WHERE target_id = ${jti}`;
  expect(event?.detail).toMatchObject({ of: signoff_id, detail_types: [type] });
  await startSignOff(ports, { signoff_id, ...act }, agent);
  expect((await refused([rotate('ES256')]))[0]).toMatch(/is running$/);
});

test('people sign off a type that says so: an act of its name, with every member of the detail', async () => {
  const detail = { type: 'wire', amount: 5, to: 'Zo\u00eb' };
  await approve(request('wire', { amount: 5, to: 'Zo\u00eb' }));
  expect((await token([detail], BANK)).authorization_details).toEqual([detail]);
  for (const other of [{ amount: 5.000001 }, { to: 'Zoe\u0308' }, { note: 'x' }])
    expect((await refused([{ ...detail, ...other }], BANK))[1]).toMatchObject([{ act: 'wire' }]);
});

test('no other agent gets the token, and none is issued for two acts, another resource, or a type that users grant', async () => {
  const detail = { type: 'wire', amount: 7, to: 'Ann' };
  await approve(request('wire', { amount: 7, to: 'Ann' }));
  expect((await refused([detail], BANK, await newAgent()))[1]).toHaveLength(1);
  const why = async (...asked: Parameters<typeof token>) => (await refused(...asked))[0];
  expect(await why([detail, { ...detail, amount: 5 }], BANK)).toContain('one act');
  expect(await why([detail])).toContain(`send resource=${BANK}`);
  expect(await why([detail], BANK, await newAgent(['order']))).toContain('may not ask for the type wire');
  expect(await why([{ ...detail, type: 'order' }], BANK)).toContain('users grant the type order');
  expect(await why([{ ...detail, amount: '7' }], BANK)).toContain('wire/amount');
  for (const odd of [{ act: 'Keys' }, { arguments: undefined }, { more: 1 }, { act: ['keys.rotate'] }])
    expect(await why([{ ...rotate('RS256'), ...odd }])).toContain('act and arguments, and no other');
});

test('no token is issued for an approval that does not count any more, or to an agent that ended at another copy', async () => {
  const { act, arguments: values } = rotate('EdDSA');
  const [qa] = await approve(request(act, values));
  await harness.rows`DELETE FROM user_roles WHERE user_id = ${qa}`;
  expect(await refused([rotate('EdDSA')])).toEqual([expect.stringMatching(/is pending$/), undefined]);
  const ended = await newAgent();
  await approve(request(act, values, ended));
  await harness.rows`UPDATE agents SET expires_at = now() WHERE client_id = ${ended.clientId}`;
  expect((await refused([rotate('EdDSA')], undefined, ended))[1]).toHaveLength(1);
});
