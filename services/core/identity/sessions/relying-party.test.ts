import { expect, test } from 'vitest';
import { relyingParty } from './relying-party.ts';

test('the relying party is the host of the API; on a loopback address it is localhost, and pages of localhost are accepted', () => {
  expect(relyingParty('https://auth.example.org')).toEqual({
    rpID: 'auth.example.org',
    origins: ['https://auth.example.org'],
  });
  expect(relyingParty('http://127.0.0.1:3000')).toEqual({
    rpID: 'localhost',
    origins: ['http://127.0.0.1:3000', 'http://localhost:3000'],
  });
  expect(relyingParty('http://[::1]').origins).toEqual(['http://[::1]', 'http://localhost']);
});
