import { keyNamed, OTHER_SECRET, SECRET } from '../signing.ts';
import { refusedFeeds } from './feeds.ts';
import { type Code, type Group, NOW, shared, token, type VectorOptions, vector } from './world.ts';

type Claims = Readonly<Record<string, unknown>>;
const on = (feed: string, code: Code, changes: Claims = {}, options: VectorOptions = {}, now = 1) =>
  vector(
    `feed: ${feed}${Object.keys(changes).length === 0 ? '' : ` (${JSON.stringify(changes)})`}${now === 1 ? '' : ` after ${now} s`}`,
    token(changes),
    code,
    { feed, ...options },
    now,
  );
const origins = (ce: number, jti = 'origin-1'): Claims => ({
  origins: [
    { jti: 'origin-0', client_id: 'web', ce: 1 },
    { jti, client_id: 'agent', ce },
  ],
});

const revocations: Group = [
  on('quiet', 'active'),
  on('token', 'revoked'),
  on('another token', 'active'),
  on('session', 'session_ended'),
  on('another session', 'active'),
  on('session', 'active', { sid: 'session-2' }),
  on('family', 'revoked'),
  on('reused family', 'family_reused'),
  on('another family', 'active'),
  on('kinds exchanged', 'active'),
  on('key', 'key_compromised'),
  on('another key', 'active'),
  on('user and session', 'revoked'),
  on('token and reused family', 'revoked'),
  on('ES256 feed', 'revoked'),
  on('EdDSA feed', 'revoked'),
  ...[0, 1, 2, 3, 4].map((ue) => on('user epoch 3', ue < 3 ? 'revoked' : 'active', { ue })),
  ...[0, 1, 2].map((ue) => on('user epoch 1', ue < 1 ? 'revoked' : 'active', { ue })),
  ...[2, 3, 4, 5].map((ue) => on('user epoch 4, then 2', ue < 4 ? 'revoked' : 'active', { ue })),
  ...[3, 4].map((ue) => on('user epoch 2, then 4', ue < 4 ? 'revoked' : 'active', { ue })),
  vector('feed: user epoch 1, and a token without one', token({ ue: undefined }), 'revoked', { feed: 'user epoch 1' }),
  on('epoch 9 of another user', 'active'),
  on('epoch 9 of another user', 'revoked', { sub: 'another' }),
  ...[0, 1, 2].map((ce) => on('client epoch 1', ce < 1 ? 'revoked' : 'active', { ce })),
  ...[0, 1, 2, 3].map((ce) => on('client epoch 2', ce < 2 ? 'revoked' : 'active', { ce })),
  vector('feed: client epoch 1, and a token without one', token({ ce: undefined }), 'revoked', {
    feed: 'client epoch 1',
  }),
  on('epoch 9 of another client', 'active'),
  on('origin', 'revoked', origins(1)),
  on('origin', 'active', origins(1, 'origin-2')),
  on('epoch 9 of another client', 'revoked', origins(8)),
  on('epoch 9 of another client', 'active', origins(9)),
];

const history: Group = [
  on('token, then nothing new', 'revoked'),
  on('nothing, then token', 'revoked'),
  on('an overlapping answer', 'revoked'),
  on('two parts', 'revoked'),
  on('two parts', 'session_ended', { jti: 'other', sid: 'session-2' }),
  on('two parts', 'active', { jti: 'other' }),
  on('the first of two parts', 'revocation_state_stale'),
  on('the first of two parts, without our token', 'revocation_state_stale'),
  on('another incarnation without our token', 'active'),
  on('another incarnation with our token', 'revoked'),
  on('another incarnation of a lower epoch', 'revoked'),
  on('the first part of another incarnation', 'revoked'),
  on('both parts of another incarnation', 'active'),
  on('an incarnation that returns', 'revoked', {}, {}, 2),
  ...Object.keys(refusedFeeds).map((name) => on(`an answer ${name}`, 'active')),
];

const staleness: Group = [
  on('silent', 'revocation_state_stale'),
  on('quiet', 'active', {}, {}, 2),
  on('quiet', 'revocation_state_stale', {}, {}, 2.001),
  on('token', 'revoked', {}, {}, 2),
  on('token', 'revocation_state_stale', {}, {}, 3),
  on('quiet', 'active', {}, { maxStale: 60 }, 62),
  on('quiet', 'revocation_state_stale', {}, { maxStale: 60 }, 62.001),
  on('token', 'revoked', {}, { maxStale: 60 }, 60),
  on('an answer replayed', 'revocation_state_stale', {}, {}, 30),
  on('an empty answer replayed', 'revocation_state_stale', {}, {}, 30),
  vector('stale: a malformed token', 'x', 'revocation_state_stale', { feed: 'silent' }),
  vector('stale: an expired token', token({ exp: NOW - 100 }), 'revocation_state_stale', { feed: 'silent' }),
  vector('stale but served: a good token', token(), 'active', { feed: 'quiet', onStale: 'serve' }, 500),
  vector('stale but served: a revoked token', token(), 'revoked', { feed: 'token', onStale: 'serve' }, 500),
  vector('stale but served: an expired token', token(), 'expired', { feed: 'quiet', onStale: 'serve' }, 1_000),
  vector('no feed: a token that a feed would revoke', token(), 'active'),
];

const order: Group = [
  vector('order: compromised key before issuer', token({ iss: 'https://a.example' }), 'key_compromised', {
    feed: 'key',
  }),
  vector('order: end before revocation', token({ exp: NOW - 100 }), 'expired', { feed: 'token' }),
  vector('order: revocation before scope', token(), 'revoked', { feed: 'token', requiredScopes: ['admin'] }),
  vector('order: revocation before binding', token({ cnf: { jkt: 'x' } }), 'revoked', { feed: 'token' }),
  vector('order: session before scope', token(), 'session_ended', { feed: 'session', requiredScopes: ['admin'] }),
  vector('order: type before compromised key', 'x', 'malformed', { feed: 'key' }),
];

const next = keyNamed('rs-2');
const es = keyNamed('es-2');
const ed = keyNamed('ed-2');
const told = { feed: 'compromised key, told by the next' };

/** What a verifier answers in each phase of a rotation from rs-1 to rs-2. */
const rotation: Group = [
  ...(
    [
      ['before the rotation', 'before', 'active', 'unknown_key'],
      ['the next key is published', 'published', 'active', 'active'],
      ['the last key has retired', 'after', 'unknown_key', 'active'],
    ] as const
  ).flatMap(([phase, set, old, fresh]) => [
    vector(`rotation: ${phase}, a token of the last key`, token(), old, { keys: set }),
    vector(`rotation: ${phase}, a token of the next key`, token({}, next), fresh, { keys: set }),
  ]),
  vector('rotation: compromised and still in the set', token(), 'key_compromised', { keys: 'published', ...told }),
  vector('rotation: the key after a compromised one', token({}, next), 'active', { keys: 'published', ...told }),
  vector('rotation: compromised and out of the set', token(), 'unknown_key', { keys: 'after', ...told }),
  vector('rotation: to ES256, a token of the last key', token(), 'active', { keys: 'to ES256' }),
  vector('rotation: to ES256, a token of the next key', token({}, es), 'active', { keys: 'to ES256' }),
  vector('rotation: to EdDSA, a token of the next key', token({}, ed), 'active', { keys: 'to EdDSA' }),
  vector('rotation: to ES256, the next key under the last kid', token({}, { ...es, kid: 'rs-1' }), 'bad_signature', {
    keys: 'to ES256',
  }),
  vector('key set: a weak RSA key', token({}, keyNamed('rs-weak')), 'unknown_key', { keys: 'with a weak key' }),
  vector('key set: a good key beside a weak one', token(), 'active', { keys: 'with a weak key' }),
  vector('key set: a key for encryption', token({}, next), 'unknown_key', { keys: 'with a key for encryption' }),
  vector('key set: a key without an algorithm', token({}, next), 'unknown_key', {
    keys: 'with a key without algorithm',
  }),
  vector('key set: an RSA key for PS256', token({}, next), 'unknown_key', { keys: 'with a key of another algorithm' }),
  ...(['RS256', 'ES256', 'EdDSA'] as const).flatMap((allowed) =>
    (['rs-1', 'es-1', 'ed-1'] as const).map((kid) => {
      const key = keyNamed(kid);
      const code = key.alg === allowed ? 'active' : 'unknown_key';
      return vector(`only ${allowed} allowed: a token by ${key.alg}`, token({}, key), code, { algorithms: [allowed] });
    }),
  ),
];

const HS: VectorOptions = { algorithms: ['HS256'], secret: SECRET };
const BOTH: VectorOptions = { algorithms: ['RS256', 'HS256'], secret: SECRET };

const sharedSecret: Group = [
  vector('HS256: a good token', shared(), 'active', HS),
  vector('HS256: a good token beside RS256', shared(), 'active', BOTH),
  vector('HS256: a token by RS256 beside HS256', token(), 'active', BOTH),
  vector('HS256: not asked for', shared(), 'unknown_key'),
  vector('HS256: only RS256 asked for', shared(), 'unknown_key', { algorithms: ['RS256'] }),
  vector('HS256: a token by RS256 where only HS256 is allowed', token(), 'unknown_key', HS),
  vector('HS256: another secret', shared({}, OTHER_SECRET), 'bad_signature', HS),
  vector('HS256: an empty secret', shared({}, ''), 'bad_signature', HS),
  vector('HS256: under the kid of an RS256 key', shared({}, SECRET, { kid: 'rs-1' }), 'bad_signature', BOTH),
  vector('HS256: the header says HS384', shared({}, SECRET, { alg: 'HS384' }), 'bad_signature', HS),
  vector('HS256: the header says none', shared({}, SECRET, { alg: 'none' }), 'bad_signature', HS),
  vector('HS256: the type of an ID token', shared({}, SECRET, { typ: 'JWT' }), 'wrong_type', HS),
  vector('HS256: without jti', shared({ jti: undefined }), 'malformed', HS),
  vector('HS256: another audience', shared({ aud: 'https://other.example' }), 'wrong_audience', HS),
  vector('HS256: another issuer', shared({ iss: 'https://a.example' }), 'wrong_issuer', HS),
  vector('HS256: expired', shared({}, SECRET), 'expired', HS, 1_000),
  vector('HS256: required scope', shared(), 'insufficient_scope', { ...HS, requiredScopes: ['admin'] }),
  vector('HS256: revoked', shared(), 'revoked', { ...BOTH, feed: 'token' }),
  vector('HS256: its secret is compromised', shared(), 'key_compromised', { ...BOTH, feed: 'shared secret' }),
];

export const revocationVectors: Group = [revocations, history, staleness, order, rotation, sharedSecret].flat();
