import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { advanceKeyRing } from './advance-key-ring.ts';
import { compromiseKey } from './compromise-key.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import { type KeyRow, keySettings, openKeyHarness, SKEW_MS } from './key-harness.ts';
import type { KeyRing } from './key-ring.ts';
import { readKeyWarnings } from './key-warnings.ts';
import { listKeys, readSignedAlgorithms } from './list-keys.ts';
import { makeReplacements, replaceAllKeys } from './replace-all-keys.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';

const DAY_SECONDS = 86_400;
const HOLD_SECONDS = 60 + SKEW_MS / 1_000;

const harness = opened(openKeyHarness);
beforeEach(() => harness.empty());

const withAdditional = (
  additionalAlgorithms: EnsureKeysSettings['keys']['additionalAlgorithms'],
  changes: Partial<EnsureKeysSettings['keys']> = {},
): EnsureKeysSettings => keySettings({ additionalAlgorithms, ...changes });
const rowsOf = async (purpose: string): Promise<KeyRow[]> =>
  (await harness.keyRows()).filter((row) => row.purpose === purpose);
const signed = () => readSignedAlgorithms(harness.ports);
const claims = () => ({ sub: 'u', exp: Math.floor(Date.now() / 1_000) + 600 });
const algOf = (token: string): string => decodeProtectedHeader(token).alg ?? '';
const kidOf = (token: string): string => decodeProtectedHeader(token).kid ?? '';
const verifies = (ring: KeyRing, token: string) =>
  jwtVerify(token, createLocalJWKSet(JSON.parse(ring.jwks().body)), { typ: 'at+jwt' });
const sign = (ring: KeyRing, algorithm?: 'RS256' | 'ES256' | 'EdDSA') =>
  ring.sign({ typ: 'at+jwt' }, claims(), { algorithm });

describe('the keys of an additional algorithm', () => {
  test('exist once however many copies start together, and sign at once where no verifier has cached a key set', async () => {
    const copies = Array.from({ length: 6 }, () => createTestPorts(harness.databaseUrl));
    const results = await Promise.all(copies.map((copy) => ensureKeys(copy, withAdditional(['ES256']), testCaller)));
    await Promise.all(copies.map((copy) => copy.end()));
    expect(results.flatMap(({ created }) => created)).toHaveLength(2);
    expect((await listKeys(harness.ports)).map(({ purpose, alg, state }) => [purpose, alg, state]).sort()).toEqual([
      ['access', 'EdDSA', 'active'],
      ['access:ES256', 'ES256', 'active'],
    ]);
    expect(await signed()).toEqual(['ES256', 'EdDSA']);
    expect((await harness.start(withAdditional(['ES256']))).created).toEqual([]);
  });

  test('added later are published for the whole hold period before they sign, and clients cannot be registered before', async () => {
    await harness.start();
    const { created } = await harness.start(withAdditional(['ES256']));
    const [row] = await rowsOf('access:ES256');
    expect(created).toEqual([row?.id]);
    expect((row?.from ?? 0) - (row?.published ?? 0)).toBe(HOLD_SECONDS * 1_000);
    const ring = await harness.startRing('EdDSA', undefined, ['ES256']);
    expect(ring.jwks().body).toContain(row?.id);
    expect([await signed(), ring.signedAlgorithms()]).toEqual([['EdDSA'], ['EdDSA']]);
    const refusal = {
      code: 'signing_unavailable',
      options: { detail: 'The client is registered for ES256, and no ES256 key signs here.' },
    };
    await expect(sign(ring, 'ES256')).rejects.toMatchObject(refusal);
    expect(() => ring.assertSigns({ typ: 'at+jwt' }, { algorithm: 'ES256' })).toThrow(
      expect.objectContaining({ code: 'signing_unavailable' }),
    );
    await harness.age(HOLD_SECONDS);
    await ring.load();
    expect(ring.signedAlgorithms()).toEqual(['ES256', 'EdDSA']);
    expect(algOf(await sign(ring, 'ES256'))).toBe('ES256');
  });

  test('sign for the clients that are registered for it only, and one key set verifies all tokens', async () => {
    const ring = await harness.startRing('RS256', undefined, ['ES256', 'EdDSA']);
    expect(ring.signedAlgorithms()).toEqual(['RS256', 'ES256', 'EdDSA']);
    for (const [asked, alg] of [
      [undefined, 'RS256'],
      ['RS256', 'RS256'],
      ['ES256', 'ES256'],
      ['EdDSA', 'EdDSA'],
    ] as const) {
      const token = await sign(ring, asked);
      expect(algOf(token)).toBe(alg);
      await verifies(ring, token);
      expect(ring.find(kidOf(token))).toMatchObject({ compromised: false, key: { alg } });
    }
  });

  test('need no second key where the additional algorithm is the default', async () => {
    const { created } = await harness.start(withAdditional(['EdDSA']));
    expect(created).toHaveLength(1);
    expect(await harness.keyRows()).toHaveLength(1);
  });

  test('take precedence over the shared secret of HS256 mode', async () => {
    const ring = await harness.startRing('HS256', undefined, ['ES256']);
    const audience = { audience: 'https://api.example.test' };
    expect(algOf(await ring.sign({ typ: 'at+jwt' }, claims(), audience))).toBe('HS256');
    expect(algOf(await ring.sign({ typ: 'at+jwt' }, claims(), { ...audience, algorithm: 'ES256' }))).toBe('ES256');
    expect(ring.signedAlgorithms()).toEqual(['RS256', 'ES256']);
  });

  test('a database that no API has started on signs with nothing', async () => expect(await signed()).toEqual([]));
});

describe('rotation', () => {
  beforeEach(() => harness.start(withAdditional(['ES256'])));

  test('of one algorithm leaves the keys of the other alone', async () => {
    const [access] = await rowsOf('access');
    const { outcome, key } = await rotateSigningKeys(harness.ports, { algorithm: 'ES256' }, testCaller);
    expect([outcome, key.alg, key.purpose]).toEqual(['publish', 'ES256', 'access:ES256']);
    const [current, next] = await rowsOf('access:ES256');
    expect(next).toMatchObject({ id: key.kid, from: current?.until, until: null });
    expect((next?.from ?? 0) - (next?.published ?? 0)).toBe(HOLD_SECONDS * 1_000);
    expect(await rowsOf('access')).toEqual([access]);
    expect(await signed()).toEqual(['ES256', 'EdDSA']);
    expect(await rotateSigningKeys(harness.ports, { algorithm: 'EdDSA' }, testCaller)).toMatchObject({
      outcome: 'publish',
      key: { purpose: 'access' },
    });
  });

  test('of an algorithm that does not sign here is refused', async () => {
    const refusal = { code: 'signing_algorithm_refused', options: { detail: 'No RS256 key signs here.' } };
    await expect(rotateSigningKeys(harness.ports, { algorithm: 'RS256' }, testCaller)).rejects.toMatchObject(refusal);
    expect(await harness.keyRows()).toHaveLength(2);
  });

  test('by the job follows the dates of each algorithm, once however many workers run', async () => {
    await rotateSigningKeys(harness.ports, { algorithm: 'ES256' }, testCaller);
    // Due in the hold period: the default key. The ES256 key that follows the first one signs 80 s longer.
    await harness.age(30 * DAY_SECONDS - 65);
    const workers = () => Promise.all(Array.from({ length: 4 }, () => advanceKeyRing(harness.ports, testCaller)));
    const first = await workers();
    const [, next] = await rowsOf('access');
    expect(first.flatMap(({ published }) => published)).toEqual([next?.id]);
    expect((await rowsOf('access:ES256')).map(({ privateKey }) => privateKey !== '')).toEqual([false, true]);
    await harness.age(80);
    const second = await workers();
    const es = await rowsOf('access:ES256');
    expect(second.flatMap(({ published }) => published)).toEqual([es[2]?.id]);
    expect(es.map(({ alg }) => alg)).toEqual(['ES256', 'ES256', 'ES256']);
    expect(es[2]).toMatchObject({ from: es[1]?.until, until: null });
    expect(await rowsOf('access')).toHaveLength(2);
  });

  test('does not bring back an algorithm that a start stops meanwhile', async () => {
    const { transact } = harness.ports;
    const stopsFirst: typeof transact = async (work) => {
      await harness.start();
      return transact(work);
    };
    const attempt = rotateSigningKeys({ ...harness.ports, transact: stopsFirst }, { algorithm: 'ES256' }, testCaller);
    await expect(attempt).rejects.toMatchObject({ code: 'signing_algorithm_refused' });
    expect((await rowsOf('access:ES256')).map(({ until }) => until !== null)).toEqual([true]);
  });

  test('by the job goes on when a start stops an algorithm meanwhile', async () => {
    await harness.age(31 * DAY_SECONDS);
    const { transact } = harness.ports;
    let transactions = 0;
    // The first transaction rotates the default key, the second would rotate the ES256 key.
    const stopsBetween: typeof transact = async (work) => {
      transactions += 1;
      if (transactions === 2) await harness.start();
      return transact(work);
    };
    const { published } = await advanceKeyRing({ ...harness.ports, transact: stopsBetween }, testCaller);
    expect(published).toEqual([(await rowsOf('access'))[1]?.id]);
    expect((await rowsOf('access:ES256')).map(({ until }) => until !== null)).toEqual([true]);
  });

  test('that is overdue is named with its algorithm', async () => {
    await harness.age(31 * DAY_SECONDS);
    await advanceKeyRing(harness.ports, testCaller);
    expect(await readKeyWarnings(harness.ports)).toEqual([]);
    await harness.empty();
    await harness.start(withAdditional(['ES256']));
    await harness.age(31 * DAY_SECONDS);
    await rotateSigningKeys(harness.ports, {}, testCaller);
    expect(await readKeyWarnings(harness.ports)).toEqual([
      'The active ES256 key has signed for longer than KEY_ROTATION_DAYS=30: start a worker, or run sallyport keys rotate --algorithm ES256',
    ]);
  });
});

describe('a compromise', () => {
  test.each([
    ['ES256', 'EdDSA'],
    ['EdDSA', 'ES256'],
  ] as const)(
    'of the %s key leaves the tokens of the %s key valid and replaces it with one of its algorithm',
    async (lost, kept) => {
      const ring = await harness.startRing('EdDSA', undefined, ['ES256']);
      const [dead, live] = [await sign(ring, lost), await sign(ring, kept)];
      const { signer } = await compromiseKey(harness.ports, { kid: kidOf(dead), reason: 'leaked' }, testCaller);
      expect(signer).toMatchObject({ alg: lost, state: 'active' });
      await ring.load();
      expect(ring.find(kidOf(dead))).toMatchObject({ compromised: true });
      expect(ring.find(kidOf(live))).toMatchObject({ compromised: false });
      await verifies(ring, live);
      await expect(verifies(ring, dead)).rejects.toThrow('no applicable key');
      const next = await sign(ring, lost);
      expect([algOf(next), kidOf(next)]).toEqual([lost, signer?.kid]);
      expect(kidOf(await sign(ring, kept))).toBe(kidOf(live));
    },
  );

  test('of a first key in its hold period is replaced by one that signs when the key would have', async () => {
    await harness.start();
    await harness.start(withAdditional(['ES256']));
    const [first] = await rowsOf('access:ES256');
    const input = { kid: first?.id ?? '', reason: 'leaked' };
    const { signer, notice } = await compromiseKey(harness.ports, input, testCaller);
    expect(signer).toBeNull();
    expect(notice).toContain('The replacement signs when the key would have');
    const next = (await rowsOf('access:ES256')).find(({ id }) => id !== first?.id);
    expect(next).toMatchObject({ from: first?.from, until: null, alg: 'ES256' });
    await harness.age(HOLD_SECONDS);
    const ring = await harness.startRing('EdDSA', undefined, ['ES256']);
    expect(kidOf(await sign(ring, 'ES256'))).toBe(next?.id);
  });

  test('of everything replaces each key with one of its algorithm', async () => {
    await harness.start(withAdditional(['ES256']));
    const replacements = await makeReplacements(harness.ports);
    await harness.ports.transact((tx) => replaceAllKeys(harness.ports, tx, replacements, 'restored', testCaller));
    const fresh = (await listKeys(harness.ports)).filter(({ state }) => state === 'active');
    expect(fresh.map(({ purpose, alg }) => [purpose, alg]).sort()).toEqual([
      ['access', 'EdDSA'],
      ['access:ES256', 'ES256'],
    ]);
  });
});

describe('an algorithm that the settings no longer list', () => {
  test('stops signing at the next start, and its tokens stay valid until they expire', async () => {
    const ring = await harness.startRing('EdDSA', undefined, ['ES256']);
    const token = await sign(ring, 'ES256');
    await harness.age(60);
    await harness.start();
    await ring.load();
    const [row] = await rowsOf('access:ES256');
    expect(row?.leaves).toBe((row?.until ?? 0) + 905_000 + SKEW_MS);
    expect(await harness.eventsOf('key.stopped')).toMatchObject([{ target_id: row?.id }]);
    await expect(sign(ring, 'ES256')).rejects.toMatchObject({ code: 'signing_unavailable' });
    expect(algOf(await sign(ring))).toBe('EdDSA');
    await verifies(ring, token);
    expect([await signed(), await readKeyWarnings(harness.ports)]).toEqual([['EdDSA'], []]);
    await harness.age(31 * DAY_SECONDS);
    expect((await advanceKeyRing(harness.ports, testCaller)).destroyed.keys).toEqual([row?.id]);
    expect(await rowsOf('access:ES256')).toHaveLength(1);
  });

  test('signs again after a new hold period when it is listed again', async () => {
    await harness.start(withAdditional(['ES256']));
    await harness.age(60);
    await harness.start();
    await harness.start(withAdditional(['ES256']));
    const [stopped, next] = await rowsOf('access:ES256');
    expect(next?.id).not.toBe(stopped?.id);
    expect((next?.from ?? 0) - (next?.published ?? 0)).toBe(HOLD_SECONDS * 1_000);
  });

  test('stops only after a key that is already published for it, so that no range is empty', async () => {
    await harness.start(withAdditional(['ES256']));
    await rotateSigningKeys(harness.ports, { algorithm: 'ES256' }, testCaller);
    await harness.start();
    const rows = await rowsOf('access:ES256');
    expect(rows.map(({ until }) => until !== null)).toEqual([true, true]);
    expect(await signed()).toEqual(['EdDSA']);
  });
});

describe('when an additional algorithm becomes the default', () => {
  test('clients registered for either algorithm get their tokens at every moment of the change', async () => {
    const clock = harness.ports.clock;
    await harness.startRing('EdDSA', clock, ['ES256']);
    const changed = withAdditional(['EdDSA'], { algorithm: 'ES256' });
    const { warnings } = await harness.start(changed);
    expect(warnings).toEqual([
      'The active key signs with EdDSA, but JWT_ALGORITHM is ES256: run sallyport keys rotate',
    ]);
    const ring = await harness.startRing('ES256', clock, ['EdDSA']);
    const algorithms = async () => [algOf(await sign(ring, 'ES256')), algOf(await sign(ring, 'EdDSA'))];
    expect(await algorithms()).toEqual(['ES256', 'EdDSA']);
    await harness.age(HOLD_SECONDS);
    await rotateSigningKeys(harness.ports, {}, testCaller);
    // A start in the hold period must not stop the keys that still sign.
    await harness.start(changed);
    await ring.load();
    expect(await algorithms()).toEqual(['ES256', 'EdDSA']);
    expect(algOf(await sign(ring))).toBe('EdDSA');
    await harness.age(HOLD_SECONDS);
    await harness.start(changed);
    await ring.load();
    expect(await algorithms()).toEqual(['ES256', 'EdDSA']);
    expect(algOf(await sign(ring))).toBe('ES256');
    expect(ring.signedAlgorithms()).toEqual(['ES256', 'EdDSA']);
    expect((await rowsOf('access:ES256')).every(({ until }) => until !== null)).toBe(true);
  });
});
