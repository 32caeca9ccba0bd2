import { expect, test } from 'vitest';
import { strengthOf } from './verified-factor-shapes.ts';

test('every factor but a password is a second one, and names its methods', () => {
  expect(strengthOf([])).toEqual({ amr: [], acr: 'aal1' });
  expect(strengthOf(['password'])).toEqual({ amr: ['pwd'], acr: 'aal1' });
  expect(strengthOf(['password', 'totp'])).toEqual({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' });
  expect(strengthOf(['passkey', 'security_key'])).toEqual({ amr: ['swk', 'user', 'hwk', 'mfa'], acr: 'aal2' });
});

test('a name that is no factor is refused, and never taken for a second one', () => {
  for (const name of ['sms', '', 'constructor'])
    expect(() => strengthOf(['password', name as never])).toThrow(expect.objectContaining({ code: 'request_invalid' }));
});
