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

test('sallyport signal-streams lists the streams of receivers, pauses one, and sends a verification event through it', async () => {
  const id = '0190a5e2-0000-7000-8000-000000000001';
  await harness.ports.raw(
    `INSERT INTO signal_streams (id, owner, audience, method, events) VALUES ($1, 'client:x', 'x', 'urn:ietf:rfc:8936', '{}')`,
    [id],
  );
  const act = ['--reason', 'test', '--yes'];
  expect((await harness.sallyport(['signal-streams', 'list'])).out).toContain('client:x  polled  0 waiting');
  expect(await harness.json(['signal-streams', 'status', id, '--status', 'paused', ...act])).toMatchObject({
    status: 'paused',
    status_reason: 'administrator',
  });
  expect(await harness.json(['signal-streams', 'verify', id, ...act])).toMatchObject({ stream_id: id });
});
