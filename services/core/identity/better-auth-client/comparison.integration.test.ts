import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Browser, differences, type Outcome, ourServer, plainServer, type Server } from './comparison-harness.ts';

/**
 * Every call of Better Auth's client, against this product and against a plain server of Better Auth. The table of
 * docs/how-to/use-the-better-auth-client.md lists every difference, and nothing else.
 */

const TABLE = resolve(import.meta.dirname, '../../../../docs/how-to/use-the-better-auth-client.md');
const FOREIGN = 'https://evil.example/x';

let harness: ApiHarness;
let servers: readonly Server[];
let found: Map<string, string[]>;
let table: Map<string, string[]>;

beforeAll(async () => {
  harness = await openApiHarness();
  const [our, plain] = [await ourServer(await harness.startCopy()), plainServer()];
  servers = [our, plain];
  const [ours, theirs] = await Promise.all([
    outcomes(our, our),
    outcomes(plain, plainServer({ isAdministered: true })),
  ]);
  expect([...ours.keys()]).toEqual([...theirs.keys()]);
  found = new Map();
  for (const [call, outcome] of ours) {
    const different = differences(outcome, theirs.get(call) as Outcome);
    if (different.length > 0) found.set(call, different);
  }
  table = await linesOfTable();
});
afterAll(async () => {
  await Promise.all((servers ?? []).map((server) => server.close()));
  await harness?.close();
});

/** The lines `| call | difference | reason |`, by call. */
async function linesOfTable(): Promise<Map<string, string[]>> {
  const lines = new Map<string, string[]>();
  for (const line of (await readFile(TABLE, 'utf8')).split('\n')) {
    const [call, difference, reason] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (call === undefined || !call.startsWith('`')) continue;
    expect(reason, line).toMatch(/\w{3}/);
    const listed = lines.get(call.replaceAll('`', '')) ?? [];
    lines.set(call.replaceAll('`', ''), [...listed, ...(difference ?? '').split('; ')]);
  }
  return lines;
}

type Outcomes = Map<string, Outcome>;
type Called = { readonly data: unknown; readonly error: unknown };

/**
 * Runs every call against a server.
 * @param administered the same, or one with the plugin for administrators, which adds members to every user
 */
async function outcomes(server: Server, administered: Server): Promise<Outcomes> {
  const seen: Outcomes = new Map();
  const call = async (name: string, browser: Browser, work: Promise<unknown>) => {
    const { data, error } = (await work) as Called;
    seen.set(name, { status: browser.status(), data, error });
    // biome-ignore lint/suspicious/noExplicitAny: answers are read as an application reads them
    return data as any;
  };
  await users(server, call);
  await sessions(server, call);
  await mails(server, call);
  await factors(server, call);
  await passkeys(server, call);
  await providers(server, call);
  await administration(administered, call);
  return seen;
}
// biome-ignore lint/suspicious/noExplicitAny: its answers are read as an application reads them
type Call = (name: string, browser: Browser, work: Promise<unknown>) => Promise<any>;

type Ceremony = { readonly clientExtensionResults: object };

async function signedUp(server: Server) {
  const browser = server.newBrowser();
  const [email, password] = [newEmail(), newPassword()];
  const { data } = await browser.client.signUp.email({ email, password, name: 'Ada' });
  expect(data?.user.email).toBe(email);
  return { browser, client: browser.client, email, password };
}

async function users(server: Server, call: Call): Promise<void> {
  const browser = server.newBrowser();
  const { client } = browser;
  const [email, password] = [newEmail(), newPassword()];
  const person = { email, password, name: 'Ada' };
  await call('getSession, signed out', browser, client.getSession());
  await call('signOut, signed out', browser, client.signOut());
  await call('signUp.email', browser, client.signUp.email(person));
  await call('getSession', browser, client.getSession());
  await call('updateUser', browser, client.updateUser({ name: 'Grace' }));
  await call('signOut', browser, client.signOut());
  await call('getSession, after signOut', browser, client.getSession());
  await call('signUp.email, address taken', browser, client.signUp.email(person));
  await call('signUp.email, password too short', browser, client.signUp.email({ ...person, password: 'short' }));
  await call('signUp.email, callbackURL elsewhere', browser, client.signUp.email({ ...person, callbackURL: FOREIGN }));
  await call('signIn.email, wrong password', browser, client.signIn.email({ email, password: 'wrong-password' }));
  await call('signIn.email', browser, client.signIn.email({ email, password, rememberMe: true }));
  await call('signIn.email, callbackURL', browser, client.signIn.email({ email, password, callbackURL: '/welcome' }));
  await call(
    'signIn.email, callbackURL elsewhere',
    browser,
    client.signIn.email({ email, password, callbackURL: FOREIGN }),
  );
  const wrong = { currentPassword: 'wrong-password', newPassword: newPassword() };
  await call('changePassword, wrong password', browser, client.changePassword(wrong));
  const other = server.newBrowser();
  await other.client.signIn.email({ email, password });
  const next = newPassword();
  const change = { currentPassword: password, newPassword: next, revokeOtherSessions: false };
  await call('changePassword, other sessions kept', browser, client.changePassword(change));
  await call('changePassword, then getSession elsewhere', other, other.client.getSession());
  const last = { currentPassword: next, newPassword: newPassword(), revokeOtherSessions: true };
  await call('changePassword', browser, client.changePassword(last));
  await call('updateSession', browser, client.$fetch('/update-session', { method: 'POST', body: {} }));
  await call('deleteUser, wrong password', browser, client.deleteUser({ password: 'wrong-password' }));
  await call('deleteUser', browser, client.deleteUser({ password: last.newPassword, callbackURL: '/bye' }));
  await call('getSession, after deleteUser', browser, client.getSession());
}

async function sessions(server: Server, call: Call): Promise<void> {
  const stranger = server.newBrowser();
  await call('listSessions, signed out', stranger, stranger.client.listSessions());
  await call('revokeSessions, signed out', stranger, stranger.client.revokeSessions());
  const { browser, client, email, password } = await signedUp(server);
  const second = server.newBrowser();
  await second.client.signIn.email({ email, password });
  const listed = await call('listSessions', browser, client.listSessions());
  expect(listed).toHaveLength(2);
  const own = (await client.getSession()).data?.session.token;
  const { token } = listed.find((each: { token: string }) => each.token !== own);
  await call('revokeSession', browser, client.revokeSession({ token }));
  await call('revokeSession, then getSession elsewhere', second, second.client.getSession());
  await call('revokeSession, unknown', browser, client.revokeSession({ token: 'unknown' }));
  await second.client.signIn.email({ email, password });
  await call('revokeOtherSessions', browser, client.revokeOtherSessions());
  await call('revokeOtherSessions, then getSession elsewhere', second, second.client.getSession());
  await call('revokeOtherSessions, then getSession', browser, client.getSession());
  await call('revokeSessions', browser, client.revokeSessions());
  await call('revokeSessions, then getSession', browser, client.getSession());
}

async function mails(server: Server, call: Call): Promise<void> {
  const { browser, client, email } = await signedUp(server);
  const page = `${server.origin}/set-password`;
  await call('requestPasswordReset', browser, client.requestPasswordReset({ email, redirectTo: page }));
  const { token } = await server.mailTo(email);
  await call(
    'requestPasswordReset, unknown address',
    browser,
    client.requestPasswordReset({ email: newEmail(), redirectTo: page }),
  );
  await call(
    'requestPasswordReset, redirectTo elsewhere',
    browser,
    client.requestPasswordReset({ email, redirectTo: FOREIGN }),
  );
  await call(
    'resetPassword, unknown code',
    browser,
    client.resetPassword({ newPassword: newPassword(), token: 'unknown' }),
  );
  const password = newPassword();
  await call('resetPassword', browser, client.resetPassword({ newPassword: password, token }));
  await call('resetPassword, then getSession', browser, client.getSession());
  await call('resetPassword, then signIn.email', browser, client.signIn.email({ email, password }));
  const { browser: another, client: caller, email: address } = await signedUp(server);
  const asked = { email: address, callbackURL: '/welcome' };
  await call('sendVerificationEmail', another, caller.sendVerificationEmail(asked));
  await call(
    'sendVerificationEmail, callbackURL elsewhere',
    another,
    caller.sendVerificationEmail({ ...asked, callbackURL: FOREIGN }),
  );
  const mailed = await server.mailTo(address);
  await call('verifyEmail', another, caller.verifyEmail({ query: { token: mailed.token } }));
  await call('changeEmail', another, caller.changeEmail({ newEmail: newEmail(), callbackURL: '/welcome' }));
}

async function factors(server: Server, call: Call): Promise<void> {
  const { browser, client, email, password } = await signedUp(server);
  const { twoFactor } = client;
  await call('twoFactor.enable, wrong password', browser, twoFactor.enable({ password: 'wrong-password' }));
  const { totpURI, backupCodes } = await call('twoFactor.enable', browser, twoFactor.enable({ password }));
  await call('twoFactor.getTotpUri', browser, twoFactor.getTotpUri({ password }));
  await call('twoFactor.verifyTotp, first code', browser, twoFactor.verifyTotp({ code: codeOf(totpURI, -1) }));
  await call('getSession, with two factors', browser, client.getSession());
  await call(
    'twoFactor.generateBackupCodes, wrong password',
    browser,
    twoFactor.generateBackupCodes({ password: 'wrong-password' }),
  );
  await call('signIn.email, second factor', browser, client.signIn.email({ email, password }));
  await call('twoFactor.verifyTotp, wrong code', browser, twoFactor.verifyTotp({ code: 'abcdef' }));
  await call('twoFactor.verifyTotp', browser, twoFactor.verifyTotp({ code: codeOf(totpURI, 0), trustDevice: true }));
  await client.signOut();
  await call('signIn.email, on a trusted device', browser, client.signIn.email({ email, password }));
  const third = server.newBrowser();
  await third.client.signIn.email({ email, password });
  const code = backupCodes[0];
  await call('twoFactor.verifyBackupCode, wrong code', third, third.client.twoFactor.verifyBackupCode({ code: 'x' }));
  await call('twoFactor.verifyBackupCode', third, third.client.twoFactor.verifyBackupCode({ code }));
  const answered = third.client.twoFactor;
  await call('twoFactor.verifyTotp, signed in', third, answered.verifyTotp({ code: codeOf(totpURI, 1) }));
  await call('twoFactor.generateBackupCodes', third, answered.generateBackupCodes({ password }));
  await call('twoFactor.sendOtp', third, answered.sendOtp());
  await call('twoFactor.verifyOtp', third, answered.verifyOtp({ code: '123456' }));
  await call('twoFactor.disable, wrong password', third, answered.disable({ password: 'wrong-password' }));
  await call('twoFactor.disable', third, answered.disable({ password }));
  await call('getSession, after twoFactor.disable', third, third.client.getSession());
}

async function passkeys(server: Server, call: Call): Promise<void> {
  const { browser, client, email, password } = await signedUp(server);
  const authenticator = createAuthenticator();
  const { origin } = server;
  const get = { method: 'GET' } as const;
  const register = { query: { name: 'phone', authenticatorAttachment: 'platform' } } as const;
  const asked = client.$fetch('/passkey/generate-register-options', { ...get, ...register });
  const options = await call('passkey.addPasskey, options', browser, asked);
  // What the plugin's client sends, whose ceremony needs a browser.
  const { clientExtensionResults: _none, ...response } = authenticator.create(options, { origin }) as Ceremony;
  const body = { response, name: 'phone' };
  const registered = () => client.$fetch('/passkey/verify-registration', { method: 'POST', body });
  const { id } = await call('passkey.addPasskey', browser, registered());
  await call('passkey.addPasskey, challenge used', browser, registered());
  await call('passkey.listUserPasskeys', browser, client.passkey.listUserPasskeys());
  await call('passkey.updatePasskey', browser, client.passkey.updatePasskey({ id, name: 'tablet' }));
  await call(
    'passkey.updatePasskey, unknown',
    browser,
    client.passkey.updatePasskey({ id: 'unknown', name: 'tablet' }),
  );
  const fresh = server.newBrowser();
  await call('signIn.email, with a passkey', fresh, fresh.client.signIn.email({ email, password }));
  await fresh.client.signOut();
  const challenge = fresh.client.$fetch('/passkey/generate-authenticate-options', get);
  const given = await call('signIn.passkey, options', fresh, challenge);
  const { clientExtensionResults: _no, ...assertion } = authenticator.get(given, { origin }) as Ceremony;
  const signIn = () =>
    fresh.client.$fetch('/passkey/verify-authentication', { method: 'POST', body: { response: assertion } });
  await call('signIn.passkey', fresh, signIn());
  await call('getSession, after signIn.passkey', fresh, fresh.client.getSession());
  await call('signIn.passkey, challenge used', fresh, signIn());
  await call('passkey.deletePasskey, unknown', fresh, fresh.client.passkey.deletePasskey({ id: 'unknown' }));
  await call('passkey.deletePasskey', fresh, fresh.client.passkey.deletePasskey({ id }));
  await call('passkey.listUserPasskeys, none left', fresh, fresh.client.passkey.listUserPasskeys());
}

async function administration(server: Server, call: Call): Promise<void> {
  const { browser, email } = await signedUp(server);
  await server.makeAdmin(email);
  const { data } = await browser.client.getSession();
  const { admin } = browser.adminClient;
  const userId = String(data?.user.id);
  const person = { email: newEmail(), password: newPassword(), name: 'Ada' };
  await call('admin.listUsers', browser, admin.listUsers({ query: { limit: 10 } }));
  await call('admin.getUser', browser, admin.getUser({ query: { id: userId } }));
  await call('admin.createUser', browser, admin.createUser(person));
  await call('admin.updateUser', browser, admin.updateUser({ userId, data: { name: 'Ada' } }));
  await call('admin.setRole', browser, admin.setRole({ userId, role: 'admin' }));
  await call('admin.setUserPassword', browser, admin.setUserPassword({ userId, newPassword: newPassword() }));
  await call('admin.hasPermission', browser, admin.hasPermission({ permissions: { user: ['list'] } }));
  await call('admin.listUserSessions', browser, admin.listUserSessions({ userId }));
  const other = await signedUp(server);
  const target = String((await other.client.getSession()).data?.user.id);
  await call('admin.impersonateUser', browser, admin.impersonateUser({ userId: target }));
  await call('admin.stopImpersonating', browser, admin.stopImpersonating());
  await call('admin.banUser', browser, admin.banUser({ userId: target }));
  await call('admin.unbanUser', browser, admin.unbanUser({ userId: target }));
  await call('admin.revokeUserSession', browser, admin.revokeUserSession({ sessionToken: 'unknown' }));
  await call('admin.revokeUserSessions', browser, admin.revokeUserSessions({ userId: target }));
  await call('admin.removeUser', browser, admin.removeUser({ userId: target }));
}

async function providers(server: Server, call: Call): Promise<void> {
  const { browser, client } = await signedUp(server);
  const [password] = await call('listAccounts', browser, client.listAccounts());
  await call('unlinkAccount, unknown', browser, client.unlinkAccount({ accountId: 'unknown' }));
  await call('unlinkAccount, the password', browser, client.unlinkAccount({ accountId: password.id }));
  await call('signIn.social, unknown provider', browser, client.signIn.social({ provider: 'google' }));
  await call('linkSocial, unknown provider', browser, client.linkSocial({ provider: 'google' }));
  await call('getAccessToken', browser, client.getAccessToken({ accountId: 'unknown' }));
  await call('refreshToken', browser, client.refreshToken({ accountId: 'unknown' }));
  await call('accountInfo', browser, client.accountInfo({ query: { accountId: 'unknown' } }));
}

describe('Better Auth’s client', () => {
  test('meets no difference that the table does not list, and the table lists none that is gone', () => {
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(table));
  });
});
