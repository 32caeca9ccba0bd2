import { expect, test } from 'vitest';
import { keyRingBehind } from '#services/core/keys/errors.ts';
import { errorAnswer } from '#services/platform/http/problem.ts';
import {
  refreshGraceSpent,
  refreshTokenExpired,
  refreshTokenInvalid,
  refreshTokenReused,
  resourceForeign,
  scopeExceeded,
  sessionEnded,
} from './refresh-errors.ts';

test.each([
  [refreshTokenReused, 401, 400, 'invalid_grant'],
  [refreshTokenExpired, 401, 400, 'invalid_grant'],
  [refreshTokenInvalid, 401, 400, 'invalid_grant'],
  [sessionEnded, 401, 400, 'invalid_grant'],
  [scopeExceeded, 400, 400, 'invalid_scope'],
  [resourceForeign, 400, 400, 'invalid_target'],
  // No client library may take these errors for an end of the token family.
  [refreshGraceSpent, 429, 429, 'temporarily_unavailable'],
  [keyRingBehind, 503, 503, 'temporarily_unavailable'],
])('%o is %i here and %i %s at the OAuth endpoints (RFC 6749 §5.2)', (factory, status, oauthStatus, oauthError) => {
  const context = { traceId: 't', sent: 'none' } as const;
  const own = errorAnswer(factory({ retryAfterSeconds: 7 }), { ...context, oauth: false });
  expect([own.status, own.body.code]).toEqual([status, factory.definition.code]);
  const oauth = errorAnswer(factory({ retryAfterSeconds: 7 }), { ...context, oauth: true });
  expect([oauth.status, oauth.body.error]).toEqual([oauthStatus, oauthError]);
  expect(own.headers['retry-after']).toBe(status === 429 || status === 503 ? '7' : undefined);
});
