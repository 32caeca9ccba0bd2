import { expect, test } from 'vitest';
import { demoScenario } from './demo.ts';

test('the demo client’s secret has 256 bits, differs from every password and between installations', () => {
  const { user, admin, client } = demoScenario('one installation');
  expect(Buffer.from(client.clientSecret, 'base64url')).toHaveLength(32);
  const other = demoScenario('another').client.clientSecret;
  expect(new Set([client.clientSecret, user.password, admin.password, other]).size).toBe(4);
});
