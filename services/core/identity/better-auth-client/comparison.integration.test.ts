import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { passkey } from '@better-auth/passkey';
import { passkeyClient } from '@better-auth/passkey/client';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { createAuthClient } from 'better-auth/client';
import { adminClient, twoFactorClient } from 'better-auth/client/plugins';
import { admin } from 'better-auth/plugins/admin';
import { twoFactor } from 'better-auth/plugins/two-factor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { type MailFolder, openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';

type Send = (url: string, init: RequestInit) => Promise<Response>;

/** One installation, ours or a plain one, as its clients and the readers of its mails see it. */
type Server = {
  readonly origin: string;
  /** A browser without cookies, with Better Auth's client in its page. */
  newBrowser(): Browser;
  /** The newest link mailed to this address, with the code of the mail. */
  mailTo(email: string): Promise<{ readonly link: string; readonly token: string }>;
  /** Gives a user every right. */
  makeAdmin(email: string): Promise<void>;
  close(): Promise<void>;
};

const newClient = (origin: string, customFetchImpl: typeof fetch) =>
  createAuthClient({
    baseURL: origin,
    plugins: [twoFactorClient(), passkeyClient()],
    fetchOptions: { customFetchImpl },
  });

const newAdminClient = (origin: string, customFetchImpl: typeof fetch) =>
  createAuthClient({ baseURL: origin, plugins: [adminClient()], fetchOptions: { customFetchImpl } });

type Browser = {
  readonly client: ReturnType<typeof newClient>;
  /** The same session, with the plugin for administrators. */
  readonly adminClient: ReturnType<typeof newAdminClient>;
  /** Status of the last answer. */
  status(): number;
};

function browserOf(origin: string, send: Send): Browser {
  const jar = new Map<string, string>();
  let status = 0;
  const customFetchImpl = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('origin', origin);
    headers.set('user-agent', 'browser/1');
    if (jar.size > 0) headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '));
    const answer = await send(String(input), { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    ({ status } = answer);
    return answer;
  };
  const through = customFetchImpl as typeof fetch;
  return { client: newClient(origin, through), adminClient: newAdminClient(origin, through), status: () => status };
}

/** This product. Pages are on its own origin. */
async function ourServer(copy: ApiCopy): Promise<Server> {
  const mails: MailFolder = await openMailFolder(copy.workerPorts);
  return {
    origin: API_URL,
    newBrowser: () => browserOf(API_URL, (url, init) => fetch(url.replace(API_URL, copy.url), init)),
    mailTo: async (email) => {
      const text = (await mails.to(email)).at(-1)?.text ?? '';
      const link = /https?:\/\/\S+/g.exec(text.slice(text.lastIndexOf(':\n')))?.[0] ?? '';
      return { link, token: /(?:#|token=)([\w-]{43})/.exec(link)?.[1] ?? '' };
    },
    makeAdmin: async (email) => {
      const add = `INSERT INTO user_roles (user_id, role) SELECT id, 'admin' FROM users WHERE email = $1`;
      await copy.stores.pools.main.query(add, [email]);
    },
    close: () => mails.close(),
  };
}

/**
 * A plain server of Better Auth of the same version, with everything in memory.
 * @param isAdministered adds the plugin for administrators
 */
function plainServer({ isAdministered = false }: { readonly isAdministered?: boolean } = {}): Server {
  const origin = 'http://plain.sallyport.test';
  const mails = new Map<string, { readonly link: string; readonly token: string }>();
  const keep = async ({ user, url, token }: { user: { email: string }; url: string; token: string }): Promise<void> => {
    mails.set(user.email, { link: url, token });
  };
  const rows = {
    user: [] as Record<string, unknown>[],
    session: [],
    account: [],
    verification: [],
    twoFactor: [],
    passkey: [],
  };
  const auth = betterAuth({
    baseURL: origin,
    secret: randomBytes(32).toString('hex'),
    database: memoryAdapter(rows),
    emailAndPassword: { enabled: true, minPasswordLength: 12, sendResetPassword: keep },
    emailVerification: { sendVerificationEmail: keep },
    user: { changeEmail: { enabled: true }, deleteUser: { enabled: true } },
    plugins: [twoFactor(), passkey({ rpID: 'plain.sallyport.test', origin }), ...(isAdministered ? [admin()] : [])],
    // Under a test runner Better Auth leaves both checks out.
    advanced: { disableOriginCheck: false, disableCSRFCheck: false },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
  });
  return {
    origin,
    newBrowser: () => browserOf(origin, (url, init) => auth.handler(new Request(url, init))),
    mailTo: async (email) => mails.get(email) ?? { link: '', token: '' },
    makeAdmin: async (email) => {
      for (const user of rows.user) if (user.email === email) user.role = 'admin';
    },
    close: async () => {},
  };
}

/** What a call answered: the status, and what the client makes of the body. */
type Outcome = { readonly status: number; readonly data: unknown; readonly error: unknown };

type Kind = string | { readonly [member: string]: Kind } | readonly Kind[];

/** Members and their types; texts, ids and times are not compared. */
function kindOf(value: unknown): Kind {
  if (value === null || value === undefined) return 'null';
  if (value instanceof Date) return 'date';
  if (Array.isArray(value)) return value.length === 0 ? [] : [kindOf(value[0])];
  if (typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, kindOf(inner)]));
  return typeof value;
}

const nameOf = (kind: Kind): string => (Array.isArray(kind) ? 'array' : typeof kind === 'string' ? kind : 'object');

/** Members that may be null with a server of Better Auth too. */
const NULLABLE = /(^|\.)(image|ipAddress|userAgent|name|transports|aaguid)$/;

/** How a value differs from the one of a plain server; members that ours adds are no difference. */
function shapeDifferences(ours: Kind, theirs: Kind, at = ''): string[] {
  const [our, their] = [nameOf(ours), nameOf(theirs)];
  const place = at === '' ? 'the answer' : `\`${at}\``;
  if (our !== their) {
    if ((our === 'null' || their === 'null') && NULLABLE.test(at)) return [];
    return [`${place} is ${our}, not ${their}`];
  }
  if (our === 'array') {
    const [ourFirst, theirFirst] = [(ours as Kind[])[0], (theirs as Kind[])[0]];
    if (ourFirst === undefined || theirFirst === undefined)
      return ourFirst === theirFirst ? [] : [`${place} is ${ourFirst === undefined ? '' : 'not '}empty`];
    return shapeDifferences(ourFirst, theirFirst, at);
  }
  if (our !== 'object') return [];
  const members = ours as Readonly<Record<string, Kind>>;
  return Object.entries(theirs as Readonly<Record<string, Kind>>).flatMap(([name, kind]) => {
    const inner = at === '' ? name : `${at}.${name}`;
    if (kind === 'null' && members[name] === undefined) return [];
    return members[name] === undefined ? [`no \`${inner}\``] : shapeDifferences(members[name], kind, inner);
  });
}

/** How an outcome differs from the one of a plain server, in the words of the table. */
function differences(ours: Outcome, theirs: Outcome): string[] {
  const status = ours.status === theirs.status ? [] : [`status ${ours.status}, not ${theirs.status}`];
  if ((ours.error === null) !== (theirs.error === null)) return status;
  const [our, their] = theirs.error === null ? [ours.data, theirs.data] : [ours.error, theirs.error];
  return [...status, ...shapeDifferences(kindOf(our), kindOf(their))];
}

/**
 * Every call of Better Auth's client, against this product and against a plain server of Better Auth. The table of
 * docs/how-to/use-the-better-auth-client.md lists every difference, and nothing else.
 */

const TABLE = resolve(import.meta.dirname, '../../../../docs/how-to/use-the-better-auth-client.md');
const FOREIGN = 'https://evil.example/x';

let servers: readonly Server[];
let found: Map<string, string[]>;
let table: Map<string, string[]>;

const harness = opened(openApiHarness);
beforeAll(async () => {
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
afterAll(() => Promise.all((servers ?? []).map((server) => server.close())));

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
  test('meets no difference that the table does not list, and the table lists none that is gone', () =>
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(table)));
});
