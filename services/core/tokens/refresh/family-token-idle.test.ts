import { expect, test } from 'vitest';
import { idleSecondsOf } from './family-token.ts';

test.each([
  { acr: 'aal2', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 3_600 },
  { acr: 'aal2', refreshTokenSeconds: 600, twoFactorIdleSeconds: 3_600, rests: 600 },
  { acr: 'aal2', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 0, rests: 604_800 },
  { acr: 'aal1', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 604_800 },
  { acr: null, refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 604_800 },
])(
  'with acr $acr, refresh tokens of $refreshTokenSeconds s and a two-factor idle limit of $twoFactorIdleSeconds s, a family may be idle for $rests s',
  (row) => expect(idleSecondsOf(row, row.acr)).toBe(row.rests),
);
