// Access tokens of another provider, which a verifier with the option `legacy` accepts until the end of the bridge.
import { createHash } from 'node:crypto';
import { encode, hs256, jws, keyNamed, publicKeyOf, SECRET, type VectorKey } from '../signing.ts';
import { sessionEndFeed } from './feeds.ts';
import { AUDIENCE, type Code, ISSUER, keys, NOW, claims as ownClaims, token as ownToken, partsOf } from './world.ts';

const LEGACY = {
  issuer: 'https://old.example/',
  jwksUri: 'https://keys.old.example/jwks',
  audience: 'https://app.old.example',
  until: new Date((NOW + 3_600) * 1_000).toISOString(),
} as const;

export type LegacyVector = {
  readonly name: string;
  readonly token: string;
  /** Name of the key set that the old provider publishes. */
  readonly keys: 'published' | 'rotated' | 'unreachable';
  /** Whether the verifier has read `feed`, which ends a session; without it, it follows no feed. */
  readonly feed: boolean;
  readonly scopes: readonly string[];
  readonly permissions: readonly string[];
  /** The verifier's clock, Unix seconds. */
  readonly now: number;
  readonly code: Code | 'key_ring_behind' | 'permission_missing';
  /** What an accepted token is marked with; null for one of Sallyport. */
  readonly issuerKind: 'legacy' | null;
};

const old = { rs: keyNamed('rs-foreign'), es: keyNamed('es-foreign'), ed: keyNamed('ed-foreign') } as const;

const legacyKeySets = {
  published: { keys: [old.rs.jwk, old.es.jwk, old.ed.jwk] },
  rotated: { keys: [keyNamed('rs-2').jwk] },
} as const;

const ENDED = 'ended-session';
/** The feed names a session of the old provider by a digest of its issuer and its `sid`. */
const legacyFeed = sessionEndFeed(
  `legacy:${createHash('sha256').update([LEGACY.issuer, 'sid', ENDED].join('\0')).digest('hex')}`,
);

const claims = (changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => {
  const own = { iss: LEGACY.issuer, aud: LEGACY.audience, sub: 'auth0|5f7c', iat: NOW, exp: NOW + 900 };
  const all = { ...own, scope: 'openid read', sid: 'live-session', ...changes };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};

const header = ({ alg, kid }: Pick<VectorKey, 'alg' | 'kid'>, changes: object = {}): object =>
  Object.assign({ alg, kid, typ: 'JWT' }, changes);

const token = (changes: Readonly<Record<string, unknown>> = {}, key: VectorKey = old.rs, head: object = {}): string =>
  jws(key, header(key, head), claims(changes));

type Options = Partial<Omit<LegacyVector, 'name' | 'token' | 'code' | 'now'>>;
const vector = (
  name: string,
  text: string,
  code: LegacyVector['code'],
  { keys: set = 'published', feed = false, scopes = [], permissions = [], issuerKind }: Options = {},
  at = 1,
): LegacyVector => ({
  ...{ name, token: text, keys: set, feed, scopes, permissions, now: NOW + at, code },
  issuerKind: issuerKind !== undefined ? issuerKind : code === 'active' ? 'legacy' : null,
});

const secretOf = (key: VectorKey): string => publicKeyOf(key).export({ type: 'spki', format: 'pem' }) as string;

const legacyVectors: readonly LegacyVector[] = [
  ...Object.values(old).map((key) => vector(`${key.alg}: a token of the old provider`, token({}, key), 'active')),
  vector('without a type', jws(old.rs, { alg: 'RS256', kid: old.rs.kid }, claims()), 'active'),
  vector('the type at+jwt', token({}, old.rs, { typ: 'at+jwt' }), 'active'),
  vector('a header with members of its own', token({}, old.rs, { cat: 'cl_1', x5t: 'abc' }), 'active'),
  vector('several audiences', token({ aud: ['https://x.example', LEGACY.audience] }), 'active'),
  vector(
    'only the claims that every provider writes',
    token({ iat: undefined, scope: undefined, sid: undefined }),
    'active',
  ),
  vector('claims of its own', token({ roles: 'admin', permissions: 'all', ue: 'x', client_id: 7 }), 'active'),
  vector('a required scope', token(), 'active', { scopes: ['read'] }),
  vector('a scope that it lacks', token(), 'insufficient_scope', { scopes: ['write'] }),
  vector('a permission is never its to give', token({ permissions: ['tasks:read'] }), 'permission_missing', {
    permissions: ['tasks:read'],
  }),
  vector('a second before the end of the bridge', token({ exp: NOW + 9_000 }), 'active', {}, 3_599),
  vector('at the end of the bridge', token({ exp: NOW + 9_000 }), 'wrong_issuer', {}, 3_600),
  vector('expired', token(), 'expired', {}, 905),
  vector('not valid yet', token({ nbf: NOW + 60 }), 'not_yet_valid'),
  vector('issued in the future', token({ iat: NOW + 60 }), 'not_yet_valid'),
  vector('for another audience', token({ aud: 'https://x.example' }), 'wrong_audience'),
  vector('for the audience of Sallyport', token({ aud: AUDIENCE }), 'wrong_audience'),
  vector('without an audience', token({ aud: undefined }), 'malformed'),
  vector('without an end', token({ exp: undefined }), 'malformed'),
  vector('without a subject', token({ sub: undefined }), 'malformed'),
  vector('a subject that is too long', token({ sub: 'x'.repeat(256) }), 'malformed'),
  vector('a logout token', token({}, old.rs, { typ: 'logout+jwt' }), 'wrong_type'),
  vector('an access token of Keycloak', token({ typ: 'Bearer' }), 'active'),
  vector('an access token of Cognito', token({ token_use: 'access' }), 'active'),
  ...['ID', 'Refresh', 'Offline', 'Logout', 7].map((typ) =>
    vector(`claims of another type: ${typ}`, token({ typ }), 'wrong_type'),
  ),
  vector('an ID token of Cognito', token({ token_use: 'id' }), 'wrong_type'),
  vector('the events of a logout token', token({ events: {} }), 'wrong_type'),
  vector('someone who acts for the user', token({ act: { sub: 'support' } }), 'wrong_type'),
  vector('a critical header', token({}, old.rs, { crit: ['exp'] }), 'malformed'),
  vector('without a kid', jws(old.rs, { alg: 'RS256', typ: 'JWT' }, claims()), 'malformed'),
  ...['none', 'None', 'HS256', 'RS512', 'ES256'].map((alg) =>
    vector(`algorithm ${alg} for its RS256 key`, token({}, old.rs, { alg }), 'bad_signature'),
  ),
  vector(
    'algorithm none and no signature',
    `${encode(header(old.rs, { alg: 'none' }))}.${encode(claims())}.`,
    'malformed',
  ),
  vector(
    'HMAC with its public key',
    hs256(secretOf(old.rs), header({ alg: 'HS256', kid: old.rs.kid }), claims()),
    'bad_signature',
  ),
  vector('HMAC with a secret of ours', hs256(SECRET, header({ alg: 'HS256', kid: 'hs-1' }), claims()), 'unknown_key'),
  vector('signed by a key of Sallyport', jws(keys.rs, header(keys.rs), claims()), 'unknown_key'),
  vector('our kid, signed by its key', jws(old.rs, header(old.rs, { kid: keys.rs.kid }), claims()), 'unknown_key'),
  vector('a key that it does not publish', token({}, keyNamed('rs-2')), 'unknown_key'),
  vector('a key that it no longer publishes', token(), 'unknown_key', { keys: 'rotated' }),
  vector('its new key', token({}, keyNamed('rs-2')), 'active', { keys: 'rotated' }),
  vector('while its keys cannot be read', token(), 'key_ring_behind', { keys: 'unreachable' }),
  vector(
    'the claims of another token',
    ((given) => `${given[0]}.${encode(claims({ sub: 'admin' }))}.${given[2]}`)(partsOf(token())),
    'bad_signature',
  ),
  vector('a session that lives', token(), 'active', { feed: true }),
  vector('a session that ended', token({ sid: ENDED }), 'session_ended', { feed: true }),
  vector('a session that ended, as Supabase names it', token({ sid: undefined, session_id: ENDED }), 'session_ended', {
    feed: true,
  }),
  vector('a token of Sallyport', ownToken(), 'active', { issuerKind: null }),
  vector('a token of Sallyport while the keys of the old provider cannot be read', ownToken(), 'active', {
    keys: 'unreachable',
    issuerKind: null,
  }),
  vector('our issuer, signed by its key', jws(old.rs, header(old.rs, { typ: 'at+jwt' }), ownClaims()), 'unknown_key'),
  vector('a third issuer', token({ iss: 'https://third.example' }), 'unknown_key'),
  vector('its issuer without the slash', token({ iss: LEGACY.issuer.slice(0, -1) }), 'unknown_key'),
];

export const legacyFile = (ownKeys: unknown): object => ({
  about: 'Tokens of an old provider and what a verifier must answer. Format: README.md. Made by make-vectors.ts.',
  version: 1,
  issuer: ISSUER,
  audience: AUDIENCE,
  legacy: LEGACY,
  keySets: { ours: { keys: ownKeys }, ...legacyKeySets },
  feed: legacyFeed,
  vectors: legacyVectors,
});
