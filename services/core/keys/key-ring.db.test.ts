import { generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import type { Clock, Sql } from '../ports.ts';
import { compromiseKey } from './compromise-key.ts';
import { KEY_AUDIENCE, KEY_SECRET, keySettings, openKeyHarness, ringSettings } from './key-harness.ts';
import { KeyMaterialError } from './key-material.ts';
import { createKeyRing, type KeyRing } from './key-ring.ts';
import { readJwks } from './read-jwks.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';

const harness = opened(() => openKeyHarness());
const ports = partOf(() => harness.ports);
beforeEach(() => harness.empty());

const claimsFor = (seconds: number, nowMs = Date.now()) => ({
  sub: 'u1',
  aud: KEY_AUDIENCE,
  exp: Math.floor(nowMs / 1_000) + seconds,
});
const kidOf = (token: string): string | undefined => decodeProtectedHeader(token).kid;

describe.each(['RS256', 'ES256', 'EdDSA'] as const)('%s', (alg) => {
  test('a fresh database uses the configured algorithm, and jose verifies its tokens with the key set alone', async () => {
    const ring = await harness.startRing(alg);
    const token = await ring.sign({ typ: 'at+jwt' }, claimsFor(900));
    const keySet = createLocalJWKSet(JSON.parse(ring.jwks().body));
    const { payload, protectedHeader } = await jwtVerify(token, keySet, { algorithms: [alg], typ: 'at+jwt' });
    expect([payload.sub, protectedHeader]).toEqual(['u1', { alg, kid: ring.list()[0]?.kid, typ: 'at+jwt' }]);
  });

  test('the key set has public members only', async () => {
    const { keys } = JSON.parse((await harness.startRing(alg)).jwks().body) as { keys: Record<string, string>[] };
    const members = { RS256: ['n', 'e'], ES256: ['crv', 'x', 'y'], EdDSA: ['crv', 'x'] }[alg];
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual(['kty', 'use', 'alg', 'kid', ...members].sort());
    expect(keys).toMatchObject([{ use: 'sig', alg }]);
  });
});

describe('HS256 mode', () => {
  test('access tokens are signed with the secret of their audience; everything else with the asymmetric key', async () => {
    const ring = await harness.startRing('HS256');
    const access = await ring.sign({ typ: 'at+jwt' }, claimsFor(900));
    const secret = new TextEncoder().encode(KEY_SECRET);
    await expect(jwtVerify(access, secret, { algorithms: ['HS256'], typ: 'at+jwt' })).resolves.toBeDefined();
    const alg = async (typ: string, audience?: string) =>
      decodeProtectedHeader(await ring.sign({ typ }, { sub: 'u1' }, audience === undefined ? undefined : { audience }))
        .alg;
    expect(await alg('at+jwt', KEY_AUDIENCE)).toBe('HS256');
    expect(await alg('at+jwt', 'https://other.example.test')).toBe('RS256');
    expect([await alg('at+jwt'), await alg('JWT', KEY_AUDIENCE)]).toEqual(['RS256', 'RS256']);
    expect(await alg('revocations+jwt')).toBe('RS256');
  });

  test('a shared secret is never in the key set and verifies for its audience only', async () => {
    const ring = await harness.startRing('HS256');
    const kid = kidOf(await ring.sign({ typ: 'at+jwt' }, claimsFor(900))) ?? '';
    expect(ring.jwks().body).not.toContain(kid);
    expect(JSON.parse(ring.jwks().body).keys).toMatchObject([{ kty: 'RSA' }]);
    expect(ring.find(kid)?.key).toMatchObject({ alg: 'HS256', audience: KEY_AUDIENCE });
  });

  test('a compromised shared secret verifies nothing: its bytes are destroyed', async () => {
    const ring = await harness.startRing('HS256');
    const kid = kidOf(await ring.sign({ typ: 'at+jwt' }, claimsFor(900))) ?? '';
    await compromiseKey(ports, { kid, reason: 'leaked' }, testCaller);
    await ring.load();
    expect(ring.find(kid)).toBeUndefined();
    const token = await ring.sign({ typ: 'at+jwt' }, claimsFor(900));
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'HS256' });
    expect(kidOf(token)).not.toBe(kid);
  });
});

test('every typ gets its header, however many there are', async () => {
  const ring = await harness.startRing();
  for (let index = 0; index < 20; index += 1)
    expect(decodeProtectedHeader(await ring.sign({ typ: `type-${index}` }, {})).typ).toBe(`type-${index}`);
});

describe('look-up', () => {
  test('a hostile kid matches no key and reaches neither file nor statement', async () => {
    await harness.start();
    let queries = 0;
    const counting: Sql = {
      query: (statement, values) => {
        queries += 1;
        return ports.sql.query(statement, values);
      },
    };
    const ring = createKeyRing({ ...ports, sql: counting }, ringSettings());
    expect(ring.find('anything')).toBeUndefined();
    await ring.load();
    queries = 0;
    const hostile = ['../../dev/null', "' OR 1=1--", '{"not":""}', '__proto__', 'constructor', '', 'k'.repeat(10_240)];
    for (const kid of hostile) expect(ring.find(kid)).toBeUndefined();
    expect(ring.find(undefined as unknown as string)).toBeUndefined();
    expect(queries).toBe(0);
  });

  test('a key object survives a reload, so that results cached by key stay valid', async () => {
    const ring = await harness.startRing();
    const kid = ring.list()[0]?.kid ?? '';
    const before = ring.find(kid)?.key.key;
    await rotateSigningKeys(ports, {}, testCaller);
    await ring.load();
    expect(ring.find(kid)?.key.key).toBe(before);
    await expect(ring.sign({ typ: 'at+jwt' }, claimsFor(900))).resolves.toBeDefined();
  });

  test('a key that the feed names as compromised signs nothing more; loaded again, another signs and it has left the key set', async () => {
    const kid = (await harness.startRing()).list()[0]?.kid ?? '';
    const ring = createKeyRing({ ...ports, isKeyRevoked: (named) => named === kid }, ringSettings('EdDSA'));
    await ring.load();
    await compromiseKey(ports, { kid, reason: 'leaked' }, testCaller);
    await expect(ring.sign({ typ: 'at+jwt' }, claimsFor(900))).rejects.toMatchObject({ code: 'signing_unavailable' });
    await ring.load();
    expect([ring.find(kid)?.compromised, ring.jwks().body.includes(kid)]).toEqual([true, false]);
    expect(kidOf(await ring.sign({ typ: 'at+jwt' }, claimsFor(900)))).not.toBe(kid);
  });

  test('an RSA key below 2048 bits in the database is rejected at load', async () => {
    await harness.start(keySettings({ algorithm: 'RS256' }));
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    await ports.raw`UPDATE jwks SET "publicKey" = ${JSON.stringify(publicKey.export({ format: 'jwk' }))}`;
    await expect(createKeyRing(ports, ringSettings()).load()).rejects.toThrow(KeyMaterialError);
  });

  test('a database sealed under another key-encryption key gives an error at load', async () => {
    await harness.start();
    const stranger = createTestPorts(harness.databaseUrl, { keyEncryptionKey: Buffer.alloc(32, 9) });
    const ring = createKeyRing(stranger, ringSettings());
    await expect(ring.load()).rejects.toThrow(/sealed under another key-encryption key/);
    await stranger.end();
    expect(ring.isFresh()).toBe(false);
    expect(ring.state()).toMatchObject({ version: -1, ageMs: Number.POSITIVE_INFINITY });
    expect(() => ring.jwks()).toThrow('signing_unavailable');
    await expect(ring.sign({ typ: 'at+jwt' }, {})).rejects.toMatchObject({ code: 'signing_unavailable' });
  });
});

describe('the change of signers', () => {
  test('two copies with one clock change over in the same millisecond, without a reload', async () => {
    let at = Date.now();
    const frozen: Clock = { now: () => at, monotonic: () => performance.now() };
    await harness.start();
    const { key: next } = await rotateSigningKeys(ports, {}, testCaller);
    const copies = [
      createKeyRing({ ...ports, clock: frozen }, ringSettings()),
      createKeyRing({ ...ports, clock: frozen }, ringSettings()),
    ];
    await Promise.all(copies.map((copy) => copy.load()));
    const current = copies[0]?.list().find((key) => key.state === 'active')?.kid;
    const boundary = Date.parse(next.activates_at);
    const kids = async (): Promise<(string | undefined)[]> => {
      // Elapsed time, not a clock step.
      for (const copy of copies) copy.confirm(copy.state().version, frozen.monotonic(), at);
      return Promise.all(copies.map(async (copy) => kidOf(await copy.sign({ typ: 'at+jwt' }, claimsFor(900, at)))));
    };
    at = boundary - 1;
    expect(await kids()).toEqual([current, current]);
    at = Date.parse(next.published_at) - 10 * 60_000;
    await expect(kids()).rejects.toMatchObject({ code: 'signing_unavailable' });
    at = boundary;
    expect(await kids()).toEqual([next.kid, next.kid]);
  });

  test('the old key stays in the key set until its last token has expired, then leaves it without a reload', async () => {
    let at = Date.now();
    const clock: Clock = { now: () => at, monotonic: () => at };
    await harness.start();
    await rotateSigningKeys(ports, {}, testCaller);
    const ring = createKeyRing({ ...ports, clock }, ringSettings());
    await ring.load();
    const [old, next] = ring.list();
    const kids = (): string[] => JSON.parse(ring.jwks().body).keys.map((key: { kid: string }) => key.kid);
    const tag = ring.jwks().etag;
    expect(kids()).toEqual([old?.kid, next?.kid]);
    // By the database's clock, whatever this copy's says.
    at = Date.parse(old?.leaves_at ?? '') + ring.state().clockOffsetMs - 1;
    expect(kids()).toEqual([old?.kid, next?.kid]);
    expect(ring.find(old?.kid ?? '')).toBeDefined();
    at += 2;
    expect(kids()).toEqual([next?.kid]);
    expect(ring.find(old?.kid ?? '')).toBeUndefined();
    expect(ring.jwks().etag).not.toBe(tag);
  });

  test('a token that would outlive its published key is not signed', async () => {
    const ring = await harness.startRing();
    await expect(ring.sign({ typ: 'at+jwt' }, claimsFor(902))).rejects.toMatchObject({
      code: 'signing_unavailable',
      cause: expect.any(RangeError),
    });
    await expect(ring.sign({ typ: 'at+jwt' }, claimsFor(900))).resolves.toBeDefined();
  });

  test('without a signer nothing is signed', async () => {
    const ring = await harness.startRing();
    await ports.raw`DELETE FROM jwks`;
    await ring.load();
    await expect(ring.sign({ typ: 'at+jwt' }, {})).rejects.toMatchObject({ code: 'signing_unavailable' });
  });
});

describe('server secrets', () => {
  test('a new version is known immediately, used after its hold period, and old versions still open what they made', async () => {
    let at = Date.now();
    const clock: Clock = { now: () => at, monotonic: () => at };
    await harness.start();
    const { activates_at: activatesAt } = await rotateServerSecret(ports, { purpose: 'refresh' }, testCaller);
    const ring = createKeyRing({ ...ports, clock }, ringSettings());
    await ring.load();
    expect(ring.secretVersion('refresh', 2)).toHaveLength(32);
    expect(ring.secret('refresh').version).toBe(1);
    at = activatesAt + ring.state().clockOffsetMs - 1;
    expect(ring.secret('refresh').version).toBe(1);
    at += 2;
    expect(ring.secret('refresh')).toEqual({ version: 2, key: ring.secretVersion('refresh', 2), activatesAt });
    expect(ring.secretVersion('refresh', 1)).toHaveLength(32);
    expect(ring.secretVersion('refresh', 3)).toBeUndefined();
    expect(ring.secret('csrf').key.equals(ring.secret('pepper').key)).toBe(false);
  });

  test('a destroyed version opens nothing, and a purpose without any version is a defect with a clear error', async () => {
    const ring = await harness.startRing();
    await ports.raw`UPDATE server_secrets SET secret = '' WHERE purpose = 'csrf'`;
    await ports.raw`INSERT INTO server_secrets (purpose, version, secret) VALUES ('unknown-purpose', 1, '')`;
    await ring.load();
    expect(ring.secretVersion('csrf', 1)).toBeUndefined();
    expect(() => ring.secret('csrf')).toThrow('ensureKeys has not run');
  });
});

/** The system's clocks, moved by the test: `wall` for steps, `both` for elapsed time. */
const movedClock = () => {
  const moved = { wall: 0, both: 0 };
  let stood: { readonly wall: number; readonly monotonic: number } | undefined;
  const clock: Clock = {
    now: () => (stood?.wall ?? Date.now()) + moved.wall + moved.both,
    monotonic: () => (stood?.monotonic ?? performance.now()) + moved.both,
  };
  /** Stops the clocks from the first call on and moves them until the ring is this old. */
  const makeAge = (ring: KeyRing, ageMs: number): void => {
    stood ??= { wall: Date.now(), monotonic: performance.now() };
    moved.both += ageMs - ring.state().ageMs;
  };
  return { moved, clock, makeAge };
};

describe('freshness', () => {
  test('a ring older than its bound stops signing; a poll that confirms its version makes it fresh again', async () => {
    const { clock, makeAge } = movedClock();
    const ring = await harness.startRing('EdDSA', clock);
    makeAge(ring, 29_999);
    await expect(ring.sign({ typ: 'at+jwt' }, {})).resolves.toBeDefined();
    makeAge(ring, 30_001);
    expect(ring.isFresh()).toBe(false);
    await expect(ring.sign({ typ: 'at+jwt' }, {})).rejects.toMatchObject({ code: 'signing_unavailable' });
    expect(ring.confirm(ring.state().version)).toBe(true);
    await expect(ring.sign({ typ: 'at+jwt' }, {})).resolves.toBeDefined();
  });

  test('a poll with another version confirms nothing; an older poll does not make the ring older', async () => {
    const { moved, clock } = movedClock();
    const ring = await harness.startRing('EdDSA', clock);
    moved.both = 20_000;
    expect(ring.confirm(ring.state().version + 1)).toBe(false);
    expect(ring.state().ageMs).toBeGreaterThan(19_000);
    expect(ring.confirm(ring.state().version, clock.monotonic())).toBe(true);
    expect(ring.confirm(ring.state().version, clock.monotonic() - 15_000)).toBe(true);
    expect(ring.state().ageMs).toBeLessThan(15_000);
  });

  test.each([
    ['ahead', 15_000],
    ['behind', -15_000],
  ])('a copy whose clock is more than 5 s %s of the database does not sign', async (_, wall) => {
    const { moved, clock } = movedClock();
    moved.wall = wall;
    const ring = await harness.startRing('EdDSA', clock);
    expect(ring.isFresh()).toBe(false);
    expect(Math.sign(ring.state().clockOffsetMs)).toBe(Math.sign(wall));
    await expect(ring.sign({ typ: 'at+jwt' }, {})).rejects.toMatchObject({ code: 'signing_unavailable' });
    moved.wall = 0;
    await expect(ring.sign({ typ: 'at+jwt' }, {})).resolves.toBeDefined();
  });

  test('a clock step is noticed before the next poll, and accepted once the poll agrees', async () => {
    const { moved, clock } = movedClock();
    const ring = await harness.startRing('EdDSA', clock);
    moved.wall = 2 * 86_400_000;
    await expect(ring.sign({ typ: 'at+jwt' }, {})).rejects.toMatchObject({ code: 'signing_unavailable' });
    // Simulates a suspended machine: the monotonic clock has stopped, and the wall clock is right.
    ring.confirm(ring.state().version, clock.monotonic(), clock.now());
    expect(ring.isFresh()).toBe(true);
  });

  test('loads requested during a load share the next one', async () => {
    await harness.start();
    let versionReads = 0;
    const counting: Sql = {
      query: (statement, values) => {
        if (statement.name === 'keysVersionRead') versionReads += 1;
        return ports.sql.query(statement, values);
      },
    };
    const ring = createKeyRing({ ...ports, sql: counting }, ringSettings());
    await Promise.all(Array.from({ length: 10 }, () => ring.load()));
    expect(versionReads).toBe(2);
  });

  test('a failed load leaves the ring unchanged, and the waiting load runs', async () => {
    await harness.start();
    let failures = 0;
    const failing: Sql = {
      query: (statement, values) => {
        failures -= 1;
        return failures >= 0 ? Promise.reject(new Error('down')) : ports.sql.query(statement, values);
      },
    };
    const ring = createKeyRing({ ...ports, sql: failing }, ringSettings());
    await ring.load();
    failures = 1;
    const failed = ring.load();
    const waited = ring.load();
    await expect(failed).rejects.toThrow('down');
    await expect(waited).resolves.toBeUndefined();
    await expect(ring.sign({ typ: 'at+jwt' }, {})).resolves.toBeDefined();
  });
});

describe('the key set over HTTP caches', () => {
  test('max-age is jittered, never above the setting, and shorter by the age of the ring', async () => {
    const { clock, makeAge } = movedClock();
    const ring = await harness.startRing('EdDSA', clock);
    makeAge(ring, 0);
    const ages = Array.from({ length: 200 }, () => ring.jwks().maxAgeSeconds);
    expect(Math.max(...ages)).toBeLessThanOrEqual(300);
    expect(Math.min(...ages)).toBeGreaterThanOrEqual(239);
    expect(new Set(ages).size).toBeGreaterThan(10);
    makeAge(ring, 290_000);
    expect(ring.jwks().maxAgeSeconds).toBeLessThanOrEqual(10);
    makeAge(ring, 400_000);
    expect(ring.jwks().maxAgeSeconds).toBe(0);
  });

  test('a client with the current ETag gets 304 without a body', async () => {
    const ring = await harness.startRing();
    const first = readJwks({ keyRing: ring }, { ifNoneMatch: undefined });
    expect(first).toMatchObject({ status: 200, body: ring.jwks().body });
    expect(first.headers['cache-control']).toMatch(/^public, max-age=\d+$/);
    expect(readJwks({ keyRing: ring }, { ifNoneMatch: first.headers.etag })).toMatchObject({ status: 304, body: null });
    await rotateSigningKeys(ports, {}, testCaller);
    await ring.load();
    expect(readJwks({ keyRing: ring }, { ifNoneMatch: first.headers.etag }).status).toBe(200);
  });
});
