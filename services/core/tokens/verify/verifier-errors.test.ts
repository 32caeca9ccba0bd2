import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { verifierErrors } from './verifier-errors.ts';

const statusOf = new Map(verifierErrors.map(({ definition: { code, status } }) => [code, status]));

test('a verifier has one error for each code of the conformance vectors', () => {
  const file = new URL('../../../../conformance/vectors.json', import.meta.url);
  const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { readonly vectors: readonly { code: string }[] };
  const codes = new Set(vectors.map(({ code }) => code));
  codes.delete('active');
  expect(codes.size).toBeGreaterThan(10);
  expect([...codes].filter((code) => !statusOf.has(code))).toEqual([]);
  expect(statusOf.size).toBe(verifierErrors.length);
});

test('a request is answered with 400, a token with 401, missing rights with 403, and what cannot be decided with 503 to retry', () => {
  const codesWith = (status: number) => [...statusOf].filter(([, one]) => one === status).map(([code]) => code);
  expect(codesWith(400)).toEqual(['request_invalid']);
  expect(codesWith(403)).toEqual(['insufficient_scope', 'permission_missing', 'authorization_missing']);
  expect(codesWith(503)).toEqual(['revocation_state_stale', 'key_ring_behind', 'client_refused', 'too_many_proofs']);
  expect(codesWith(401)).toHaveLength(statusOf.size - 8);
  for (const { definition } of verifierErrors) expect(definition.retryable).toBe(definition.status === 503);
});
