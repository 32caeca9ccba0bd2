import { expect, test } from 'vitest';
import type { HasTokenSettings } from '../token-settings.ts';
import { allowedAudience } from './allowed-audience.ts';

const ports = { tokenSettings: { audience: 'https://api.test' } } as HasTokenSettings;
const client = (...audiences: string[]) => ({ audiences });

test('a client gets the default audience and those listed for it, and no other', () => {
  expect(allowedAudience(ports, client(), undefined)).toBe('https://api.test');
  expect(allowedAudience(ports, client(), 'https://api.test')).toBe('https://api.test');
  expect(allowedAudience(ports, client('https://tasks.test'), 'https://tasks.test')).toBe('https://tasks.test');
  expect(allowedAudience(ports, client('*'), 'https://anybody.test')).toBe('https://anybody.test');
  for (const listed of [client(), client('https://tasks.test'), undefined])
    expect(() => allowedAudience(ports, listed, 'https://payments.test')).toThrow(
      expect.objectContaining({ code: 'target_invalid' }),
    );
});
