import { expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { tokenHarness } from '#tools/testing/harness/token.ts';
import { redeemDeviceCode } from './devices/redeem-device-code.ts';
import { exchangeToken } from './exchange-token.ts';
import { redeemAuthorizationCode } from './redeem-code.ts';

// These ports have no store: a test fails if a use-case reads or writes.
const harness = tokenHarness();
const ports = harness.ports as unknown as Parameters<typeof redeemAuthorizationCode>[0] &
  Parameters<typeof exchangeToken>[0];
const client = { clientId: 'app', isAuthenticated: true };
const left = {
  code: undefined,
  redirectUri: undefined,
  codeVerifier: undefined,
  resource: undefined,
  deviceCode: undefined,
  subjectToken: undefined,
  subjectTokenType: undefined,
  requestedTokenType: undefined,
  actorToken: undefined,
  actorTokenType: undefined,
  scope: undefined,
  audience: undefined,
};

test.each([
  ['a code', redeemAuthorizationCode],
  ['a device code', redeemDeviceCode],
  ['a subject token', exchangeToken],
])('with a rewound database %s is refused before any read or write', async (_name, redeem) => {
  harness.revocations.setRewound(true);
  await expect(redeem(ports, { client, keys: {}, ...left }, testCaller)).rejects.toMatchObject({
    code: 'state_rewound',
  });
});
