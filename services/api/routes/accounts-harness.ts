// For tests only: accounts on two copies of the API, and the mails they receive.

import { newEmail, newPassword, patiently, type TestUser } from '#tools/testing/flows/flows.ts';
import { insertPerson, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Json, type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { type MailFolder, openMailFolder } from '#tools/testing/mail-folder.ts';

export type AccountHarness = Pick<ApiHarness, 'rows' | 'newClient'> & {
  /** Opens a session at sign-up, without verification. */
  readonly open: ApiCopy;
  /** Opens sessions only for verified addresses; its invitations last two hours. */
  readonly strict: ApiCopy;
  readonly mails: MailFolder;
  /** A user signed up without verification, with a session and tokens; the password is hashed once. */
  person(email?: string): Promise<TestUser>;
  /** `POST /api/auth/<path>` at the open copy unless another is given; repeated after a 503. */
  post(path: string, json: object, sent?: Sent, copy?: ApiCopy): Promise<Received>;
  /** The newest mail to an address. */
  newest(
    email: string,
  ): ReturnType<MailFolder['to']> extends Promise<(infer Mail)[]> ? Promise<Mail | undefined> : never;
  /** The code of that mail. */
  codeFor(email: string): Promise<string>;
  /** Whether the cookie, access token and refresh token still work. */
  isAlive(user: TestUser): Promise<boolean[]>;
  close(): Promise<void>;
};

export const ALIVE: readonly boolean[] = [true, true, true];
export const DEAD: readonly boolean[] = [false, false, false];

export const bearerOf = ({ tokens }: Pick<TestUser, 'tokens'>): Sent => ({ bearer: tokens.access_token });
export const ownPage = (user: Pick<TestUser, 'cookie'>): Sent => ({
  cookie: user.cookie,
  headers: { origin: API_URL },
});
export const at = (copy: ApiCopy): { api: string } => ({ api: copy.url });

/** The answer without the members that differ each time. */
export const told = ({ status, body, headers }: Received): { status: number; body: Json; headers: string[] } => ({
  status,
  body,
  headers: [...headers.keys()].filter((name) => !name.startsWith('ratelimit')).sort(),
});

export async function openAccountHarness(): Promise<AccountHarness> {
  const harness = await openApiHarness();
  const env = { RATE_LIMIT_PROFILE: 'load', HASH_QUEUE: '64' };
  const open = await harness.startCopy({ env });
  const strict = await harness.startCopy({
    env: { ...env, REQUIRE_EMAIL_VERIFICATION: 'true', INVITATION_SECONDS: '7200' },
  });
  const mails = await openMailFolder(open.workerPorts);
  const password = newPassword();
  const digest = open.ports.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });
  const post: AccountHarness['post'] = (path, json, sent = {}, copy = open) =>
    patiently(() => send(copy.url, 'POST', `/api/auth/${path}`, { json, ...sent }));
  const newest: AccountHarness['newest'] = async (email) => (await mails.to(email)).at(-1);
  return {
    rows: harness.rows,
    newClient: harness.newClient,
    open,
    strict,
    mails,
    post,
    newest,
    codeFor: async (email) => (await newest(email))?.code ?? 'no mail',
    person: async (email = newEmail()) => {
      const id = await insertPerson(open, email, await digest);
      await post('send-verification-email', { email });
      return { id, email, password, ...(await openSessionFor(open, id)) };
    },
    isAlive: async ({ cookie, tokens }) => {
      const [session, validated, refreshed] = await Promise.all([
        send(open.url, 'GET', '/api/auth/session', { cookie }),
        send(open.url, 'POST', '/v1/tokens/validate', { json: { token: tokens.access_token } }),
        send(open.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token: tokens.refresh_token } }),
      ]);
      return [session.status === 200, validated.body.active, refreshed.status === 200];
    },
    close: async () => {
      await mails.close();
      await harness.close();
    },
  };
}
