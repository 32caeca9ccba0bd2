import { describe, expect, test } from 'vitest';
import { defineError } from '../define/error.ts';
import {
  clientUnauthenticated,
  permissionMissing,
  rateLimited,
  requestInvalid,
  storeUnavailable,
  unauthenticated,
} from '../errors.ts';
import { type ErrorAnswerContext, errorAnswer } from './problem.ts';

const context: ErrorAnswerContext = { traceId: 'trace', oauth: false, sent: 'none' };
const shape = { title: 'No', cause: 'It is so.', fix: 'Do otherwise.', retryable: false } as const;
const grantRefused = defineError({
  ...shape,
  code: 'grant_refused',
  status: 403,
  oauthError: 'invalid_grant',
  oauthStatus: 400,
});
const proofWrong = defineError({ ...shape, code: 'proof_wrong', status: 401, oauthError: 'invalid_dpop_proof' });
const nonceWanted = defineError({ ...shape, code: 'nonce_wanted', status: 401, oauthError: 'use_dpop_nonce' });

const challengeOf = (error: ReturnType<typeof unauthenticated>, more: Partial<ErrorAnswerContext>) =>
  errorAnswer(error, { ...context, ...more }).headers['www-authenticate'];

test('a token that is not enough is told so (RFC 6750 §3.1), and no other credential', () => {
  expect(challengeOf(permissionMissing(), { sent: 'bearer' })).toBe(
    'Bearer realm="sallyport", error="insufficient_scope"',
  );
  expect(challengeOf(permissionMissing(), { sent: 'dpop' })).toContain(
    'DPoP realm="sallyport", error="insufficient_scope"',
  );
  for (const sent of ['none', 'basic'] as const) expect(challengeOf(permissionMissing(), { sent })).toBeUndefined();
});

describe('the form of an error', () => {
  test('is RFC 9457, with the cause, the fix and a link to the documentation', () => {
    const problems = [{ at: 'body/a', why: 'is too long' }];
    expect(errorAnswer(requestInvalid({ problems, detail: 'One member.' }), context)).toEqual({
      status: 400,
      headers: { 'cache-control': 'no-store', 'content-type': 'application/problem+json; charset=utf-8' },
      body: {
        type: '/docs/errors#request_invalid',
        title: expect.any(String),
        status: 400,
        detail: 'One member.',
        fix: expect.any(String),
        code: 'request_invalid',
        retryable: false,
        trace_id: 'trace',
        problems,
      },
    });
  });

  test('is RFC 6749 §5.2 at an OAuth endpoint, with the OAuth status', () => {
    const said = errorAnswer(grantRefused({ detail: 'It is over.' }), { ...context, oauth: true });
    expect(said).toMatchObject({
      status: 400,
      headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', pragma: 'no-cache' },
      body: { error: 'invalid_grant', error_description: 'It is over.', code: 'grant_refused' },
    });
    expect(errorAnswer(grantRefused(), { ...context, oauth: true }).body).toMatchObject({ error_description: 'No' });
    expect(errorAnswer(grantRefused(), context)).toMatchObject({ status: 403, body: { status: 403 } });
  });

  test('has Retry-After for every retryable error, at least one second', () => {
    expect(errorAnswer(rateLimited({ retryAfterSeconds: 2.1 }), context).headers['retry-after']).toBe('3');
    expect(errorAnswer(rateLimited({ retryAfterSeconds: 0 }), context).headers['retry-after']).toBe('1');
    expect(errorAnswer(storeUnavailable(), context).headers['retry-after']).toBe('1');
    expect(errorAnswer(requestInvalid(), context).headers['retry-after']).toBeUndefined();
  });

  test('carries the headers and extension members of the error', () => {
    const own = grantRefused({ headers: { 'x-own': '1', 'cache-control': 'private' }, members: { left: 2 } });
    expect(errorAnswer(own, context)).toMatchObject({
      headers: { 'x-own': '1', 'cache-control': 'private' },
      body: { left: 2 },
    });
  });
});

describe('a challenge', () => {
  test('the challenge names an error only if a credential was sent (RFC 6750 §3)', () => {
    expect(challengeOf(unauthenticated(), {})).toBe('Bearer realm="sallyport"');
    expect(challengeOf(unauthenticated(), { sent: 'bearer' })).toBe('Bearer realm="sallyport", error="invalid_token"');
  });

  test('the challenge names the metadata of the resource (RFC 9728 §5.1)', () =>
    expect(challengeOf(unauthenticated(), { resource: { metadata: 'https://a.test/m' } })).toBe(
      'Bearer realm="sallyport", resource_metadata="https://a.test/m"',
    ));

  test('the challenge for a client is Basic', () => {
    const basic = 'Basic realm="sallyport"';
    expect(challengeOf(clientUnauthenticated(), {})).toBe(basic);
    expect(challengeOf(unauthenticated(), { sent: 'basic' })).toBe(basic);
    expect(challengeOf(clientUnauthenticated(), { oauth: true })).toBe(basic);
    expect(challengeOf(unauthenticated(), { oauth: true })).toBe('Bearer realm="sallyport"');
  });

  test('the DPoP challenge names the error and the algorithms of proofs (RFC 9449 §7.1)', () => {
    const dpop = (why: string) => `DPoP realm="sallyport", algs="ES256 RS256 EdDSA", error="${why}"`;
    expect(challengeOf(unauthenticated(), { sent: 'dpop' })).toBe(dpop('invalid_token'));
    expect(challengeOf(proofWrong(), { sent: 'dpop' })).toBe(dpop('invalid_dpop_proof'));
    expect(challengeOf(nonceWanted(), { sent: 'dpop' })).toBe(dpop('use_dpop_nonce'));
  });
});
