import { expect, test } from 'vitest';
import { idleSecondsOf } from './family-idle.ts';

test.each([
  { acr: 'aal2', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 3_600 },
  { acr: 'aal2', refreshTokenSeconds: 600, twoFactorIdleSeconds: 3_600, rests: 600 },
  { acr: 'aal2', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 0, rests: 604_800 },
  { acr: 'aal1', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 604_800 },
  { acr: null, refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 604_800 },
])('a login of $acr rests $rests s of $refreshTokenSeconds where two factors rest $twoFactorIdleSeconds', (row) => {
  expect(idleSecondsOf(row, row.acr)).toBe(row.rests);
});
