import { encode, hs256, jws, keyNamed, SECRET, type VectorKey } from '../signing.ts';

export const ISSUER = 'https://auth.example';
export const AUDIENCE = 'https://api.example';
/** Unix seconds at which every token is issued. */
export const NOW = 1_800_000_000;
export const SUBJECT = '0190b1d4-0000-7000-8000-00000000000a';
export const FAMILY = '0190b1d4-0000-7000-8000-00000000000c';
export const INCARNATION = '0190b1d4-0000-4000-8000-000000000001';
export const OTHER_INCARNATION = '0190b1d4-0000-4000-8000-000000000002';
/** The staleness bound that every feed answer names, seconds. */
export const BOUND = 2;

export type Code =
  | 'active'
  | 'malformed'
  | 'unknown_key'
  | 'bad_signature'
  | 'wrong_type'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'expired'
  | 'not_yet_valid'
  | 'revoked'
  | 'session_ended'
  | 'family_reused'
  | 'key_compromised'
  | 'binding_mismatch'
  | 'insufficient_scope'
  | 'revocation_state_stale'
  | 'key_ring_behind';

/** How the verifier is configured, and what the request carries besides the token. */
export type VectorOptions = {
  /** Name of the key set that the verifier has loaded; `stable` unless given. */
  readonly keys?: string;
  /** Name of the feed that the verifier has read up to `now`; without it, the verifier follows no feed. */
  readonly feed?: string;
  /** RS256, ES256 and EdDSA unless given. */
  readonly algorithms?: readonly string[];
  /** The audience unless it is that of the file. */
  readonly audience?: string;
  /** Seconds; 5 unless given. */
  readonly clockSkew?: number;
  /** Seconds beyond the feed's own bound; 0 unless given. */
  readonly maxStale?: number;
  /** `fail` unless given. */
  readonly onStale?: 'fail' | 'serve';
  readonly requiredScopes?: readonly string[];
  /** The shared secret of HS256, as text. */
  readonly secret?: string;
  /** The request's method and URL, and its DPoP header. */
  readonly dpop?: { readonly proof: string; readonly method: string; readonly url: string };
  /** SHA-256 thumbprint of the client certificate of the connection, base64url. */
  readonly certificate?: string;
};

export type Vector = {
  readonly name: string;
  readonly token: string;
  readonly options: VectorOptions;
  /** The verifier's clock, Unix seconds. */
  readonly now: number;
  readonly code: Code;
};

export type Group = readonly Vector[];

/** Tokens that one verifier, which follows no feed, gets one after the other. */
export type Sequence = {
  readonly name: string;
  readonly steps: readonly {
    /** The verifier's clock, Unix seconds. */
    readonly at: number;
    /** Name of the key set that is published then. */
    readonly keys: string;
    readonly token: string;
    readonly code: Code;
  }[];
};

export const keys = { rs: keyNamed('rs-1'), es: keyNamed('es-1'), ed: keyNamed('ed-1') } as const satisfies Record<
  string,
  VectorKey
>;

/** The claims of a sign-in's token. `undefined` leaves a claim out. */
export function claims(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const all = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: SUBJECT,
    client_id: 'web',
    iat: NOW,
    exp: NOW + 900,
    jti: '0190b1d4-0000-7000-8000-00000000000b',
    sid: 'session-1',
    fid: FAMILY,
    scope: 'openid tasks:read tasks:write',
    roles: ['user'],
    permissions: ['tasks:read'],
    email: 'ada@people.example',
    email_verified: true,
    auth_time: NOW,
    ue: 3,
    ce: 1,
    ...changes,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export const headerOf = (key: Pick<VectorKey, 'alg' | 'kid'>, changes: object = {}): object => ({
  alg: key.alg,
  kid: key.kid,
  typ: 'at+jwt',
  ...changes,
});

/** A token with changed claims. */
export const token = (changes: Readonly<Record<string, unknown>> = {}, key: VectorKey = keys.rs): string =>
  jws(key, headerOf(key), claims(changes));

/** A validly signed token with this header. */
export const withHeader = (header: unknown, key: VectorKey = keys.rs): string => jws(key, header, claims());

/** A validly signed token with this payload. */
export const withPayload = (payload: unknown, key: VectorKey = keys.rs): string => jws(key, headerOf(key), payload);

/** A token of HS256 mode. */
export const shared = (changes: Readonly<Record<string, unknown>> = {}, secret = SECRET, header: object = {}): string =>
  hs256(secret, headerOf({ alg: 'HS256', kid: 'hs-1' }, header), claims(changes));

export const partsOf = (text: string): [string, string, string] => text.split('.') as [string, string, string];

export const withSignature = (text: string, signature: Buffer): string =>
  `${text.slice(0, text.lastIndexOf('.'))}.${encode(signature)}`;

/** One vector; `now` is an offset from the time of issue, seconds. */
export const vector = (name: string, text: string, code: Code, options: VectorOptions = {}, now = 1): Vector => ({
  name,
  token: text,
  options,
  now: NOW + now,
  code,
});
