import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { Clock, Sql } from '../ports.ts';
import { type KeyHarness, openKeyHarness, ringSettings } from './key-harness.ts';
import { createKeyRing, type KeyRing } from './key-ring.ts';
import { readJwks } from './read-jwks.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';

let harness: KeyHarness;
let ports: KeyHarness['ports'];
beforeAll(async () => {
  harness = await openKeyHarness();
  ports = harness.ports;
});
afterAll(() => harness?.close());
beforeEach(() => harness.empty());

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
