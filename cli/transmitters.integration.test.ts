import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CliHarness, openCliHarness } from './cli-harness.ts';

let harness: CliHarness;
beforeAll(async () => {
  harness = await openCliHarness({ BETTER_AUTH_URL: 'https://auth.example.test' });
});
afterAll(() => harness?.close());

test('sallyport transmitters adds with our issuer as audience, lists, and removes', async () => {
  const act = ['--reason', 'test', '--yes'];
  const keys = ['--jwks-uri', 'https://idp.test/jwks'];
  const made = await harness.json(['transmitters', 'add', 'https://idp.test', ...keys, '--provider', 'okta', ...act]);
  expect(made).toMatchObject({ issuer: 'https://idp.test', provider: 'okta', match_email: false, received: 0 });
  expect(made.audience).toBe('https://auth.example.test');
  expect((await harness.sallyport(['transmitters', 'list'])).out).toContain('accounts of okta  no addresses');
  expect((await harness.json(['transmitters', 'received'])).signals).toEqual([]);
  expect(await harness.json(['transmitters', 'remove', made.transmitter_id, ...act])).toMatchObject({
    provider: 'okta',
  });
  expect((await harness.sallyport(['transmitters', 'add', 'https://idp.test', ...keys, ...act])).code).not.toBe(0);
});
