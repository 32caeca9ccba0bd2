import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { insertSession, insertUser } from '#tools/testing/fixtures/families.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { validateToken } from '#tools/testing/harness/token.ts';
import { opened } from '#tools/testing/opened.ts';
import { createProofKeyCache } from '../core/tokens/dpop/dpop-proof.ts';
import type { ClientInfo } from '../core/tokens/token-types.ts';
import { createValidationCounts } from '../core/tokens/verify/validation-counts.ts';
import { createVerifiedTokenCache } from '../core/tokens/verify/verified-token-cache.ts';
import { BetterAuthIntegrationService, type User, type UserUpdates } from './better-auth-integration-service.ts';
import { JWTTokenService } from './jwt-token-service.ts';

const harness = opened(() => openPeopleHarness());
let service: BetterAuthIntegrationService;
const credentials = { email: newEmail(), password: newPassword() };
let user: User;

beforeAll(async () => {
  service = new BetterAuthIntegrationService(harness.deps);
  user = await service.createUser({ ...credentials, name: 'Ada' }, home);
});
const memory = {
  verifiedTokens: createVerifiedTokenCache(134_217_728),
  validationCounts: createValidationCounts(),
  proofKeys: createProofKeyCache(),
};
const validate = (token: string) => validateToken({ ...harness.deps, ...memory }, token);
const rows: PeopleHarness['rows'] = (...asked) => harness.rows(...asked);

const home: ClientInfo = { ip: '192.0.2.1', userAgent: 'browser/1' };

describe('BetterAuthIntegrationService', () => {
  test('createUser stores the user with a password hash that no answer contains, and mails a verification link', async () => {
    expect(user).toMatchObject({ email: credentials.email, name: 'Ada', emailVerified: false });
    const [row] = await rows`SELECT password FROM accounts WHERE "userId" = ${user.id}`;
    expect(row.password).toMatch(/^\$2b\$12\$/);
    expect(JSON.stringify(user)).not.toContain(row.password);
    expect(await rows`SELECT template FROM mail_outbox`).toEqual([{ template: 'verify_email' }]);
    expect(await rows`SELECT 1 FROM sessions WHERE "userId" = ${user.id}`).toEqual([]);
    await expect(service.createUser(credentials)).rejects.toMatchObject({ code: 'email_taken' });
  });

  test('authenticateUser opens a session with tokens, and rejects a wrong password and an unknown address alike', async () => {
    const signedIn = await service.authenticateUser(credentials, home);
    expect(signedIn).toMatchObject({
      user: { id: user.id },
      session: { ipAddress: '192.0.2.1' },
      tokens: { tokenType: 'Bearer', expiresIn: expect.any(Number), refreshExpiresIn: expect.any(Number) },
    });
    const { accessToken, refreshToken, tokenId } = signedIn.tokens;
    expect(validate(accessToken)).toMatchObject({ active: true, claims: { jti: tokenId, sid: signedIn.session.id } });
    const tokens = new JWTTokenService({ ...harness.deps, ...memory });
    expect((await tokens.refreshAccessToken(refreshToken, home)).accessToken).not.toBe(accessToken);
    for (const wrong of [
      { ...credentials, password: newPassword() },
      { ...credentials, email: newEmail() },
    ])
      await expect(service.authenticateUser(wrong)).rejects.toMatchObject({ code: 'login_refused' });
  });

  test('updateUserProfile changes name and picture, but neither roles nor email verification', async () => {
    expect(await service.updateUserProfile(user.id, { name: 'Grace' })).toMatchObject({ name: 'Grace' });
    for (const forbidden of [{ roles: ['admin'] }, { emailVerified: true }] as unknown as UserUpdates[])
      await expect(service.updateUserProfile(user.id, forbidden)).rejects.toMatchObject({ code: 'request_invalid' });
    await expect(service.updateUserProfile(randomUUID(), { name: 'x' })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  });

  test('validateSession accepts a session until it expires or is revoked, and says which', async () => {
    const session = await service.createSession(user.id, { ip: '198.51.100.7', userAgent: 'robot/2' });
    expect(session).toMatchObject({ userId: user.id, ipAddress: '198.51.100.7', userAgent: 'robot/2' });
    expect(await service.validateSession(session.id)).toEqual({ valid: true, reason: null, session });

    const { session: second, tokens } = await service.authenticateUser(credentials, home);
    await service.revokeSession(second.id, 'lost laptop');
    expect(await service.validateSession(second.id)).toEqual({ valid: false, reason: 'revoked', session: null });
    expect(validate(tokens.accessToken)).toMatchObject({ active: false, reason: 'session_ended' });
    const [revocation] = await rows`SELECT reason FROM revocations WHERE kind = 'sid' AND value = ${second.id}`;
    expect(revocation).toEqual({ reason: 'lost laptop' });

    await rows`UPDATE sessions SET "expiresAt" = now() - make_interval(secs => 1) WHERE id = ${session.id}`;
    expect(await service.validateSession(session.id)).toMatchObject({ valid: false, reason: 'expired' });
    expect(await service.validateSession(randomUUID())).toMatchObject({ valid: false, reason: 'unknown' });
  });

  test('createSession rejects an unknown and a disabled user, and disabling a user revokes the session', async () => {
    await expect(service.createSession(randomUUID(), home)).rejects.toMatchObject({ code: 'unauthenticated' });
    const id = await insertUser(harness.pool);
    const session = await service.createSession(id, home);
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    await expect(service.createSession(id, home)).rejects.toMatchObject({ code: 'unauthenticated' });
    await harness.poll.wake();
    expect(await service.validateSession(session.id)).toMatchObject({ valid: false, reason: 'revoked' });
  });

  test('a disabled user’s session is invalid even while its row exists and no revocation is known', async () => {
    const id = await insertUser(harness.pool);
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    const sessionId = await insertSession(harness.pool, id);
    expect(await service.validateSession(sessionId)).toEqual({ valid: false, reason: 'revoked', session: null });
  });
});
