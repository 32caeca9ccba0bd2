import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { createAccessDirectory, type HasAccess } from '#services/core/access/access-directory.ts';
import type { VerificationKey } from '#services/core/jws/verify-signature.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Clock } from '#services/core/ports.ts';
import { createRevocationSet, type RevocationMemory } from '#services/core/revocations/revocation-set.ts';
import { createProofKeyCache } from '#services/core/tokens/dpop/dpop-proof.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import {
  decideToken,
  type TokenExpectations,
  type ValidatePorts,
} from '#services/core/tokens/verify/validate-token.ts';
import { createValidationCounts } from '#services/core/tokens/verify/validation-counts.ts';
import { createVerifiedTokenCache } from '#services/core/tokens/verify/verified-token-cache.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { quietLog } from './ports.ts';

export const ISSUER = 'https://auth.sallyport.test';
export const AUDIENCE = 'https://api.sallyport.test';
/** Unix seconds at which every harness begins. */
export const NOW = 1_800_000_000;

export type Alg = VerificationKey['alg'];
export type Header = Readonly<Record<string, unknown>>;
export type TestKey = VerificationKey & { readonly privateKey: KeyObject; compromised: boolean };

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const pairs = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

/** A real key of one algorithm. */
export function newKey(alg: Alg, kid: string, audience?: string): TestKey {
  if (alg === 'HS256') {
    const key = createSecretKey(randomBytes(32));
    return { kid, alg, key, privateKey: key, compromised: false, ...(audience === undefined ? {} : { audience }) };
  }
  const { publicKey, privateKey } = pairs[alg]();
  return { kid, alg, key: publicKey, privateKey, compromised: false };
}

/** Signs with an algorithm of the test's choice, whatever the key is meant for. */
export function signature(alg: string, key: KeyObject, input: string): Buffer {
  const bytes = Buffer.from(input);
  if (alg === 'HS256') return createHmac('sha256', key).update(bytes).digest();
  if (alg === 'ES256') return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' });
  return sign(alg === 'EdDSA' ? null : 'sha256', bytes, key);
}

/** A compact JWS over any header and payload, text or object. */
export function jws(key: TestKey, header: unknown, payload: unknown): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signature(key.alg, key.privateKey, input).toString('base64url')}`;
}

export const headerOf = (key: VerificationKey): Header => ({ alg: key.alg, kid: key.kid, typ: 'at+jwt' });

/** The claims of a login's token. */
export const goodClaims = (): Record<string, unknown> => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: '0190b1d4-0000-7000-8000-00000000000a',
  client_id: 'sallyport',
  iat: NOW,
  exp: NOW + 900,
  jti: '0190b1d4-0000-7000-8000-00000000000b',
  sid: 'session-1',
  fid: '0190b1d4-0000-7000-8000-00000000000c',
  scope: 'openid email',
  roles: ['user'],
  permissions: [],
  email: 'person@people.test',
  auth_time: NOW,
  ue: 3,
  ce: 1,
});

export type TokenHarness = {
  /** With a directory that knows no client. */
  readonly ports: ValidatePorts & HasAccess;
  readonly keys: Readonly<Record<Alg, TestKey>>;
  readonly revocations: RevocationMemory;
  /** What the ring was asked for. */
  readonly asked: unknown[];
  readonly ring: Map<string, TestKey>;
  /** Whether the clock agrees with the database's, and how much older the ring is than the revocations. */
  readonly ringState: { isClockRight: boolean; behindMs: number };
  readonly secrets: Map<number, Buffer>;
  /** Seconds since `NOW`; the clock stands still otherwise. */
  at(seconds: number): void;
  /** A good token with changed claims; undefined leaves a claim out. */
  token(changes?: Record<string, unknown>, alg?: Alg): string;
};

const keys: Record<Alg, TestKey> = {
  RS256: newKey('RS256', 'rs'),
  ES256: newKey('ES256', 'es'),
  EdDSA: newKey('EdDSA', 'ed'),
  HS256: newKey('HS256', 'hs', AUDIENCE),
};

/** The ports of validation, with real keys and a real revocation set, and without a store. */
export function tokenHarness(settings: Partial<HasTokenSettings['tokenSettings']> = {}): TokenHarness {
  let nowMs = NOW * 1_000;
  const clock: Clock = { now: () => nowMs, monotonic: () => nowMs };
  const revocations = createRevocationSet({ clock, log: quietLog, stalenessBoundMs: 2_000, budget: 1_000_000 });
  const confirm = (): void => revocations.confirm(0, clock.monotonic(), clock.now());
  revocations.reset('0190b1d4-0000-7000-8000-000000000001');
  confirm();
  const ring = new Map(Object.values(keys).map((key) => [key.kid, { ...key }]));
  const secrets = new Map([[1, Buffer.alloc(32, 7)]]);
  const asked: unknown[] = [];
  const ringState = { isClockRight: true, behindMs: 0 };
  const keyRing = {
    find: (kid: string) => {
      asked.push(kid);
      const key = ring.get(kid);
      return key && { key, compromised: key.compromised };
    },
    secret: () => ({ version: Math.max(...secrets.keys()), key: secrets.get(Math.max(...secrets.keys())) as Buffer }),
    secretVersion: (_purpose: string, version: number) => secrets.get(version),
    isClockRight: () => ringState.isClockRight,
    assertSigns: () => {},
    state: () => ({ ageMs: revocations.state().ageMs + ringState.behindMs }),
  } as unknown as KeyRing;
  const { tokens, identity } = loadConfig({});
  return {
    ports: {
      access: createAccessDirectory({ clock, sql: { query: async () => [] } }),
      clock,
      revocations,
      keyRing,
      tokenSettings: {
        ...tokens,
        twoFactorIdleSeconds: identity.twoFactorIdleSeconds,
        mcpAudiences: [],
        ...settings,
        issuer: ISSUER,
        audience: AUDIENCE,
      },
      verifiedTokens: createVerifiedTokenCache(134_217_728),
      validationCounts: createValidationCounts(),
      proofKeys: createProofKeyCache(),
    },
    keys,
    revocations,
    asked,
    ring,
    ringState,
    secrets,
    at: (seconds) => {
      nowMs = (NOW + seconds) * 1_000;
      confirm();
    },
    token: (changes = {}, alg = 'RS256') => {
      const claims = Object.fromEntries(
        Object.entries({ ...goodClaims(), ...changes }).filter(([, value]) => value !== undefined),
      );
      return jws(keys[alg], headerOf(keys[alg]), claims);
    },
  };
}

export const algs: readonly Alg[] = ['RS256', 'ES256', 'EdDSA', 'HS256'];

/** The decision about a token as an object. */
export function validateToken(ports: ValidatePorts, token: string, expectations?: TokenExpectations) {
  const decision = decideToken(ports, token, expectations);
  return typeof decision === 'string'
    ? { active: false as const, reason: decision }
    : { active: true as const, claims: decision.claims };
}

/** `'active'`, or the reason why not. */
export function reasonOf({ ports }: TokenHarness, token: string, expectations?: TokenExpectations): string {
  const decision = decideToken(ports, token, expectations);
  return typeof decision === 'string' ? decision : 'active';
}

export const parts = (token: string): [string, string, string] => token.split('.') as [string, string, string];

/** Good claims under any header, signed by the harness's key. */
export const withHeader = (harness: TokenHarness, header: unknown, alg: Alg = 'RS256'): string =>
  jws(harness.keys[alg], header, goodClaims());
