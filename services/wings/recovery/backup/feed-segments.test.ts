import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { type FeedSegment, openSegment, proofOf } from './feed-segments.ts';

const INCARNATION = '0190a000-0000-7000-8000-000000000001';
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const keys: Record<string, unknown> = {
  k1: { key: { kid: 'k1', alg: 'EdDSA', key: publicKey }, compromised: false },
  stolen: { key: { kid: 'stolen', alg: 'EdDSA', key: publicKey }, compromised: true },
  shared: { key: { kid: 'shared', alg: 'HS256', key: publicKey }, compromised: false },
};
const keyRing = { find: (kid: string) => keys[kid] as never };
const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = { incarnation: INCARNATION, epoch: 3, since: 0, complete: true, entries: [] };
function jwsOf(header: object, body: object = claims): string {
  const input = `${base64(header)}.${base64(body)}`;
  return `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
}
const good = { typ: 'revocations+jwt', kid: 'k1', alg: 'EdDSA' };
const open = (jws: string) => openSegment(keyRing, { place: 'one', jws });

test('opens a segment that a trusted key of the database signed', () =>
  expect(open(jwsOf(good))).toMatchObject({ epoch: 3, kid: 'k1' }));

test.each([
  ['a text', 'x', 'no compact JWS'],
  ['four parts', `${jwsOf(good)}.x`, 'no compact JWS'],
  ['another type, such as an access token', jwsOf({ ...good, typ: 'at+jwt' }), 'type'],
  ['no kid', jwsOf({ ...good, kid: undefined }), 'type'],
  ['a header that is no object', `${Buffer.from('1').toString('base64url')}.e30.e30`, 'type'],
  ['an unknown key', jwsOf({ ...good, kid: 'k2' }), 'key'],
  ['a key that an attacker has', jwsOf({ ...good, kid: 'stolen' }), 'key'],
  ['a shared secret', jwsOf({ ...good, kid: 'shared', alg: 'HS256' }), 'algorithm'],
  ['another algorithm', jwsOf({ ...good, alg: 'none' }), 'algorithm'],
  ['a forged signature', `${jwsOf(good).slice(0, -86)}${'A'.repeat(86)}`, 'signature'],
  ['claims of another kind', jwsOf(good, { epoch: 3 }), 'claims'],
])('refuses %s', (_what, jws, why) => {
  expect(() => open(jws)).toThrow(
    expect.objectContaining({ code: 'feed_invalid', options: { detail: expect.stringContaining(why) } }),
  );
});

const entry = (epoch: number, kind: 'jti' | 'key' = 'jti', value = `t${epoch}`) => ({
  epoch,
  kind,
  value,
  expires_at: 2_000_000_000,
});
const segment = (
  since: number,
  epoch: number,
  entries: FeedSegment['entries'] = [entry(epoch)],
  kid = 'k1',
): FeedSegment => ({ ...{ incarnation: INCARNATION, complete: true, since, epoch, entries, kid } });

test('segments that follow or overlap each other prove all up to the last, in any order and each entry once', () => {
  const proof = proofOf([segment(4, 6), segment(0, 4), segment(2, 5), segment(0, 2)], INCARNATION, 2);
  expect([proof.to, proof.entries.map(({ epoch }) => epoch)]).toEqual([6, [4, 5, 6]]);
  expect(proofOf([segment(0, 2)], INCARNATION, 2)).toEqual({ to: 2, entries: [] });
});

test('a gap between segments, or before the first, is named', () => {
  expect(() => proofOf([segment(0, 4), segment(6, 8)], INCARNATION, 2)).toThrow(
    expect.objectContaining({ code: 'feed_incomplete', options: { detail: 'epochs 5 to 6 are in no segment' } }),
  );
  expect(() => proofOf([segment(3, 8)], INCARNATION, 2)).toThrow(expect.objectContaining({ code: 'feed_incomplete' }));
});

test('segments of another incarnation are refused', () =>
  expect(() => proofOf([segment(0, 4)], '0190a000-0000-7000-8000-000000000002', 2)).toThrow(
    expect.objectContaining({ code: 'feed_of_another' }),
  ));

test('an attacker with a stolen key cannot leave revocations out: what it signed is refused once another segment says so', () => {
  const forged = segment(0, 9, [], 'k1');
  expect(() => proofOf([forged, segment(0, 10, [entry(10, 'key', 'k1')], 'k3')], INCARNATION, 2)).toThrow(
    expect.objectContaining({ code: 'feed_invalid' }),
  );
});
