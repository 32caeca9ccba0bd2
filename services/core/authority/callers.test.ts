import { expect, test } from 'vitest';
import type { Audience } from '#services/platform/define/endpoint.ts';
import { agentCaller, callerAt, clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { assertIsFor } from './audience.ts';
import {
  actingAgentOf,
  assertHolds,
  authenticatedClientOf,
  clientOf,
  holds,
  isByApiKey,
  isVettedClient,
  permissionsOf,
  personOf,
  sessionOf,
  userOf,
} from './callers.ts';
import {
  actorIdOf,
  actorKindOf,
  actorNameOf,
  clientIdOf,
  credentialNameOf,
  limitNameOf,
  principalOf,
} from './names.ts';

const user = userCaller('u', { by: 'session', sessionId: 's' });
const held = userCaller('u', { clientId: 'a', actingId: 'a', agentId: 'a' });
const client = clientCaller('c');
const agent = agentCaller('a', 'u');
const others: readonly Caller[] = [testCaller, callerAt('192.0.2.1')];

test('a user’s token that an agent holds acts for the user, but is not the user in person', () => {
  expect([[user, held].map(userOf), [user, held].map(personOf)]).toEqual([
    [user, held],
    [user, null],
  ]);
  expect([user, held, agent, client].map(actingAgentOf)).toEqual([null, 'a', 'a', null]);
  for (const caller of [client, agent, ...others]) expect([userOf(caller), personOf(caller)]).toEqual([null, null]);
});

test('a client or agent acts for itself only without a user', () => {
  expect([client, agent].map((caller) => clientOf(caller)?.clientId)).toEqual(['c', 'a']);
  for (const caller of [user, held, ...others]) {
    expect([clientOf(caller), authenticatedClientOf(caller), isVettedClient(caller)]).toEqual([null, null, false]);
    expect(actingAgentOf(caller)).toBe(caller === held ? 'a' : null);
  }
});

test('only its own credentials authenticate a client: its token or API key does not get it another token', () => {
  for (const by of ['secret', 'assertion', 'certificate'] as const)
    expect(
      [
        { ...client, by },
        { ...agent, by },
      ].map(authenticatedClientOf),
    ).toEqual(['c', 'a']);
  for (const by of ['bearer', 'mcp', 'api_key'] as const)
    expect(
      [
        { ...client, by },
        { ...agent, by },
      ].map(authenticatedClientOf),
    ).toEqual([null, null]);
});

test('an agent is vetted, as only an administrator registers it; a client may have registered itself', () =>
  expect([client, agent, { ...client, isVetted: false }].map(isVettedClient)).toEqual([true, true, false]));

test('a session and an API key are told from the other credentials', () => {
  expect([user, held, client].map(sessionOf)).toEqual(['s', null, null]);
  const by = 'api_key' as const;
  const all = [user, { ...user, by }, { ...agent, by }, ...others];
  expect(all.map(isByApiKey)).toEqual([false, true, true, false, false]);
});

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const withPermissions = (...permissions: string[]): Caller => clientCaller('c', permissions);

test('a caller cannot grant permissions the caller lacks, whatever it may manage', () => {
  expect(() => assertHolds(withPermissions('roles:manage', 'keys:read'), ['keys:read'])).not.toThrow();
  expect(() => assertHolds(withPermissions('roles:manage'), [])).not.toThrow();
  expect(() => assertHolds(withPermissions('roles:manage'), ['keys:manage', 'audit:read', 'keys:manage'])).toThrow(
    expect.objectContaining({
      code: 'rights_exceeded',
      options: expect.objectContaining({ detail: 'You do not have audit:read, keys:manage.' }),
    }),
  );
  expect(() => assertHolds({ kind: 'anonymous', request }, ['keys:read'])).toThrow();
  expect(() => assertHolds({ kind: 'system', name: 'sallyport roles', request }, ['keys:manage'])).not.toThrow();
});

test('a permission is held by the credential that has it, by the process itself, and never by an anonymous caller', () => {
  const all = ['keys:read'];
  for (const caller of [
    withPermissions(...all),
    agentCaller('a', 'o', all),
    userCaller('u', { permissions: new Set(all) }),
  ]) {
    expect([holds(caller, 'keys:read'), holds(caller, 'keys:manage')]).toEqual([true, false]);
    expect([...permissionsOf(caller)]).toEqual(all);
  }
  expect(holds({ kind: 'system', name: 'sallyport', request }, 'keys:manage')).toBe(true);
  expect(holds({ kind: 'anonymous', request }, 'keys:read')).toBe(false);
});

const callers = {
  user: userCaller('x', { clientId: 'c' }),
  client: clientCaller('x'),
  agent: agentCaller('x', 'owner'),
  system: testCaller,
  anonymous: callerAt('192.0.2.1'),
};

const named = (name: (caller: Caller) => unknown) =>
  Object.fromEntries(Object.entries(callers).map(([kind, caller]) => [kind, name(caller)]));

test('rows and reports name an agent as the client that it is in OAuth', () => {
  const same = { user: 'user', client: 'client', agent: 'client', system: 'system', anonymous: 'anonymous' };
  expect(named(actorKindOf)).toEqual(same);
  expect(named(actorIdOf)).toEqual({ user: 'x', client: 'x', agent: 'x', system: 'test', anonymous: null });
  expect(named(actorNameOf)).toEqual({
    user: 'user:x',
    client: 'client:x',
    agent: 'client:x',
    system: 'system:test',
    anonymous: 'anonymous',
  });
  expect(named(clientIdOf)).toEqual({ user: 'c', client: 'x', agent: 'x', system: null, anonymous: null });
});

test('a user and a client with the same id are two owners and have two limits; other callers own nothing', () => {
  const client = { kind: 'client', id: 'x', clientId: 'x' };
  expect(named(principalOf)).toEqual({
    user: { kind: 'user', id: 'x', clientId: 'c' },
    client,
    agent: client,
    system: null,
    anonymous: null,
  });
  expect(named(limitNameOf)).toEqual({
    user: 'user x',
    client: 'client x',
    agent: 'client x',
    system: '',
    anonymous: '',
  });
});

test('a client keeps its idempotency keys when it changes its method of authentication, but not by a token or API key', () => {
  const by = (credential: 'secret' | 'assertion' | 'certificate' | 'bearer' | 'api_key') =>
    credentialNameOf({ ...callers.client, by: credential });
  expect(by('secret')).toBe('client\0x\0client');
  expect(new Set([by('secret'), by('assertion'), by('certificate')]).size).toBe(1);
  expect(new Set([by('secret'), by('bearer'), by('api_key')]).size).toBe(3);
  expect(credentialNameOf(callers.agent)).toBe(by('secret'));
  expect(credentialNameOf(callers.user)).toBe('user\0x\0\0c\0bearer');
  expect([credentialNameOf(callers.system), credentialNameOf(callers.anonymous)]).toEqual(['system', null]);
});

const CALLERS: Record<string, Caller> = {
  person: userCaller('u'),
  delegated: userCaller('u', { clientId: 'a', actingId: 'a', agentId: 'a' }),
  key: userCaller('u', { by: 'api_key' }),
  client: clientCaller('c'),
  agent: agentCaller('a', 'u'),
  system: testCaller,
  anonymous: callerAt('192.0.2.1'),
};

function codeOf(caller: Caller, audience: Audience): string {
  try {
    assertIsFor(caller, audience);
    return 'ok';
  } catch (err) {
    return (err as { code: string }).code;
  }
}

test.each([
  ['anyone', ['person', 'delegated', 'key', 'client', 'agent', 'system', 'anonymous']],
  ['user', ['person', 'delegated']],
  ['person', ['person']],
  ['owner', ['person', 'client', 'agent']],
  ['agent', ['agent']],
] as const)('an endpoint for %s is for no other caller', (audience, admitted) => {
  for (const [name, caller] of Object.entries(CALLERS)) {
    const refusal = name === 'key' ? 'api_key_not_accepted' : 'permission_missing';
    const expected = (admitted as readonly string[]).includes(name) ? 'ok' : refusal;
    expect([name, codeOf(caller, audience)]).toEqual([name, expected]);
  }
});
