import { expect, test } from 'vitest';
import type { Log } from '#services/core/ports.ts';
import { internalError, storeUnavailable } from '#services/platform/errors.ts';
import { createFailureLog } from './failure-log.ts';

test('an unavailable state is logged once a second with the number of equal failures, a defect every time', () => {
  const lines: [string, Record<string, unknown>][] = [];
  const log = {
    warn: (fields: object) => void lines.push(['warn', fields as Record<string, unknown>]),
    error: (fields: object) => void lines.push(['error', fields as Record<string, unknown>]),
  } as unknown as Log;
  let now = 0;
  const failed = createFailureLog(log, { now: () => now, monotonic: () => now });
  for (let count = 0; count < 10; count += 1) failed(storeUnavailable(), undefined, 'validateToken');
  now = 1_000;
  failed(storeUnavailable(), undefined, 'validateToken');
  failed(internalError(), new Error('defect'), 'signIn');
  failed(internalError(), new Error('defect'), 'signIn');
  expect(lines.map(([level, { code, like_it }]) => [level, code, like_it])).toEqual([
    ['warn', 'store_unavailable', 0],
    ['warn', 'store_unavailable', 9],
    ['error', 'internal_error', undefined],
    ['error', 'internal_error', undefined],
  ]);
});
