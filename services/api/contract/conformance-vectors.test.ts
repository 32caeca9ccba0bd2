import { createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { VectorOptions } from '#conformance/cases/world.ts';
import type { VerificationKey } from '#services/core/jws/verify-signature.ts';
import type { RevocationEntry, RevocationKind } from '#services/core/revocations/revocation-log.ts';
import { createRevocationSet, type RevocationMemory } from '#services/core/revocations/revocation-set.ts';
import type { ValidatePorts } from '#services/core/tokens/verify/validate-token.ts';
import { createVerifiedTokenCache } from '#services/core/tokens/verify/verified-token-cache.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { tokenHarness } from '#tools/testing/harness/token.ts';
import { serve } from '../route-harness.ts';
import { type TokenRoutesPorts, tokensRoutes } from '../routes/tokens.ts';

type Answer = {
  readonly incarnation: string;
  readonly epoch: number;
  readonly issued_at: number;
  readonly max_staleness_s: number;
  readonly complete: boolean;
  readonly entries: readonly {
    readonly epoch: number;
    readonly kind: RevocationKind;
    readonly value: string;
    readonly token_epoch?: number;
    readonly reason?: string;
    readonly expires_at: number;
  }[];
};
type Step = { readonly at: number; readonly jws: string; readonly accepted: boolean };
type Vector = {
  readonly name: string;
  readonly token: string;
  readonly options: VectorOptions;
  readonly now: number;
  readonly code: string;
};

const file = JSON.parse(readFileSync(new URL('../../../conformance/vectors.json', import.meta.url), 'utf8')) as {
  readonly issuer: string;
  readonly audience: string;
  readonly keySets: Readonly<Record<string, { readonly keys: readonly (JsonWebKey & { kid: string })[] }>>;
  readonly feeds: Readonly<Record<string, readonly Step[]>>;
  readonly vectors: readonly Vector[];
};

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
const BOUND_SECONDS = 2;
/** RFC 6750 §2.1: nothing else is read from the header. */
const B64TOKEN = /^[\w.~+/-]+=*$/;
const harness = tokenHarness();

/** The key ring that publishes the vector's key set; a ring never holds the keys that a verifier must ignore. */
function ringOf({ keys = 'stable', algorithms = ALGORITHMS, secret, audience = file.audience }: VectorOptions) {
  const ring = new Map<string, VerificationKey>();
  for (const jwk of file.keySets[keys]?.keys ?? []) {
    const alg = jwk.alg as VerificationKey['alg'];
    if (!algorithms.includes(alg) || jwk.use !== 'sig') continue;
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    if (alg === 'RS256' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2_048) continue;
    ring.set(jwk.kid, { kid: jwk.kid, alg, key });
  }
  if (secret !== undefined)
    ring.set('hs-1', { kid: 'hs-1', alg: 'HS256', key: createSecretKey(Buffer.from(secret)), audience });
  return {
    ...harness.ports.keyRing,
    find: (kid: string) => {
      const key = ring.get(kid);
      return key && { key, compromised: false };
    },
    isClockRight: () => true,
    state: () => ({ ageMs: 0, clockOffsetMs: 0, version: 1 }),
  };
}

const entryOf = (entry: Answer['entries'][number]): RevocationEntry => ({
  epoch: entry.epoch,
  kind: entry.kind,
  value: entry.value,
  tokenEpoch: entry.token_epoch ?? null,
  isReuse: entry.reason === 'refresh_token_reused',
  userId: null,
  clientId: null,
  expiresAtMs: entry.expires_at * 1_000,
});

const payloadOf = ({ jws }: Step): Answer =>
  JSON.parse(Buffer.from(jws.split('.')[1] as string, 'base64url').toString()) as Answer;

/** Brings a copy into the state in which the accepted answers of the feed leave a verifier. */
function read(revocations: RevocationMemory, steps: readonly Step[], skewSeconds: number): void {
  let incarnation = '';
  let parts: Answer[] = [];
  const apply = (): void => {
    const next = parts[0]?.incarnation ?? incarnation;
    if (next !== incarnation) revocations.reset(next);
    incarnation = next;
    for (const { entries } of parts) revocations.apply(entries.map(entryOf));
    parts = [];
  };
  for (const step of steps.filter(({ accepted }) => accepted)) {
    const answer = payloadOf(step);
    parts.push(answer);
    if (!answer.complete) continue;
    apply();
    const asOfMs = Math.min(step.at, answer.issued_at + skewSeconds) * 1_000;
    revocations.confirm(answer.epoch, asOfMs, asOfMs);
  }
}

function portsOf({ options, now }: Vector): ValidatePorts {
  const { feed, clockSkew = 5, maxStale = 0, audience = file.audience } = options;
  const clock = { now: () => now * 1_000, monotonic: () => now * 1_000 };
  // The product never serves from stale revocations, so it is compared as of the moment when they were fresh.
  const isServed = options.onStale === 'serve';
  const stalenessBoundMs = isServed ? Number.MAX_SAFE_INTEGER : (BOUND_SECONDS + maxStale) * 1_000;
  const revocations = createRevocationSet({ clock, log: quietLog, stalenessBoundMs, budget: 1_000 });
  if (feed === undefined) {
    revocations.reset('none');
    revocations.confirm(0, clock.monotonic(), clock.now());
  } else read(revocations, file.feeds[feed] as readonly Step[], clockSkew);
  return {
    ...harness.ports,
    clock,
    revocations,
    keyRing: ringOf(options),
    verifiedTokens: createVerifiedTokenCache(1_000_000),
    tokenSettings: {
      ...harness.ports.tokenSettings,
      issuer: file.issuer,
      audience,
      leewaySeconds: clockSkew,
      requireSessionBinding: true,
    },
  };
}

const ports = { ...harness.ports } as TokenRoutesPorts;
const served = serve();
tokensRoutes(served.routes, ports);
afterAll(() => served.fastify.close());

type Sent = { readonly headers: Readonly<Record<string, string>>; readonly payload?: string };

const json = (body: object): Sent => ({
  headers: { 'content-type': 'application/json' },
  payload: JSON.stringify(body),
});

/** What the vector requires, as members of the body. */
function requirementsOf({ dpop, certificate, requiredScopes }: VectorOptions): Readonly<Record<string, unknown>> {
  const proof = dpop && { proof: dpop.proof, htm: dpop.method, htu: dpop.url };
  const context = { ...(proof ? { dpop: proof } : {}), ...(certificate ? { 'x5t#S256': certificate } : {}) };
  return {
    ...(requiredScopes?.length ? { required_scope: requiredScopes.join(' ') } : {}),
    ...(dpop || certificate ? { context } : {}),
  };
}

/** The requests that ask about a vector. A token alone can be sent in three ways. From the second request on, an active token is known. */
function requestsOf({ token, options }: Vector): readonly Sent[] {
  const requirements = requirementsOf(options);
  if (Object.keys(requirements).length > 0) return [1, 2, 3].map(() => json({ token, ...requirements }));
  const asHeader = { headers: { authorization: `Bearer ${token}` } };
  return [json({ token }), json({ context: {}, token }), ...(B64TOKEN.test(token) ? [asHeader] : [])];
}

/** The schema of the body refuses an empty text. */
const expectedOf = ({ token, options, code }: Vector): string =>
  token === '' || options.dpop?.proof === '' ? 'request_invalid' : code;

async function codeOf(sent: Sent): Promise<string> {
  const { status, body } = await served.ask('POST', '/v1/tokens/validate', sent);
  if (status !== 200) return body.code;
  return body.active ? 'active' : body.reason;
}

describe('the conformance vectors', () => {
  test('are at least 250 and contain every code that a verifier can answer from memory', () => {
    expect(file.vectors.length).toBeGreaterThanOrEqual(250);
    expect([...new Set(file.vectors.map(({ code }) => code))].sort()).toEqual(
      `active bad_signature binding_mismatch expired family_reused insufficient_scope key_compromised malformed
      not_yet_valid revocation_state_stale revoked session_ended unknown_key wrong_audience wrong_issuer
      wrong_type`.split(/\s+/),
    );
  });

  test('have the codes that POST /v1/tokens/validate answers, at first and from its cache', async () => {
    const wrong: string[] = [];
    for (const vector of file.vectors) {
      Object.assign(ports, portsOf(vector));
      const codes: string[] = [];
      for (const sent of requestsOf(vector)) codes.push(await codeOf(sent));
      const expected = expectedOf(vector);
      if (codes.some((code) => code !== expected)) wrong.push(`${vector.name}: ${codes.join(', ')}, not ${expected}`);
    }
    expect([wrong, served.failures]).toEqual([[], []]);
  });
});
