import { expect, test } from 'vitest';
import { assertRoom, mostOpenRequests } from './open-requests.ts';

test.each([
  ['admin', 10_000],
  ['registration', 1_000],
  ['document', 1_000],
] as const)('a client of origin %s has room for %i requests that wait, and for no more', async (origin, most) => {
  expect(mostOpenRequests({ origin })).toBe(most);
  await expect(assertRoom({ origin }, async (limit) => limit - 1)).resolves.toBeUndefined();
  await expect(assertRoom({ origin }, async (limit) => limit)).rejects.toMatchObject({
    code: 'open_requests_full',
    options: { retryAfterSeconds: 60 },
  });
});
