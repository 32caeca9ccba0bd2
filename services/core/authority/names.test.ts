import { expect, test } from 'vitest';
import { agentCaller, callerAt, clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import {
  actorIdOf,
  actorKindOf,
  actorNameOf,
  clientIdOf,
  credentialNameOf,
  limitNameOf,
  principalOf,
} from './names.ts';

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
