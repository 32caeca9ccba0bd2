import { describe, expect, test } from 'vitest';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { reasonOf, tokenHarness } from '#tools/testing/harness/token.ts';
import { outcomeOfCall } from '#tools/testing/outcome.ts';
import { tokenTypeOf } from '../access-token.ts';
import { checkDpopProof, createProofKeyCache } from '../dpop/dpop-proof.ts';
import { confirmationOf } from '../refresh/family-token.ts';
import { bearerCaller } from './bearer-caller.ts';

const harness = tokenHarness();
const HTU = 'https://tasks.test/api';
const now = () => Math.floor(harness.ports.clock.now() / 1_000);
const maker = newProofMaker('ES256', now);
const jkt = checkDpopProof(createProofKeyCache(), maker.proof('GET', HTU), {
  htm: 'GET',
  htu: HTU,
  now: now(),
  leewaySeconds: 0,
})?.jkt as string;
const bound = harness.token({ cnf: { jkt } });
const of = (token: string, proof = maker.proof('GET', HTU, { accessToken: token })) => ({
  dpop: { proof, htm: 'GET', htu: HTU },
});

describe('a token bound to a DPoP key', () => {
  test('is active with a proof by its key for this request and token', () =>
    expect(reasonOf(harness, bound, of(bound))).toBe('active'));

  test.each([
    ['no proof', {}],
    ['another key', of(bound, newProofMaker('ES256', now).proof('GET', HTU, { accessToken: bound }))],
    ['another token', of(bound, maker.proof('GET', HTU, { accessToken: 'other' }))],
    ['no token', of(bound, maker.proof('GET', HTU))],
    ['another method', of(bound, maker.proof('POST', HTU, { accessToken: bound }))],
    ['another address', of(bound, maker.proof('GET', `${HTU}/x`, { accessToken: bound }))],
    ['a certificate', { x5t: jkt }],
  ])('%s: binding_mismatch', (_name, expectations) => {
    expect(reasonOf(harness, bound, expectations)).toBe('binding_mismatch');
  });

  test('is active while the clock of the client is at most 10 s ahead', () => {
    const ahead = (seconds: number) =>
      maker.proof('GET', HTU, { accessToken: bound, claims: { iat: now() + seconds } });
    expect([10, 11, 60].map((seconds) => reasonOf(harness, bound, of(bound, ahead(seconds))))).toEqual([
      'active',
      'binding_mismatch',
      'binding_mismatch',
    ]);
  });

  test('an unbound token with a proof is rejected', () => {
    const free = harness.token();
    expect(reasonOf(harness, free)).toBe('active');
    expect(reasonOf(harness, free, of(free))).toBe('binding_mismatch');
  });

  test('introspection leaves the check of the proof to the caller', () =>
    expect(reasonOf(harness, bound, { isProofChecked: true })).toBe('active'));

  test('authenticates a caller only under the scheme DPoP with a valid proof', () => {
    const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
    const proof = (accessToken: string) => ({ proof: maker.proof('GET', HTU, { accessToken }), htm: 'GET', htu: HTU });
    expect(bearerCaller(harness.ports, bound, request, proof(bound))).toMatchObject({ kind: 'user' });
    expect(bearerCaller(harness.ports, bound, request)).toBeNull();
    const checkedBefore = { proof: 'expired by now', htm: 'GET', htu: HTU, isChecked: true } as const;
    expect(bearerCaller(harness.ports, bound, request, checkedBefore)).toMatchObject({ kind: 'user' });
    expect(bearerCaller(harness.ports, `${bound}x`, request, checkedBefore)).toBeNull();
    expect(outcomeOfCall(() => bearerCaller(harness.ports, bound, request, proof('other')))).toBe('dpop_proof_invalid');
    expect(outcomeOfCall(() => bearerCaller(harness.ports, bound, request, { proof: '', htm: 'GET', htu: HTU }))).toBe(
      'dpop_proof_invalid',
    );
    const strict = { ...harness.ports, tokenSettings: { ...harness.ports.tokenSettings, requireDpopNonce: true } };
    expect(outcomeOfCall(() => bearerCaller(strict, bound, request, proof(bound)))).toBe('dpop_nonce_required');
    const old = { proof: maker.proof('GET', HTU, { accessToken: bound, nonce: 'x' }), htm: 'GET', htu: HTU };
    expect(outcomeOfCall(() => bearerCaller(harness.ports, bound, request, old))).toBe('dpop_nonce_required');
  });
});

test('RFC 8693 §4.1: the caller of a delegated token is the user, with the acting party and without a sign-in', () => {
  const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
  const delegated = harness.token({ act: { sub: 'sallyport' }, auth_time: now() });
  expect(bearerCaller(harness.ports, delegated, request)).toMatchObject({ actingId: 'sallyport', authTime: 0 });
  expect(bearerCaller(harness.ports, harness.token(), request)).not.toHaveProperty('actingId');
});

describe('a token bound to a client certificate (RFC 8705 §3)', () => {
  const certified = harness.token({ cnf: { 'x5t#S256': 'thumb' } });
  test.each([
    [{ x5t: 'thumb' }, 'active'],
    [{ x5t: 'other' }, 'binding_mismatch'],
    [{}, 'binding_mismatch'],
    [of(certified), 'binding_mismatch'],
  ])('%o: %s', (expectations, verdict) => expect(reasonOf(harness, certified, expectations)).toBe(verdict));

  test('authenticates a caller only on a connection with that certificate', () => {
    const over = (certificate?: string | null) =>
      bearerCaller(harness.ports, certified, { ip: '', userAgent: '', traceId: '', traceparent: '', certificate });
    expect(over('thumb')).toMatchObject({ kind: 'user' });
    for (const certificate of ['other', '', null, undefined]) expect(over(certificate)).toBeNull();
  });

  test('a certificate does not affect an unbound token', () =>
    expect(reasonOf(harness, harness.token(), { x5t: 'thumb' })).toBe('active'));
});

describe('a token bound to a key and a certificate (RFC 8705 §3.4, RFC 9449 §6)', () => {
  const both = harness.token({ cnf: { jkt, 'x5t#S256': 'thumb' } });
  test.each([
    ['both', { ...of(both), x5t: 'thumb' }, 'active'],
    ['the key alone', of(both), 'binding_mismatch'],
    ['the key and another certificate', { ...of(both), x5t: 'other' }, 'binding_mismatch'],
    ['the certificate alone', { x5t: 'thumb' }, 'binding_mismatch'],
    [
      'the certificate and another key',
      { ...of(both, newProofMaker('ES256', now).proof('GET', HTU, { accessToken: both })), x5t: 'thumb' },
      'binding_mismatch',
    ],
    ['neither', {}, 'binding_mismatch'],
  ])('with %s: %s', (_what, expectations, verdict) => expect(reasonOf(harness, both, expectations)).toBe(verdict));
});

test('a token that is bound by an unknown method is rejected', () => {
  expect(reasonOf(harness, harness.token({ cnf: {} }), {})).toBe('binding_mismatch');
  expect(reasonOf(harness, harness.token({ cnf: { jwk: {} } }), of(bound))).toBe('binding_mismatch');
});

test('a bound token has its binding in cnf, and its response the token type', () => {
  const [free, strict] = [
    { tls_client_certificate_bound_access_tokens: false },
    { tls_client_certificate_bound_access_tokens: true },
  ];
  expect(confirmationOf(free, {})).toBeUndefined();
  expect(confirmationOf(strict, { jkt: null, x5t: null })).toBeUndefined();
  expect(confirmationOf(free, { jkt: 'j', x5t: 'x' })).toEqual({ jkt: 'j' });
  expect(confirmationOf(strict, { jkt: 'j', x5t: 'x' })).toEqual({ jkt: 'j', 'x5t#S256': 'x' });
  expect(confirmationOf(undefined, { x5t: 'x' })).toEqual({ 'x5t#S256': 'x' });
  expect(tokenTypeOf({})).toBe('Bearer');
  expect(tokenTypeOf({ cnf: { 'x5t#S256': 'x' } })).toBe('Bearer');
  expect(tokenTypeOf({ cnf: { jkt: 'j' } })).toBe('DPoP');
});
