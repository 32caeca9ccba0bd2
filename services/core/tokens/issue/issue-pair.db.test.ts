import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AgentCaller } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { agentCaller, clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { openIssuingHarness } from '../issuing-harness.ts';
import { refreshToken } from '../refresh/refresh-token.ts';
import { type RevokeInput, revokeToken } from '../revoke/revoke-token.ts';
import { type IssuePairInput, type IssuePorts, issuePair } from './issue-pair.ts';

const harness = opened(() => openIssuingHarness());
beforeAll(async () => {
  await harness.rows`INSERT INTO roles (name, description) VALUES ('issuers', 'Issues')`;
  await harness.rows`INSERT INTO role_permissions VALUES ('issuers', 'tokens:issue'), ('issuers', 'keys:read')`;
});

type User = Extract<Caller, { kind: 'user' }>;
const now = () => Math.floor(Date.now() / 1_000);
const callerOf = ({ id, sessionId }: Pick<Person, 'id' | 'sessionId'>, changes: Partial<User> = {}): User =>
  userCaller(id, { sessionId, by: 'session', authTime: now(), ...changes });
const issue = (caller: Caller, input: IssuePairInput = {}, changes: Partial<IssuePorts> = {}) =>
  issuePair({ ...harness.ports, ...changes }, input, caller);
const presentedBy = { clientId: null, isAuthenticated: false };
const end = (kind: RevokeInput['kind'], value: string) =>
  revokeToken(harness.ports, { kind, value, reason: 'test' }, testCaller);
const newUser = () => insertUser(harness.stores.pools.main);
const familiesOf = (userId: string) =>
  harness.rows`SELECT sid, client_id, scope, audience, device FROM refresh_families WHERE user_id = ${userId}`;
const refusalsOf = (userId: string) =>
  harness.rows`SELECT outcome, target_id, detail FROM audit_outbox
    WHERE type = 'token.issued' AND actor_id = ${userId}`;

test('a pair for the caller’s own session has the facts of its sign-in and needs no permission', async () => {
  const person = await newPerson(harness);
  const pair = await issue(callerOf(person), { userId: person.id, device: { name: 'Laptop', id: undefined } });
  expect(decodeJwt(pair.access_token)).toMatchObject({ sub: person.id, sid: person.sessionId, client_id: 'sallyport' });
  expect(await familiesOf(person.id)).toContainEqual(
    expect.objectContaining({ sid: person.sessionId, device: { name: 'Laptop' } }),
  );
});

test('a caller without the permission gets no pair for another user, or for itself by a bearer token; the refusal is recorded', async () => {
  const [person, other] = [await newPerson(harness), await newUser()];
  expect(await outcomeOf(issue(callerOf(person), { userId: other }))).toBe('permission_missing');
  expect(await outcomeOf(issue(callerOf(person, { by: 'bearer' })))).toBe('permission_missing');
  expect(await outcomeOf(issue(callerOf(person, { sessionId: null })))).toBe('permission_missing');
  expect(await outcomeOf(issue({ kind: 'anonymous', request: testCaller.request }, { userId: other }))).toBe(
    'permission_missing',
  );
  const ordinary = await harness.newClient();
  expect(await outcomeOf(issue(ordinary, { userId: other }))).toBe('permission_missing');
  expect(await familiesOf(other)).toEqual([]);
  const refused = { outcome: 'refused', detail: { grant: 'api' } };
  expect(await refusalsOf(ordinary.clientId)).toEqual([{ ...refused, target_id: other }]);
  expect(await refusalsOf(person.id)).toEqual([
    { ...refused, target_id: other },
    { ...refused, target_id: null },
    { ...refused, target_id: null },
  ]);
});

test('a client with tokens:issue creates a family as the acting party, without a sign-in', async () => {
  const [client, userId] = [await harness.newClient(['tokens:issue']), await newUser()];
  const pair = await issue(client, { userId, scope: 'openid email', audience: 'https://tasks.test' });
  const claims = decodeJwt(pair.access_token);
  expect(claims).toMatchObject({
    sub: userId,
    client_id: client.clientId,
    scope: 'openid email',
    aud: 'https://tasks.test',
    act: { sub: client.clientId },
  });
  expect(claims).not.toHaveProperty('auth_time');
  expect(await familiesOf(userId)).toMatchObject([{ sid: null, client_id: client.clientId }]);
});

test('a pair of the process itself, which signed the user in, has the time of the sign-in', async () => {
  const userId = await newUser();
  const before = now();
  const { access_token } = await issue(testCaller, { userId });
  expect(decodeJwt(access_token).auth_time).toBeGreaterThanOrEqual(before);
  expect(decodeJwt(access_token)).toMatchObject({ client_id: 'sallyport' });
});

test('tokens:issue without a user id, or for an unknown user, creates no family', async () => {
  const client = await harness.newClient(['tokens:issue']);
  expect(await outcomeOf(issue(client))).toBe('request_invalid');
  expect(await outcomeOf(issue(client, { userId: randomUUID() }))).toBe('user_unknown');
});

test('an ended session gets session_ended and no pair', async () => {
  const person = await newPerson(harness);
  await harness.rows`DELETE FROM sessions WHERE id = ${person.sessionId}`;
  expect(await outcomeOf(issue(callerOf(person)))).toBe('session_ended');
});

test('a scope or audience that the client lacks, and a role that the user lacks, create no family', async () => {
  const client = await harness.newClient(['tokens:issue'], { audiences: [] });
  const userId = await newUser();
  expect(await outcomeOf(issue(client, { userId, scope: 'openid keys:manage' }))).toBe('scope_invalid');
  expect(await outcomeOf(issue(client, { userId, audience: 'https://tasks.test' }))).toBe('target_invalid');
  expect(await outcomeOf(issue(client, { userId, role: 'admin' }))).toBe('role_not_held');
  expect(await familiesOf(userId)).toEqual([]);
  expect(await outcomeOf(issue(client, { userId, role: 'user' }))).toBe('ok');
});

test.each([
  [{ dpop_bound_access_tokens: true }, 'dpop_proof_invalid'],
  [{ tls_client_certificate_bound_access_tokens: true }, 'request_invalid'],
])('a client whose tokens must all be bound (%o) gets no unbound pair', async (changes, refused) => {
  const client = await harness.newClient(['tokens:issue'], changes);
  const userId = await newUser();
  expect(await outcomeOf(issue(client, { userId }))).toBe(refused);
  expect(await familiesOf(userId)).toEqual([]);
});

test('a client that was deleted after it authenticated gets no pair', async () => {
  const [client, userId] = [await harness.newClient(['tokens:issue']), await newUser()];
  await harness.rows`DELETE FROM oauth_clients WHERE "clientId" = ${client.clientId}`;
  await harness.reload();
  expect(await outcomeOf(issue(client, { userId }))).toBe('client_unauthenticated');
  expect(await familiesOf(userId)).toEqual([]);
});

test('a user with tokens:issue needs a recent sign-in, and cannot issue more permissions than they have', async () => {
  const [person, plain] = [await newPerson(harness), await newUser()];
  const admin = await newUser();
  await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${admin}, 'admin')`;
  const caller = callerOf(person, { by: 'bearer', permissions: new Set(['tokens:issue']) });
  expect(await outcomeOf(issue({ ...caller, authTime: 1 }, { userId: plain }))).toBe('step_up_required');
  expect(await outcomeOf(issue(caller, { userId: admin }))).toBe('permission_missing');
  // A part of the scope hides rights from the token, not from our own pages, which act for the user in full.
  expect(await outcomeOf(issue(caller, { userId: admin, scope: 'openid' }))).toBe('permission_missing');
  expect(await familiesOf(admin)).toEqual([]);
  expect(await refusalsOf(person.id)).toMatchObject([{ target_id: admin }, { target_id: admin }]);
  expect(await outcomeOf(issue(caller, { userId: plain }))).toBe('ok');
  const all = { ...caller, permissions: harness.ports.access.permissions() };
  expect(await outcomeOf(issue(all, { userId: admin }))).toBe('ok');
});

test('a user who issues through another client passes on the permissions of that token, and needs no step-up', async () => {
  const person = await newPerson(harness);
  const { clientId } = await harness.newClient([], { scopes: ['openid', 'keys:manage'] });
  const admin = await newUser();
  await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${admin}, 'admin')`;
  const caller = callerOf(person, { by: 'bearer', clientId, permissions: new Set(['tokens:issue']) });
  expect(await outcomeOf(issue(caller, { userId: admin, scope: 'openid keys:manage' }))).toBe('permission_missing');
  const { access_token } = await issue(caller, { userId: admin, scope: 'openid' });
  expect(decodeJwt(access_token)).toMatchObject({ sub: admin, permissions: [], act: { sub: clientId } });
});

describe('a pair issued for a user', () => {
  const grant = (userId: string, role: string) =>
    harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${userId}, ${role})`;
  const refreshed = (pair: { readonly refresh_token: string }) =>
    refreshToken(harness.ports, { refreshToken: pair.refresh_token, presentedBy }, testCaller);
  const rightsIn = ({ access_token }: { readonly access_token: string }) => {
    const { roles, permissions } = decodeJwt(access_token);
    return { roles, permissions };
  };
  const newRole = async (permissions: readonly string[]) => {
    const role = `role-${randomUUID().slice(0, 8)}`;
    await harness.rows`INSERT INTO roles (name, description) VALUES (${role}, 'test')`;
    for (const permission of permissions)
      await harness.rows`INSERT INTO role_permissions (role, permission) VALUES (${role}, ${permission})`;
    await harness.reload();
    return role;
  };

  test.each(['user', 'client'])(
    'by a %s with tokens:issue never gains a role or permission that the user gets later',
    async (by) => {
      const scopes = ['openid', 'profile', 'users:read', 'keys:manage'];
      const client = await harness.newClient(['tokens:issue'], { scopes });
      const caller =
        by === 'client'
          ? client
          : callerOf(await newPerson(harness), { permissions: new Set(['tokens:issue', 'users:read']) });
      const [userId, role] = [await newUser(), await newRole(['users:read'])];
      await grant(userId, role);
      const pair = await issue(caller, { userId });
      // What a client issues names no roles at all.
      const roles = by === 'client' ? undefined : [role, 'user'].sort();
      const before = { roles, permissions: ['users:read'] };
      expect(rightsIn(pair)).toEqual(before);
      await grant(userId, 'admin');
      await harness.rows`INSERT INTO role_permissions (role, permission) VALUES (${role}, 'keys:manage')`;
      await harness.reload();
      const second = await refreshed(pair);
      expect(rightsIn(second)).toEqual(before);
      // The same for a repeated refresh within the grace window.
      expect(rightsIn(await refreshed(pair))).toEqual(before);
      expect(rightsIn(await refreshed(second))).toEqual(before);
    },
  );

  test('loses immediately what its user loses', async () => {
    const [client, userId] = [await harness.newClient(['tokens:issue']), await newUser()];
    await grant(userId, 'admin');
    const pair = await issue(client, { userId });
    await harness.rows`DELETE FROM user_roles WHERE user_id = ${userId} AND role = 'admin'`;
    expect(await outcomeOf(refreshed(pair))).toBe('session_ended');
  });

  test('by the process that signed the user in has all permissions of the user, like a pair of a session', async () => {
    const person = await newPerson(harness);
    const own = await issue(callerOf(person));
    const signedIn = await issue(testCaller, { userId: person.id });
    await grant(person.id, 'admin');
    await harness.reload();
    for (const pair of [own, signedIn]) expect(rightsIn(await refreshed(pair)).roles).toContain('admin');
  });
});

test('a retry with the same key gets the same family and creates nothing; another body is rejected', async () => {
  const [client, userId] = [await harness.newClient(['tokens:issue']), await newUser()];
  const input = { userId, idempotencyKey: 'retry-1' };
  const [first, second] = [await issue(client, input), await issue(client, input)];
  expect(second.refresh_token).toBe(first.refresh_token);
  expect(decodeJwt(second.access_token)).toEqual(decodeJwt(first.access_token));
  expect(await familiesOf(userId)).toHaveLength(1);
  expect(await outcomeOf(issue(client, { ...input, scope: 'openid' }))).toBe('idempotency_key_reused');
});

describe('a retry with the same key', () => {
  const HOUR_MS = 3_600_000;
  const clockBy = (byMs: number) => ({ now: () => Date.now() + byMs, monotonic: () => performance.now() });
  let kept = 0;
  /** A family whose stored claims have times of a clock that had just stepped, with the first response. */
  const stampedBy = async (byMs: number) => {
    const [client, userId] = [await harness.newClient(['tokens:issue']), await newUser()];
    kept += 1;
    const input = { userId, idempotencyKey: `stepped-${kept}` };
    const first = await outcomeOf(issue(client, input, { clock: clockBy(byMs) }));
    const [family] = await harness.rows`SELECT id FROM refresh_families WHERE user_id = ${userId}`;
    return { userId, familyId: family!.id as string, first, retry: () => issue(client, input) };
  };

  test.each([
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ])(
    'finds no stored response when the first copy knew that its clock was %s, because it could not sign',
    async (_, byMs) => {
      let stepMs = 0;
      const clock = { now: () => Date.now() + stepMs, monotonic: () => performance.now() };
      const copy = await harness.copyWith({}, harness.databaseUrl, clock);
      const [client, userId] = [await harness.newClient(['tokens:issue']), await newUser()];
      stepMs = byMs;
      const input = { userId, idempotencyKey: `wrong-${byMs}` };
      expect(await outcomeOf(issuePair(copy.ports, input, client))).toBe('signing_unavailable');
      expect(await familiesOf(userId)).toEqual([]);
      const { access_token } = await issue(client, input);
      expect(Math.abs((decodeJwt(access_token).iat as number) - now())).toBeLessThan(60);
      expect(await familiesOf(userId)).toHaveLength(1);
    },
  );

  test.each([
    ['ahead, so that no key could sign it', HOUR_MS, 'signing_unavailable'],
    ['behind, so that the token was dead', -HOUR_MS, 'ok'],
  ])('gets a new token of the same family if the first token’s times were an hour %s', async (_, byMs, outcome) => {
    const { userId, familyId, first, retry } = await stampedBy(byMs);
    expect(first).toBe(outcome);
    const again = await retry();
    const claims = decodeJwt(again.access_token);
    expect(claims).toMatchObject({ sub: userId, fid: familyId });
    expect(Math.abs((claims.iat as number) - now())).toBeLessThan(60);
    expect(decodeJwt((await retry()).access_token)).toEqual(claims);
    expect(await familiesOf(userId)).toHaveLength(1);
    expect(
      await outcomeOf(refreshToken(harness.ports, { refreshToken: again.refresh_token, presentedBy }, testCaller)),
    ).toBe('ok');
  });

  test('gets a token with the current facts of its user', async () => {
    const { userId, retry } = await stampedBy(-HOUR_MS);
    await harness.rows`UPDATE users SET email = ${`new-${userId}@people.test`} WHERE id = ${userId}`;
    expect(decodeJwt((await retry()).access_token).email).toBe(`new-${userId}@people.test`);
  });

  test.each<[string, (login: { userId: string; familyId: string }) => Promise<unknown>]>([
    ['was ended', ({ familyId }) => end('family_id', familyId)],
    ['was ended with all families of its user', ({ userId }) => end('user_id', userId)],
    [
      'was ended by a user epoch whose revocation has been deleted',
      async ({ userId }) => {
        await end('user_id', userId);
        await harness.rows`DELETE FROM revocations WHERE user_id = ${userId}`;
      },
    ],
    [
      'has expired',
      ({ familyId }) =>
        harness.rows`UPDATE refresh_families SET idle_expires_at = now() - interval '1 s' WHERE id = ${familyId}`,
    ],
    ['was deleted', ({ familyId }) => harness.rows`DELETE FROM refresh_families WHERE id = ${familyId}`],
  ])('is refused when its family %s', async (_, over) => {
    const login = await stampedBy(-HOUR_MS);
    await over(login);
    expect(await outcomeOf(login.retry())).toBe('session_ended');
  });

  test('is refused after its token was revoked by id', async () => {
    const [client, userId] = [await harness.newClient(['tokens:issue']), await newUser()];
    const input = { userId, idempotencyKey: 'revoked-by-id' };
    const { access_token } = await issue(client, input, { clock: clockBy(-600_000) });
    await end('token_id', decodeJwt(access_token).jti as string);
    expect(await outcomeOf(issue(client, input))).toBe('session_ended');
  });
});

test('a rewound database creates no family', async () => {
  const { revocations } = harness.ports;
  const rewound = { ...revocations, issuingRefusal: () => 'state_rewound' as const };
  const userId = await newUser();
  expect(await outcomeOf(issue(testCaller, { userId }, { revocations: rewound }))).toBe('state_rewound');
  expect(await familiesOf(userId)).toEqual([]);
});

const ISSUE = ['tokens:issue'];
const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'keys:read'];

const userIn = async (role: string): Promise<string> => {
  const userId = await newUser();
  await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${userId}, ${role})`;
  return userId;
};

/** An agent that may issue, of an owner who may. */
async function newAgent(): Promise<AgentCaller> {
  const ownerId = await userIn('issuers');
  const { clientId } = await harness.newClient(ISSUE, { scopes: SCOPES });
  await harness.rows`INSERT INTO agents (client_id, owner_id, expires_at)
    VALUES (${clientId}, ${ownerId}, clock_timestamp() + interval '1 day')`;
  await harness.reload();
  return agentCaller(clientId, ownerId, ISSUE);
}

/** Every form in which an agent can ask. */
const formsOf = ({ clientId, ownerId }: AgentCaller): readonly Caller[] => {
  const held = { clientId, permissions: new Set(ISSUE), authTime: Math.floor(Date.now() / 1_000) };
  return [
    agentCaller(clientId, ownerId, ISSUE),
    // At a copy that has not heard of the agent.
    clientCaller(clientId, ISSUE),
    userCaller(ownerId, { ...held, agentId: clientId }),
    userCaller(ownerId, held),
  ];
};

test('an agent issues a pair of its owner, which names the agent and no roles, also after a refresh', async () => {
  const agent = await newAgent();
  const pair = await issue(agent, { userId: agent.ownerId, scope: 'openid profile keys:read' });
  const claims = decodeJwt(pair.access_token);
  expect(claims).toMatchObject({ sub: agent.ownerId, act: { sub: agent.clientId }, permissions: ['keys:read'] });
  expect(claims).not.toHaveProperty('roles');
  const presented = { refreshToken: pair.refresh_token, presentedBy: { clientId: null, isAuthenticated: false } };
  const next = await refreshToken(harness.ports, presented, { kind: 'anonymous', request: agent.request });
  expect(decodeJwt(next.access_token)).not.toHaveProperty('roles');
});

test('a pair that a client issues names no roles, whatever its scope', async () => {
  const client = await harness.newClient(ISSUE);
  const { access_token } = await issue(client, { userId: await userIn('issuers'), scope: 'openid profile' });
  expect(decodeJwt(access_token)).not.toHaveProperty('roles');
});

test('an agent issues for no other user, in whatever form it asks', async () => {
  const agent = await newAgent();
  const victim = await userIn('admin');
  // A copy that has not heard of the agent learns of it in the transaction.
  for (const caller of formsOf(agent))
    expect(['agent_not_accepted', 'permission_missing']).toContain(
      await outcomeOf(issue(caller, { userId: victim, scope: 'openid' })),
    );
  expect(await familiesOf(victim)).toEqual([]);
  for (const caller of formsOf(agent))
    expect(await outcomeOf(issue(caller, { userId: agent.ownerId, scope: 'openid' }))).toBe('ok');
});

test.each([
  ['killed', 'UPDATE agents SET killed_at = now() WHERE client_id = $1'],
  ['expired', 'UPDATE agents SET expires_at = now() - make_interval(secs => 1) WHERE client_id = $1'],
  ['disabled', 'UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1'],
])('an agent that was %s issues nothing, even at a copy that does not know', async (_state, change) => {
  const agent = await newAgent();
  await harness.rows(change, [agent.clientId]);
  for (const caller of formsOf(agent))
    expect(await outcomeOf(issue(caller, { userId: agent.ownerId, scope: 'openid' }))).toBe('permission_missing');
  expect(await familiesOf(agent.ownerId)).toEqual([]);
});

describe.each([
  ['loses the role', `DELETE FROM user_roles WHERE user_id = $1 AND role = 'issuers'`],
  ['is disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
  ['is deleted', 'DELETE FROM users WHERE id = $1'],
])('an owner who %s between the request of the agent and the answer', (_what, change) => {
  test('no pair is issued, and none is repeated for an idempotency key', async () => {
    const agent = await newAgent();
    const { ownerId: userId } = agent;
    const input = { userId, scope: 'openid', idempotencyKey: `key-of-${userId}` };
    const request = () => issue(agent, input);
    const { main } = harness.stores.pools;
    expect(await outcomeOf(overtaken(main, userId, change, request))).toBe('permission_missing');
    // With its owner the agent is deleted too, which the copy may have learnt meanwhile.
    expect(await outcomeOf(request())).toMatch(/^(permission_missing|client_unauthenticated)$/);
    expect(await familiesOf(userId)).toEqual([]);
  });
});
