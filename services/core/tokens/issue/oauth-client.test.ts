import { expect, test } from 'vitest';
import type { AccessDirectory, Client } from '#services/core/access/access-directory.ts';
import type { Caller } from '#services/core/ports.ts';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { outcomeOfCall } from '#tools/testing/outcome.ts';
import { oauthClient } from './grant-token.ts';
import { issueClientToken } from './issue-client-token.ts';

const service = {
  clientId: 'service',
  disabled: false,
  secretHash: Buffer.alloc(32),
  auth_method: 'client_secret_basic',
};
const accessTo = (changes: Partial<Client>) =>
  ({
    client: (clientId: string) => (clientId === 'service' ? { ...service, ...changes } : undefined),
  }) as AccessDirectory;
/** A client whose secret was valid when the request began. */
const proved = clientCaller('service');

test('a client that was disabled or deleted while its body was read is rejected', async () => {
  expect(oauthClient({ access: accessTo({}) }, undefined, proved)).toEqual({
    clientId: 'service',
    isAuthenticated: true,
  });
  const gone = { client: () => undefined } as unknown as AccessDirectory;
  expect(outcomeOfCall(() => oauthClient({ access: gone }, 'service', proved))).toBe('client_unauthenticated');
  const access = accessTo({ disabled: true });
  expect(outcomeOfCall(() => oauthClient({ access }, 'service', proved))).toBe('client_unauthenticated');
  const ports = {
    access,
    revocations: { issuingRefusal: () => null },
    clock: { monotonic: () => 0 },
  } as unknown as Parameters<typeof issueClientToken>[0];
  await expect(issueClientToken(ports, {}, proved)).rejects.toMatchObject({ code: 'client_unauthenticated' });
});

test('a header and a form that name different clients are rejected (RFC 6749 §2.3)', () =>
  expect(outcomeOfCall(() => oauthClient({ access: accessTo({}) }, 'another', proved))).toBe('request_invalid'));

test('an authenticated client may send its client_id in the form, or leave it empty', () => {
  for (const named of ['service', '', undefined])
    expect(oauthClient({ access: accessTo({}) }, named, proved)).toMatchObject({ isAuthenticated: true });
});

test('a public client is identified by its client_id alone; one with a secret, or a disabled or unknown one, is rejected (RFC 6749 §3.2.1)', () => {
  const anonymous: Caller = { kind: 'anonymous', request: testCaller.request };
  const of = (changes: Partial<Client>, named: string | undefined = 'service') =>
    outcomeOfCall(() => oauthClient({ access: accessTo(changes) }, named, anonymous));
  const pub = { secretHash: null, auth_method: 'none' };
  expect(oauthClient({ access: accessTo(pub) }, 'service', anonymous)).toEqual({
    clientId: 'service',
    isAuthenticated: false,
  });
  for (const changes of [{}, { ...pub, disabled: true }, { ...pub, auth_method: 'client_secret_basic' }])
    expect(of(changes)).toBe('client_unauthenticated');
  expect(of({ ...pub, secretHash: Buffer.alloc(32) })).toBe('client_unauthenticated');
  expect(of(pub, 'another')).toBe('client_unauthenticated');
  expect(outcomeOfCall(() => oauthClient({ access: accessTo(pub) }, undefined, anonymous))).toBe(
    'client_unauthenticated',
  );
});
