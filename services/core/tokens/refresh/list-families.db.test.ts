import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { insertSession, insertUser } from '#tools/testing/fixtures/families.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { openIssuingHarness } from '../issuing-harness.ts';
import { createFamily, type NewFamily } from './create-family.ts';
import { endFamiliesOfUserAtClient } from './end-family.ts';
import { countFamilies, familiesOfSessions } from './list-families.ts';

const harness = opened(openIssuingHarness);

const newUser = () => insertUser(harness.stores.pools.main);
const newSession = (userId: string) => insertSession(harness.stores.pools.main, userId);
const login = async (family: Partial<NewFamily> & { user_id: string }): Promise<string> => {
  const all = { session_id: null, client_id: 'sallyport', is_client_bound: false, audience: 'a', auth_time: 1 };
  const made = { ...all, scope: 'openid', device: { name: 'Laptop' }, ...family };
  return (await harness.ports.transact((tx) => createFamily(tx, harness.ports, made, testCaller))).family_id;
};
const endAt = (userId: string, clientId: string) =>
  harness.ports.transact((tx) => endFamiliesOfUserAtClient(tx, { userId, clientId }, 'consent_withdrawn', testCaller));
const liveOf = (userId: string) => countFamilies(harness.ports, userId);

test('lists the live families of the given sessions, without replaced or expired ones', async () => {
  const [userId, { clientId }] = [await newUser(), await harness.newClient()];
  const [first, second, empty] = [await newSession(userId), await newSession(userId), await newSession(userId)];
  await login({ user_id: userId, session_id: first });
  const ours = await login({ user_id: userId, session_id: first });
  const theirs = await login({ user_id: userId, session_id: first, client_id: clientId });
  const over = await login({ user_id: userId, session_id: second });
  await harness.rows`UPDATE refresh_families SET idle_expires_at = now() - interval '1 second' WHERE id = ${over}`;
  const logins = await familiesOfSessions(harness.ports, [first, second, empty]);
  expect([...logins.keys()]).toEqual([first]);
  expect(logins.get(first)).toMatchObject([
    { family_id: ours, client_id: 'sallyport', scope: 'openid', device: { name: 'Laptop' } },
    { family_id: theirs, client_id: clientId },
  ]);
});

test('sends no query for an empty list of sessions', async () => {
  const sql = { query: () => Promise.reject(new Error('asked')) };
  expect(await familiesOfSessions({ sql }, [])).toEqual(new Map());
});

test('counts a user’s live families, with or without a session, but not ended or expired ones', async () => {
  const userId = await newUser();
  expect(await liveOf(userId)).toBe(0);
  await login({ user_id: userId });
  await login({ user_id: userId, session_id: await newSession(userId) });
  const over = await login({ user_id: userId });
  expect(await liveOf(userId)).toBe(3);
  await harness.rows`UPDATE refresh_families SET expires_at = now() - interval '1 second' WHERE id = ${over}`;
  expect(await liveOf(userId)).toBe(2);
  await endAt(userId, 'sallyport');
  expect(await liveOf(userId)).toBe(0);
});

test('ending a user’s families at one client ends their access tokens with one event; those at other clients stay live', async () => {
  const [userId, other, { clientId }] = [await newUser(), await newUser(), await harness.newClient()];
  const both = { user_id: userId, client_id: clientId };
  const ended = [await login(both), await login(both)];
  await login({ user_id: userId });
  await login({ user_id: other, client_id: clientId });
  expect(await endAt(userId, clientId)).toBe(2);
  expect([await liveOf(userId), await liveOf(other)]).toEqual([1, 1]);
  const revoked = await harness.rows`SELECT value, reason FROM revocations WHERE user_id = ${userId} ORDER BY value`;
  expect(revoked).toEqual(ended.sort().map((value) => ({ value, reason: 'consent_withdrawn' })));
  const events = await harness.rows`SELECT target_id, detail FROM audit_outbox
    WHERE type = 'token.family_ended' AND detail->>'user_id' = ${userId}`;
  expect(events).toEqual([
    { target_id: clientId, detail: { user_id: userId, reason: 'consent_withdrawn', families: 2 } },
  ]);
});

test('ending the families of a user without any at the client writes nothing', async () => {
  const [userId, clientId] = [await newUser(), randomUUID()];
  expect(await endAt(userId, clientId)).toBe(0);
  expect(await harness.rows`SELECT 1 FROM audit_outbox WHERE target_id = ${clientId}`).toEqual([]);
});
