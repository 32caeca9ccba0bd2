import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '#services/core/access/access-directory.ts';
import { ASSERTION_TYPE } from '#services/core/access/assertion-shapes.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { type AssertionChanges, newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { PATIENCE_MS, testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { ISSUER, tokenHarness } from '#tools/testing/harness/token.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { type AssertionPorts, authenticateAssertion } from './authenticate-assertion.ts';
import { createClientKeySets, KeysNotRead } from './client-key-sets.ts';
import { createUsedAssertions } from './used-assertions.ts';

const maker = newAssertionMaker();
const later = newAssertionMaker();
const stores = opened(() => openTestPorts());
let ports: AssertionPorts;
let published: readonly object[];
let monotonicMs = 0;

const client = (changes: Partial<Client>): Client =>
  ({
    clientId: 'c',
    auth_method: 'private_key_jwt',
    disabled: false,
    jwks: JSON.stringify({ keys: [maker.jwk] }),
    jwks_uri: null,
    credential_scopes: ['tokens:read', 'tasks:read'],
    origin: 'admin',
    workload: null,
    ...changes,
  }) as Client;

const clients = new Map(
  [
    client({}),
    client({ clientId: 'other' }),
    client({ clientId: 'off', disabled: true }),
    client({ clientId: 'secret', auth_method: 'client_secret_basic' }),
    client({ clientId: 'remote', jwks: null, jwks_uri: 'https://app.example/keys', origin: 'registration' }),
  ].map((each) => [each.clientId, each]),
);

beforeEach(() => {
  published = [maker.jwk];
  monotonicMs = 0;
  ports = {
    clock: stores.clock,
    usedAssertions: createUsedAssertions({ hotSql: stores.sql, clock: stores.clock }, true, PATIENCE_MS),
    tokenSettings: tokenHarness().ports.tokenSettings,
    confirmNewest: async () => {},
    access: { client: (id: string) => clients.get(id), permissions: () => new Set(['tokens:read']) } as never,
    clientKeySets: createClientKeySets(
      { clock: { monotonic: () => monotonicMs }, allowsPrivate: false },
      async () => new Response(JSON.stringify({ keys: published })),
    ),
  };
});

const send = (assertion: string, clientId?: string) =>
  authenticateAssertion(ports, { type: ASSERTION_TYPE, assertion, clientId }, testCaller.request);
const signed = (changes: AssertionChanges = {}, clientId = 'c', by = maker) => by.assertion(clientId, ISSUER, changes);
const detailOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (err: unknown) => (isAppError(err) ? (err.options.detail ?? 'no detail') : String(err)),
  );

test('the client acts with the permissions among its client-credentials scopes', async () => {
  expect(await send(await signed(), 'c')).toEqual({
    kind: 'client',
    clientId: 'c',
    permissions: new Set(['tokens:read']),
    by: 'assertion',
    isVetted: true,
    request: testCaller.request,
  });
  expect(await send(await signed({}, 'remote'))).toMatchObject({ clientId: 'remote', isVetted: false });
});

describe('an assertion works once', () => {
  test.each([
    ['in one statement', true],
    ['in statements of their own', false],
  ])('replay: of many concurrent uses %s one is accepted, and none afterwards', async (_how, groupCommit) => {
    ports = {
      ...ports,
      usedAssertions: createUsedAssertions({ hotSql: stores.sql, clock: stores.clock }, groupCommit, PATIENCE_MS),
    };
    const assertion = await signed();
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => outcomeOf(send(assertion))));
    expect(outcomes.sort()).toEqual([...Array(7).fill('client_unauthenticated'), 'ok']);
    expect(await detailOf(send(assertion))).toMatch(/jti was used/);
  });

  test('another assertion with the same jti is the same, but for another client it is not', async () => {
    const claims = { jti: 'one' };
    expect(await outcomeOf(send(await signed({ claims })))).toBe('ok');
    expect(await outcomeOf(send(await signed({ claims })))).toBe('client_unauthenticated');
    expect(await outcomeOf(send(await signed({ claims }, 'other')))).toBe('ok');
  });

  test('an assertion whose caller has left before it is used up is refused, and uses up no jti', async () => {
    const assertion = await signed();
    const sent = { type: ASSERTION_TYPE, assertion, clientId: undefined };
    const left = { ...testCaller.request, hasLeft: true };
    expect(await outcomeOf(authenticateAssertion(ports, sent, left))).toBe('store_unavailable');
    expect(await outcomeOf(send(assertion))).toBe('ok');
  });

  test('an assertion that is refused uses up no jti', async () => {
    const claims = { jti: 'kept' };
    const forged = await signed({ claims, key: later.privateKey });
    expect(await outcomeOf(send(forged))).toBe('client_unauthenticated');
    expect(await detailOf(send(await signed({ claims: { ...claims, aud: [ISSUER] } })))).toMatch(/^aud/);
    expect(await outcomeOf(send(await signed({ claims })))).toBe('ok');
  });

  test('the used jti is kept for longer than the assertion could be accepted', async () => {
    await stores.raw`DELETE FROM client_assertions`;
    await send(await signed({ claims: { exp: Math.floor(Date.now() / 1_000) + 600 } }));
    const [row] = await stores.raw<{ seconds: number }>`SELECT extract(epoch FROM expires_at - now())::float8 AS seconds
      FROM client_assertions`;
    expect(row!.seconds).toBeGreaterThan(630);
  });

  test('without Postgres it is refused with 503', async () => {
    const failing = { query: () => Promise.reject(Object.assign(new Error('down'), { code: 'store_unavailable' })) };
    ports = {
      ...ports,
      usedAssertions: createUsedAssertions({ hotSql: failing, clock: stores.clock }, true, PATIENCE_MS),
    };
    expect(await outcomeOf(send(await signed()))).toBe('store_unavailable');
  });
});

test('forgery: alg none, the public key as a secret, another key and another client are refused alike', async () => {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const seconds = Math.floor(Date.now() / 1_000);
  const claims = { iss: 'c', sub: 'c', aud: ISSUER, exp: seconds + 60, jti: 'x' };
  for (const [name, assertion] of [
    ['alg none', `${encode({ alg: 'none', kid: maker.jwk.kid })}.${encode(claims)}.AAAA`],
    ['HS256', await signed({ header: { alg: 'HS256' }, key: Buffer.from(JSON.stringify(maker.jwk)) })],
    ['another key under this kid', await signed({ key: later.privateKey })],
    ['another key and kid', await signed({}, 'c', later)],
    ['no client of this name', await signed({}, 'unknown')],
    ['a disabled client', await signed({}, 'off')],
    ['a client with a secret', await signed({}, 'secret')],
    ['no token', 'x'],
  ] as const) {
    expect(await outcomeOf(send(assertion)), name).toBe('client_unauthenticated');
    expect(await detailOf(send(assertion)), name).toBe('no detail');
  }
  expect(await outcomeOf(send(await signed(), 'other'))).toBe('client_unauthenticated');
});

describe('keys at an address', () => {
  test('a new key is accepted after the cool-down, a removed one is refused', async () => {
    const by = (signer: typeof maker, header: object = {}) =>
      signed({ header: { ...header } }, 'remote', signer).then((assertion) => outcomeOf(send(assertion)));
    expect(await by(maker)).toBe('ok');
    published = [later.jwk];
    expect(await by(later), 'the set cannot be read again yet').toBe('client_keys_unavailable');
    monotonicMs += 30_000;
    expect(await by(later)).toBe('ok');
    expect(await by(maker)).toBe('client_keys_unavailable');
    published = [maker.jwk];
    monotonicMs += 30_000;
    expect(await by(maker, { kid: undefined }), 'without kid').toBe('ok');
    published = [later.jwk];
    monotonicMs += 30_000;
    expect(await by(maker, { kid: 'unknown' }), 'no key of either set').toBe('client_unauthenticated');
  });

  test('no usable keys and too many fetches are 503', async () => {
    published = [];
    expect(await outcomeOf(send(await signed({}, 'remote')))).toBe('client_keys_unavailable');
    const busy = async () => new KeysNotRead('busy', 5);
    ports = { ...ports, clientKeySets: { ...ports.clientKeySets, decideByKeys: busy } };
    expect(await outcomeOf(send(await signed({}, 'remote')))).toBe('client_keys_busy');
  });
});
