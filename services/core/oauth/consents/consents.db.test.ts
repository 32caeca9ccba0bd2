import { expect, test } from 'vitest';
import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import {
  anonymousCaller,
  challengeOf,
  type GrantClient,
  newVerifier,
  openGrantHarness,
  REDIRECT,
} from '../grant-harness.ts';
import { redeemAuthorizationCode } from '../redeem-code.ts';
import { listApplicationConsents, listGrantedConsents } from './list-consents.ts';
import { endConsentsSince, withdrawApplicationConsent, withdrawConsent } from './withdraw-consent.ts';

const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);

const callerOf = ({ id, sessionId }: TestUser): Caller =>
  userCaller(id, { sessionId, by: 'session', authTime: 1_700_000_000 });
/** Signs the user in at this client with an authorization code. */
async function signInAt(user: TestUser, client: GrantClient): Promise<void> {
  const codeVerifier = newVerifier();
  const code = await harness.codeFor(user, client, { code_challenge: challengeOf(codeVerifier) });
  const input = { code, redirectUri: REDIRECT, codeVerifier, resource: undefined, keys: {} };
  await redeemAuthorizationCode(
    ports,
    { ...input, client: { clientId: client.clientId, isAuthenticated: true } },
    client.caller,
  );
}
const listed = async (user: TestUser) => (await listGrantedConsents(ports, { limit: 10 }, callerOf(user))).consents;
const eventsOf = (clientId: string) =>
  harness.rows`SELECT detail FROM audit_outbox WHERE type = 'oauth.consent_withdrawn' AND client_id = ${clientId}`;

test('a user sees the user’s own consents, with scopes and number of token families, and no other user’s', async () => {
  const [user, other, client] = [await harness.newUser(), await harness.newUser(), await harness.newClient()];
  await signInAt(user, client);
  await harness.rows`UPDATE refresh_families SET copy_uses = 7 WHERE user_id = ${user.id}`;
  expect(await listed(user)).toEqual([
    {
      client_id: client.clientId,
      client_name: 'Tasks',
      client_origin: 'admin',
      scopes: ['email', 'openid'],
      authorization_details: [],
      audiences: [ports.tokenSettings.audience],
      granted_at: expect.stringMatching(/^\d{4}-/),
      logins: 1,
      copy_uses: 7,
    },
  ]);
  expect(await listed(other)).toEqual([]);
});

test('a list longer than one page continues where the page ended', async () => {
  const user = await harness.newUser();
  const ids: string[] = [];
  for (let made = 0; made < 3; made += 1) {
    const client = await harness.newClient();
    await harness.codeFor(user, client);
    ids.push(client.clientId);
  }
  const first = await listGrantedConsents(ports, { limit: 2 }, callerOf(user));
  const second = await listGrantedConsents(ports, { limit: 2, cursor: first.next as string }, callerOf(user));
  expect([...first.consents, ...second.consents].map(({ client_id }) => client_id)).toEqual(ids.sort());
  expect([first.consents.length, second.next]).toEqual([2, null]);
});

test('a withdrawal ends consents, unredeemed codes and every token family, with an event (CVE-2026-43983, Pocket ID: refresh tokens went on after the user withdrew the consent)', async () => {
  const [user, other, client] = [await harness.newUser(), await harness.newUser(), await harness.newClient()];
  await signInAt(user, client);
  await harness.codeFor(user, client);
  await harness.codeFor(other, client);
  await withdrawConsent(ports, { client_id: client.clientId }, callerOf(user));
  expect(await listed(user)).toEqual([]);
  const of = (table: string) => harness.rows(`SELECT user_id FROM ${table} WHERE client_id = $1`, [client.clientId]);
  expect(await of('oauth_codes')).toEqual([{ user_id: other.id }]);
  expect(await of('oauth_consents')).toEqual([{ user_id: other.id }]);
  const families = 'SELECT revoke_reason FROM refresh_families WHERE user_id = $1 AND client_id = $2';
  expect(await harness.rows(families, [user.id, client.clientId])).toEqual([{ revoke_reason: 'consent_withdrawn' }]);
  expect(await eventsOf(client.clientId)).toEqual([{ detail: { logins: 1 } }]);
});

test('an unknown or withdrawn consent cannot be withdrawn, nor can the first-party client', async () => {
  const [user, client] = [await harness.newUser(), await harness.newClient()];
  for (const clientId of [client.clientId, 'unknown', 'sallyport'])
    expect(await outcomeOf(withdrawConsent(ports, { client_id: clientId }, callerOf(user)))).toBe('consent_unknown');
  expect(await eventsOf(client.clientId)).toEqual([]);
});

test('only users have consents', async () => {
  const { caller, clientId } = await harness.newClient();
  await expect(listGrantedConsents(ports, { limit: 1 }, caller)).rejects.toMatchObject({ code: 'permission_missing' });
  expect(await outcomeOf(withdrawConsent(ports, { client_id: clientId }, anonymousCaller))).toBe('permission_missing');
});

test('the response to an incident ends consents granted since the sign-in, and keeps earlier ones', async () => {
  const [user, before, after] = [await harness.newUser(), await harness.newClient(), await harness.newClient()];
  await harness.codeFor(user, before);
  await harness.codeFor(user, after);
  await harness.rows`UPDATE oauth_consents SET granted_at = now() - interval '1 hour'
    WHERE user_id = ${user.id} AND client_id = ${before.clientId}`;
  const since = new Date(Date.now() - 1_800_000).toISOString();
  await ports.transact((tx) => endConsentsSince(tx, { userId: user.id, since }, 'stolen_session', anonymousCaller));
  expect((await listed(user)).map(({ client_id }) => client_id)).toEqual([before.clientId]);
  expect(await eventsOf(after.clientId)).toEqual([{ detail: { user_id: user.id, reason: 'stolen_session' } }]);
  expect(await eventsOf(before.clientId)).toEqual([]);
});

test('an administrator sees and withdraws the consents of a user, with the reason in the log; those of others do not change', async () => {
  const [user, other, client] = [await harness.newUser(), await harness.newUser(), await harness.newClient()];
  await signInAt(user, client);
  await harness.codeFor(other, client);
  expect((await listApplicationConsents(ports, { user_id: user.id, limit: 10 })).consents).toEqual(await listed(user));
  const given = { user_id: user.id, client_id: client.clientId, reason: 'phished' };
  await withdrawApplicationConsent(ports, given, testCaller);
  expect([await listed(user), (await listed(other)).length]).toEqual([[], 1]);
  expect(await eventsOf(client.clientId)).toEqual([{ detail: { user_id: user.id, reason: 'phished', logins: 1 } }]);
  const again = (changes: object) => outcomeOf(withdrawApplicationConsent(ports, { ...given, ...changes }, testCaller));
  expect(await again({})).toBe('consent_unknown');
  expect(await again({ user_id: 'nobody' })).toBe('user_unknown');
  expect(await again({ user_id: other.id, client_id: FIRST_PARTY_CLIENT_ID })).toBe('consent_unknown');
  expect(await outcomeOf(listApplicationConsents(ports, { user_id: 'nobody', limit: 10 }))).toBe('user_unknown');
});
