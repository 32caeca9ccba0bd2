import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import type { Caller } from '#services/core/ports.ts';
import { createRevocationSet } from '#services/core/revocations/revocation-set.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { newPerson, type Person, pairOf } from '#tools/testing/flows/people.ts';
import { quietLog, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { issueClientToken } from '../issue/issue-client-token.ts';
import { issuePair } from '../issue/issue-pair.ts';
import { openIssuingHarness } from '../issuing-harness.ts';
import { createFamily } from '../refresh/create-family.ts';
import { revokeOAuthToken } from './revoke-oauth-token.ts';
import { type RevokeInput, revokeToken } from './revoke-token.ts';

const harness = opened(openIssuingHarness);

type User = Extract<Caller, { kind: 'user' }>;
const callerOf = ({ id, sessionId, bearer }: Person, changes: Partial<User> = {}): User => ({
  kind: 'user',
  userId: id,
  sessionId,
  clientId: 'sallyport',
  permissions: new Set(),
  by: 'bearer',
  tokenId: decodeJwt(bearer).jti as string,
  familyId: decodeJwt(bearer).fid as string,
  authTime: Math.floor(Date.now() / 1_000),
  request: testCaller.request,
  ...changes,
});
const revoke = (caller: Caller, kind: RevokeInput['kind'], value: string) =>
  revokeToken(harness.ports, { kind, value, reason: 'test' }, caller);
const revocationsOf = (values: readonly string[]) =>
  harness.rows`SELECT kind, value, epoch::int FROM revocations WHERE value = ANY (${values}) ORDER BY id`;
const eventsOf = (actorId: string, outcome: string) =>
  harness.rows`SELECT type, target_kind, target_id FROM audit_outbox
    WHERE actor_id = ${actorId} AND outcome = ${outcome} ORDER BY id`;
const all = { permissions: new Set(['tokens:revoke']) };

describe('a target of the caller', () => {
  test.each(['token_id', 'session_id', 'family_id', 'user_id'] as const)(
    '%s: its user can end it without a permission',
    async (kind) => {
      const person = await newPerson(harness);
      const caller = callerOf(person);
      const value = {
        token_id: caller.tokenId as string,
        session_id: person.sessionId,
        family_id: caller.familyId as string,
        user_id: person.id,
      }[kind];
      const { epoch } = await revoke(caller, kind, value);
      const ended = { token_id: 'jti', session_id: 'sid', family_id: 'family', user_id: 'user' }[kind];
      expect(await revocationsOf([value])).toContainEqual({ kind: ended, value, epoch });
      expect(harness.ports.revocations.state().epoch).toBeGreaterThanOrEqual(epoch);
    },
  );

  test('user_id ends every session too, because a live session would get new tokens at once', async () => {
    const person = await newPerson(harness);
    await revoke(callerOf(person), 'user_id', person.id);
    expect(await harness.rows`SELECT 1 FROM sessions WHERE "userId" = ${person.id}`).toEqual([]);
    await expect(pairOf(harness, person)).rejects.toMatchObject({ code: 'session_ended' });
  });

  test('token: the revocation has its reason; a second one keeps the first reason', async () => {
    const person = await newPerson(harness);
    const { tokenId } = callerOf(person);
    const first = await revoke(callerOf(person), 'token', person.bearer);
    expect(await revoke(callerOf(person), 'token', person.bearer)).toEqual(first);
    expect(await eventsOf(person.id, 'ok')).toContainEqual({
      type: 'token.revoked',
      target_kind: 'token',
      target_id: tokenId,
    });
  });

  test('an API key can revoke nothing; a token of another client only what was issued to that client', async () => {
    const person = await newPerson(harness);
    const familyId = decodeJwt(person.bearer).fid as string;
    for (const changes of [{ by: 'api_key' }, { clientId: 'elsewhere' }] as const)
      expect(await outcomeOf(revoke(callerOf(person, changes), 'family_id', familyId))).toBe('permission_missing');
    for (const [changes, kind, value] of [
      [{ by: 'api_key' }, 'user_id', person.id],
      [{ by: 'api_key' }, 'token', person.refreshToken],
      [{ clientId: 'elsewhere' }, 'user_id', person.id],
    ] as const)
      expect(await outcomeOf(revoke(callerOf(person, changes), kind, value))).toBe('permission_missing');
    const client = await harness.newClient(['tokens:issue']);
    const pair = await issuePair(harness.ports, { userId: person.id }, client);
    const through = callerOf(person, { clientId: client.clientId });
    expect(await outcomeOf(revoke(through, 'token', pair.access_token))).toBe('ok');
  });

  test('a client can revoke its client-credentials tokens, but not a user’s token family at the client', async () => {
    const person = await newPerson(harness);
    const client = await harness.newClient(['tokens:issue']);
    const own = await issueClientToken(harness.ports, {}, client);
    expect(await outcomeOf(revoke(client, 'token', own.access_token))).toBe('ok');
    const pair = await issuePair(harness.ports, { userId: person.id }, client);
    expect(await outcomeOf(revoke(client, 'token', pair.access_token))).toBe('permission_missing');
  });
});

describe('a target of another user', () => {
  test('is refused alike whether the target exists or not; the refusal is recorded and nothing ends', async () => {
    const [person, other] = [await newPerson(harness), await newPerson(harness)];
    const { fid, jti } = decodeJwt(other.bearer) as { fid: string; jti: string };
    const asked = [
      ['token', other.bearer],
      ['token_id', jti],
      ['session_id', other.sessionId],
      ['family_id', fid],
      ['user_id', other.id],
      ['client_id', 'sallyport'],
      ['session_id', randomUUID()],
      ['family_id', 'not a UUID'],
      ['user_id', randomUUID()],
    ] as const;
    for (const [kind, value] of asked)
      expect(await outcomeOf(revoke(callerOf(person), kind, value)), kind).toBe('permission_missing');
    expect(await revocationsOf([jti, fid, other.sessionId, other.id, 'sallyport'])).toEqual([]);
    const refused = await eventsOf(person.id, 'refused');
    expect(refused.map(({ target_id }) => target_id)).toEqual(
      expect.arrayContaining([`jti:${jti}`, `sid:${other.sessionId}`, `family:${fid}`, `user:${other.id}`]),
    );
    expect(refused).toHaveLength(asked.length);
    expect(await outcomeOf(revoke({ kind: 'anonymous', request: testCaller.request }, 'token_id', jti))).toBe(
      'permission_missing',
    );
  });

  test('is ended by a caller with tokens:revoke; a user with it needs a recent sign-in', async () => {
    const [person, other] = [await newPerson(harness), await newPerson(harness)];
    expect(await outcomeOf(revoke(callerOf(person, { ...all, authTime: 1 }), 'user_id', other.id))).toBe(
      'step_up_required',
    );
    expect(await revocationsOf([other.id])).toEqual([]);
    const { epoch } = await revoke(callerOf(person, all), 'user_id', other.id);
    expect(await revocationsOf([other.id])).toEqual([{ kind: 'user', value: other.id, epoch }]);
    const service = await harness.newClient(['tokens:revoke']);
    expect(await outcomeOf(revoke(service, 'session_id', (await newPerson(harness)).sessionId))).toBe('ok');
  });

  test('an unknown user or client is 404 only for a caller with the permission', async () => {
    expect(await outcomeOf(revoke(testCaller, 'user_id', randomUUID()))).toBe('user_unknown');
    expect(await outcomeOf(revoke(testCaller, 'client_id', randomUUID()))).toBe('client_unknown');
  });

  test('client_id ends the token families at the client and its client-credentials tokens', async () => {
    const client = await harness.newClient();
    await revoke(testCaller, 'client_id', client.clientId);
    expect(await revocationsOf([client.clientId])).toMatchObject([{ kind: 'client' }]);
  });
});

test('RFC 7009 §2.2: an unknown or ended target is no error, and nothing is written', async () => {
  const person = await newPerson(harness);
  const caller = callerOf(person, all);
  const { epoch } = harness.ports.revocations.state();
  expect(await revoke(caller, 'token', 'not.a.token')).toEqual({ epoch });
  const familyId = randomUUID();
  expect(await outcomeOf(revoke(caller, 'family_id', familyId))).toBe('ok');
  expect(await outcomeOf(revoke(caller, 'family_id', 'not a UUID'))).toBe('ok');
  expect(await revocationsOf([familyId, 'not a UUID'])).toEqual([]);
});

test('revoking a session whose row is already deleted still ends its token families and tokens', async () => {
  const sessionId = randomUUID();
  const { epoch } = await revoke(testCaller, 'session_id', sessionId);
  expect(await revocationsOf([sessionId])).toEqual([{ kind: 'sid', value: sessionId, epoch }]);
});

describe('RFC 7009: a client', () => {
  const loginOf = async () => {
    const [person, client] = [await newPerson(harness), await harness.newClient(['tokens:issue'])];
    const pair = await issuePair(harness.ports, { userId: person.id }, client);
    const { jti, fid } = decodeJwt(pair.access_token) as { jti: string; fid: string };
    return { pair, client, jti, fid };
  };
  const end = (token: string, client: Extract<Caller, { kind: 'client' }>) =>
    revokeOAuthToken(harness.ports, token, client.clientId, client);

  test('can end a token family by its refresh token, and an access token by sending it', async () => {
    const { pair, client, jti, fid } = await loginOf();
    await end(pair.access_token, client);
    expect(await revocationsOf([jti, fid])).toMatchObject([{ kind: 'jti', value: jti }]);
    await end(pair.refresh_token, client);
    expect(await revocationsOf([fid])).toMatchObject([{ kind: 'family', value: fid }]);
  });

  test('cannot end a token of another client, which stays valid; the attempt is recorded', async () => {
    const [{ pair, jti, fid }, thief] = [await loginOf(), await harness.newClient()];
    for (const token of [pair.access_token, pair.refresh_token])
      expect(await outcomeOf(end(token, thief))).toBe('token_of_another_client');
    expect(await revocationsOf([jti, fid])).toEqual([]);
    expect((await eventsOf(thief.clientId, 'refused')).map(({ target_id }) => target_id)).toEqual([
      `jti:${jti}`,
      `family:${fid}`,
    ]);
  });

  test('learns nothing about an unknown token: neither random text nor a token of a deleted family is an error', async () => {
    const { pair, client, fid } = await loginOf();
    await harness.rows`DELETE FROM refresh_families WHERE id = ${fid}`;
    await end(pair.refresh_token, client);
    await end('rubbish', client);
    expect(await eventsOf(client.clientId, 'refused')).toEqual([]);
  });
});

/** Revocations that this process has counted. */
const counted = (): number =>
  registry
    .collect()
    .filter(({ name }) => name === 'sallyport_token_revocations')
    .flatMap(({ series }) => series.filter(({ labels }) => labels.outcome === 'ok'))
    .reduce((sum, { value }) => sum + value, 0);

test('a dry run refuses what the revocation refuses, and ends nothing', async () => {
  const [owner, other] = [await newPerson(harness), await newPerson(harness)];
  const dry = (caller: Caller, value: string) =>
    outcomeOf(revokeToken(harness.ports, { kind: 'token', value, reason: 'test', isDryRun: true }, caller));
  const live = () => harness.rows`SELECT revoked_at FROM refresh_families WHERE user_id = ${owner.id} ORDER BY id`;
  const before = await live();
  const atFirst = counted();
  expect(await dry(callerOf(owner), owner.refreshToken)).toBe('ok');
  expect(await dry(callerOf(other), owner.refreshToken)).toBe('permission_missing');
  expect(await outcomeOf(revoke(callerOf(other), 'token', owner.refreshToken))).toBe('permission_missing');
  const gone = { kind: 'user_id', value: randomUUID(), reason: 'test' } as const;
  for (const isDryRun of [true, false])
    expect(await outcomeOf(revokeToken(harness.ports, { ...gone, isDryRun }, testCaller))).toBe('user_unknown');
  expect(counted() - atFirst).toBe(0);
  expect(await live()).toEqual(before);
  expect(await harness.rows`SELECT 1 FROM revocations WHERE user_id = ${owner.id}`).toEqual([]);
  expect(await outcomeOf(revoke(callerOf(owner), 'token', owner.refreshToken))).toBe('ok');
  expect(await harness.rows`SELECT kind FROM revocations WHERE user_id = ${owner.id}`).toEqual([{ kind: 'family' }]);
  expect(counted() - atFirst).toBe(1);
});

const end = (kind: RevokeInput['kind'], value: string, changes: Partial<Parameters<typeof revokeToken>[0]> = {}) =>
  revokeToken({ ...harness.ports, ...changes }, { kind, value, reason: 'test' }, testCaller);
const kindsOf = (userId: string) => harness.rows`SELECT kind FROM revocations WHERE user_id = ${userId}`;

/** A token family that only its client can refresh. */
const boundFamily = ({ id: userId }: Person) =>
  harness.ports.transact((tx) =>
    createFamily(
      tx,
      harness.ports,
      {
        user_id: userId,
        session_id: null,
        client_id: 'sallyport',
        is_client_bound: true,
        scope: 'openid',
        audience: 'https://a.test',
        auth_time: 1,
      },
      testCaller,
    ),
  );

test.each([
  ['any client may present', async (person: Person) => person.refreshToken],
  ['only its client can present', async (person: Person) => (await boundFamily(person)).refresh_token],
])('a refresh token that %s ends its family, for each caller that may end it', async (_whose, tokenOf) => {
  const person = await newPerson(harness);
  const refreshToken = await tokenOf(person);
  await end('token', refreshToken);
  expect(await kindsOf(person.id)).toEqual([{ kind: 'family' }]);
});

test('a refresh token that was not issued here ends nothing', async () => {
  const person = await newPerson(harness);
  const changed = person.refreshToken.at(-2) === 'A' ? 'B' : 'A';
  await end('token', person.refreshToken.slice(0, -2) + changed + person.refreshToken.at(-1));
  expect(await kindsOf(person.id)).toEqual([]);
});

/** A fake revocation memory that only the test fills; it also shows whether a caller still waits for news. */
function memoryOfItsOwn() {
  const memory = createRevocationSet({ clock: systemClock, log: quietLog, stalenessBoundMs: 60_000, budget: 1_000 });
  memory.reset(harness.ports.revocations.state().incarnation);
  const confirm = (epoch: number): void => memory.confirm(epoch, systemClock.monotonic(), systemClock.now());
  confirm(0);
  const asked = Promise.withResolvers<void>();
  let waiting = 0;
  const onConfirmed: typeof memory.onConfirmed = (listener) => {
    waiting += 1;
    const stop = memory.onConfirmed(listener);
    asked.resolve();
    return () => {
      waiting -= 1;
      stop();
    };
  };
  const ports = { revocations: { ...memory, onConfirmed }, announceRevocations: () => {} };
  return { ports, confirm, asked: asked.promise, waiting: () => waiting };
}

test('the response waits until this copy has read the revocation, and no longer', async () => {
  const memory = memoryOfItsOwn();
  const answer = end('token_id', randomUUID(), memory.ports);
  await memory.asked;
  memory.confirm(0);
  expect(memory.waiting()).toBe(1);
  memory.confirm(Number.MAX_SAFE_INTEGER);
  expect(memory.waiting()).toBe(0);
  const { epoch } = await answer;
  await expect.poll(() => harness.ports.revocations.state().epoch).toBeGreaterThanOrEqual(epoch);
});

test('a copy that cannot read still answers: the row is committed, and the response has its epoch', async () => {
  const memory = memoryOfItsOwn();
  const tokenId = randomUUID();
  const { epoch } = await end('token_id', tokenId, memory.ports);
  expect([memory.ports.revocations.state().epoch, memory.waiting()]).toEqual([0, 0]);
  expect(await harness.rows`SELECT epoch::int FROM revocations WHERE value = ${tokenId}`).toEqual([{ epoch }]);
});
