import { expect, test } from 'vitest';
import { agentCaller, callerAt, clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
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

const user = userCaller('u', { by: 'session', sessionId: 's' });
const held = userCaller('u', { clientId: 'a', actingId: 'a', agentId: 'a' });
const client = clientCaller('c');
const agent = agentCaller('a', 'u');
const others: readonly Caller[] = [testCaller, callerAt('192.0.2.1')];

test('a user’s token that an agent holds acts for the user, but is not the user in person', () => {
  expect([user, held].map(userOf)).toEqual([user, held]);
  expect([user, held].map(personOf)).toEqual([user, null]);
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
