import { expect, test } from 'vitest';
import { addressResult } from './address.ts';

test.each(['http://localhost:3000', 'https://auth.example.test/id'])('%s passes: passkeys work there', (url) => {
  expect(addressResult(url)).toEqual({ result: 'pass', evidence: url });
});

test.each([
  ['http://127.0.0.1:3000', 'http://localhost:3000'],
  ['http://[::1]:4400', 'http://localhost:4400'],
  ['http://192.0.2.7', 'http://localhost'],
])('%s, the default of earlier versions or another number, warns and says how the issuer stays', (url, better) => {
  const { result, evidence, fix } = addressResult(url);
  expect([result, evidence]).toEqual(['warn', `${url}: browsers allow no passkeys at an IP address`]);
  expect(fix).toContain(`BETTER_AUTH_URL=${better};`);
  expect(fix).toContain(`JWT_ISSUER=${url}`);
});
