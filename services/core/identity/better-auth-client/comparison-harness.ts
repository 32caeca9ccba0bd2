// For tests only: Better Auth's own client against this product and against a plain server of Better Auth.
import { randomBytes } from 'node:crypto';
import { passkey } from '@better-auth/passkey';
import { passkeyClient } from '@better-auth/passkey/client';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { createAuthClient } from 'better-auth/client';
import { adminClient, twoFactorClient } from 'better-auth/client/plugins';
import { admin } from 'better-auth/plugins/admin';
import { twoFactor } from 'better-auth/plugins/two-factor';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { type MailFolder, openMailFolder } from '#tools/testing/mail-folder.ts';

type Send = (url: string, init: RequestInit) => Promise<Response>;

/** One installation, ours or a plain one, as its clients and the readers of its mails see it. */
export type Server = {
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

export type Browser = {
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
export async function ourServer(copy: ApiCopy): Promise<Server> {
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
export function plainServer({ isAdministered = false }: { readonly isAdministered?: boolean } = {}): Server {
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
export type Outcome = { readonly status: number; readonly data: unknown; readonly error: unknown };

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
export function differences(ours: Outcome, theirs: Outcome): string[] {
  const status = ours.status === theirs.status ? [] : [`status ${ours.status}, not ${theirs.status}`];
  if ((ours.error === null) !== (theirs.error === null)) return status;
  const [our, their] = theirs.error === null ? [ours.data, theirs.data] : [ours.error, theirs.error];
  return [...status, ...shapeDifferences(kindOf(our), kindOf(their))];
}
