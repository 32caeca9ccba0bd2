import { encode, hs256, jws, keyNamed, SECRET, type VectorKey } from '../signing.ts';
import { BOUND, FAMILY, INCARNATION, ISSUER, keys, NOW, OTHER_INCARNATION, partsOf, SUBJECT } from './world.ts';

/** One answer of the feed, and whether a verifier that has read the ones before it must take it. */
export type FeedStep = {
  /** When the verifier reads it, Unix seconds. */
  readonly at: number;
  readonly jws: string;
  readonly accepted: boolean;
};

type Entry = { readonly kind: string; readonly value: string; readonly token_epoch?: number; readonly reason?: string };
type Changes = Readonly<Record<string, unknown>>;

const JTI = '0190b1d4-0000-7000-8000-00000000000b';
const EXPIRES = NOW + 3_600;

/** The payload of an answer that continues from `since`; its entries have the epochs after it. */
const payload = (since: number, entries: readonly Entry[], changes: Changes = {}): Record<string, unknown> => ({
  iss: ISSUER,
  incarnation: INCARNATION,
  epoch: since + Math.max(entries.length, since === 0 ? 10 : 0),
  since,
  issued_at: NOW,
  max_staleness_s: BOUND,
  complete: true,
  entries: entries.map((entry, at) => ({ epoch: since + at + 1, ...entry, expires_at: EXPIRES })),
  ...changes,
});

const HEADER = { alg: 'RS256', kid: 'rs-1', typ: 'revocations+jwt' };
const signed = (body: unknown, header: object = {}, key: VectorKey = keys.rs): string =>
  jws(key, { ...HEADER, ...header }, body);

const step = (text: string, accepted = true, at = 0): FeedStep => ({ at: NOW + at, jws: text, accepted });

/** A whole answer with these entries, read at once. */
const whole = (entries: readonly Entry[], changes: Changes = {}): FeedStep =>
  step(signed(payload(0, entries, changes)));

/** An answer that ends this session. */
export const sessionEndFeed = (name: string): FeedStep => whole([{ kind: 'sid', value: name }]);

const jti: Entry = { kind: 'jti', value: JTI };
const entry = (kind: string, value: string, more: Partial<Entry> = {}): Entry => ({ kind, value, ...more });

const FIRST = [jti];
/** Of another incarnation, issued after the answers of ours. */
const OTHER = { incarnation: OTHER_INCARNATION, issued_at: NOW + 1 };
/** Of the first of two parts. */
const PART = { epoch: 5, complete: false, max_staleness_s: 0 };
const JTI_ENTRY = { ...jti, expires_at: EXPIRES };
const first = whole(FIRST);
/** The state before an answer that must be refused: nothing is revoked, up to epoch 10. */
const quiet = whole([]);

const after = (since: number, entries: readonly Entry[], changes: Changes = {}): string =>
  signed(payload(since, entries, { issued_at: NOW + 1, ...changes }));
/** An answer that is taken, a second later. */
const later = (body: unknown): FeedStep => step(signed(body), true, 1);
/** Reads a good answer, and then one that must be refused. */
const refused = (text: string, at = 1): readonly FeedStep[] => [quiet, step(text, false, at)];

const revoking = payload(10, FIRST, { issued_at: NOW + 1 });
const [head, , mac] = partsOf(signed(revoking));
const foreign = keyNamed('rs-foreign');

/** Answers that revoke the token and must be refused: the token stays active. */
export const refusedFeeds: Readonly<Record<string, readonly FeedStep[]>> = {
  'signed by another key under our kid': refused(signed(revoking, {}, foreign)),
  'signed by an unknown key': refused(signed(revoking, { kid: foreign.kid }, foreign)),
  'with a changed payload': refused(`${head}.${encode({ ...revoking, epoch: 12 })}.${mac}`),
  'with fewer entries than were signed': refused(
    `${partsOf(signed(payload(10, [...FIRST, jti])))[0]}.${encode(revoking)}.${partsOf(signed(payload(10, [...FIRST, jti])))[2]}`,
  ),
  'cut off at the end': refused(signed(revoking).slice(0, -10)),
  'cut off in the payload': refused(signed(revoking).slice(0, 200)),
  'that is empty': refused(''),
  'without a signature': refused(`${encode({ ...HEADER, alg: 'none' })}.${encode(revoking)}.`),
  'signed with the shared secret': refused(hs256(SECRET, { ...HEADER, alg: 'HS256', kid: 'hs-1' }, revoking)),
  'signed by our public key as a secret': refused(
    hs256(JSON.stringify(keys.rs.jwk), { ...HEADER, alg: 'HS256' }, revoking),
  ),
  'of the type of an access token': refused(signed(revoking, { typ: 'at+jwt' })),
  'without a type': refused(signed(revoking, { typ: undefined })),
  'with a critical header': refused(signed(revoking, { crit: ['x'], x: 1 })),
  'of another issuer': refused(signed({ ...revoking, iss: 'https://attacker.example' })),
  'without an issuer': refused(signed({ ...revoking, iss: undefined })),
  'that is a list': refused(signed([revoking])),
  'without entries': refused(signed({ ...revoking, entries: undefined })),
  'with an entry of an unknown kind': refused(after(10, [jti, entry('tenant', 'x')])),
  'with an entry without a value': refused(
    signed({ ...revoking, entries: [{ epoch: 11, kind: 'jti', expires_at: EXPIRES }] }),
  ),
  'with an entry that never expires': refused(signed({ ...revoking, entries: [{ epoch: 11, ...jti }] })),
  'with an entry of a user without an epoch': refused(after(10, [jti, entry('user', SUBJECT)])),
  'with an entry above its epoch': refused(signed({ ...revoking, entries: [{ epoch: 12, ...JTI_ENTRY }] })),
  'with an entry that is not above since': refused(signed({ ...revoking, entries: [{ epoch: 10, ...JTI_ENTRY }] })),
  'with entries out of order': refused(
    signed({ ...revoking, epoch: 12, entries: [12, 11].map((epoch) => ({ epoch, ...JTI_ENTRY })) }),
  ),
  'whose epoch is a text': refused(signed({ ...revoking, epoch: '11' })),
  'whose epoch is below since': refused(signed({ ...revoking, epoch: 9, entries: [] })),
  'of an older epoch': refused(signed(payload(0, FIRST, { epoch: 9, issued_at: NOW + 1 }))),
  'that leaves out an epoch': refused(after(11, FIRST)),
  'issued in the future': refused(after(10, FIRST, { issued_at: NOW + 30 })),
  'issued long ago': refused(after(10, FIRST, { issued_at: NOW - 3_600 })),
  'of another incarnation that continues ours': refused(after(10, FIRST, { incarnation: OTHER_INCARNATION })),
  'of another incarnation, issued before ours': refused(
    signed(payload(0, FIRST, { incarnation: OTHER_INCARNATION, issued_at: NOW - 1 })),
  ),
  'of another incarnation, issued when ours was': refused(
    signed(payload(0, FIRST, { incarnation: OTHER_INCARNATION, issued_at: NOW })),
  ),
  'without an incarnation': refused(after(10, FIRST, { incarnation: undefined })),
};

/** Answers that a verifier takes, by name. */
export const feeds: Readonly<Record<string, readonly FeedStep[]>> = {
  silent: [],
  quiet: [quiet],
  token: [first],
  'another token': [whole([entry('jti', 'another')])],
  session: [whole([entry('sid', 'session-1')])],
  'another session': [whole([entry('sid', 'session-2')])],
  family: [whole([entry('family', FAMILY)])],
  'reused family': [whole([entry('family', FAMILY, { reason: 'refresh_token_reused' })])],
  'another family': [whole([entry('family', 'another', { reason: 'refresh_token_reused' })])],
  'user epoch 1': [whole([entry('user', SUBJECT, { token_epoch: 1 })])],
  'user epoch 3': [whole([entry('user', SUBJECT, { token_epoch: 3 })])],
  'user epoch 4': [whole([entry('user', SUBJECT, { token_epoch: 4 })])],
  'user epoch 4, then 2': [
    whole([entry('user', SUBJECT, { token_epoch: 4 }), entry('user', SUBJECT, { token_epoch: 2 })]),
  ],
  'user epoch 2, then 4': [
    whole([entry('user', SUBJECT, { token_epoch: 2 })]),
    step(after(10, [entry('user', SUBJECT, { token_epoch: 4 })]), true, 1),
  ],
  'epoch 9 of another user': [whole([entry('user', 'another', { token_epoch: 9 })])],
  'client epoch 1': [whole([entry('client', 'web', { token_epoch: 1 })])],
  'client epoch 2': [whole([entry('client', 'web', { token_epoch: 2 })])],
  'epoch 9 of another client': [whole([entry('client', 'agent', { token_epoch: 9 })])],
  'kinds exchanged': [
    whole([
      entry('jti', 'session-1'),
      entry('sid', JTI),
      entry('family', JTI),
      entry('client', SUBJECT, { token_epoch: 9 }),
      entry('user', 'web', { token_epoch: 9 }),
      entry('key', JTI),
    ]),
  ],
  key: [whole([entry('key', 'rs-1')])],
  'another key': [whole([entry('key', 'rs-9')])],
  'shared secret': [whole([entry('key', 'hs-1')])],
  'compromised key, told by the next': [
    step(signed(payload(0, [entry('key', 'rs-1')]), { kid: 'rs-2' }, keyNamed('rs-2'))),
  ],
  origin: [whole([entry('jti', 'origin-1')])],
  'user and session': [whole([entry('sid', 'session-1'), entry('user', SUBJECT, { token_epoch: 9 })])],
  'token and reused family': [whole([entry('family', FAMILY, { reason: 'refresh_token_reused' }), jti])],
  'ES256 feed': [step(signed(payload(0, FIRST), { alg: 'ES256', kid: 'es-1' }, keys.es))],
  'EdDSA feed': [step(signed(payload(0, FIRST), { alg: 'EdDSA', kid: 'ed-1' }, keys.ed))],

  'token, then nothing new': [first, step(after(10, []), true, 1)],
  'nothing, then token': [quiet, step(after(10, FIRST), true, 1)],
  'an overlapping answer': [quiet, step(after(8, [entry('jti', 'a'), entry('jti', 'b'), jti]), true, 1)],
  'two parts': [step(signed(payload(0, FIRST, PART))), step(signed(payload(5, [entry('sid', 'session-2')])))],
  'the first of two parts': [step(signed(payload(0, FIRST, PART)))],
  'the first of two parts, without our token': [step(signed(payload(0, [], PART)))],

  'another incarnation without our token': [first, later(payload(0, [], OTHER))],
  'another incarnation with our token': [quiet, later(payload(0, FIRST, OTHER))],
  'another incarnation of a lower epoch': [quiet, later(payload(0, FIRST, { ...OTHER, epoch: 1 }))],
  'the first part of another incarnation': [first, later(payload(0, [], { ...OTHER, ...PART }))],
  'both parts of another incarnation': [
    first,
    later(payload(0, [], { ...OTHER, ...PART })),
    later(payload(5, [], OTHER)),
  ],
  'an incarnation that returns': [
    first,
    later(payload(0, FIRST, OTHER)),
    step(signed(payload(0, [], { epoch: 20, issued_at: NOW + 2 })), false, 2),
  ],
  'an answer replayed': [first, step(first.jws, false, 30)],
  'an empty answer replayed': [quiet, step(quiet.jws, false, 30)],
  ...Object.fromEntries(Object.entries(refusedFeeds).map(([name, steps]) => [`an answer ${name}`, steps])),
};
