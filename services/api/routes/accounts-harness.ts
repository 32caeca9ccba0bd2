// For tests only: accounts on two copies of the API, and the mails they receive.

import { newEmail, newPassword, patiently, type TestUser } from '#tools/testing/flows/flows.ts';
import { insertPerson, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Json, type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';

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

export type AccountHarness = Awaited<ReturnType<typeof openAccountHarness>>;

export async function openAccountHarness() {
  const harness = await openApiHarness();
  const env = { RATE_LIMIT_PROFILE: 'load', HASH_QUEUE: '64' };
  /** Opens a session at sign-up, without verification. */
  const open = await harness.startCopy({ env });
  /** Opens sessions only for verified addresses; its invitations last two hours. */
  const strict = await harness.startCopy({
    env: { ...env, REQUIRE_EMAIL_VERIFICATION: 'true', INVITATION_SECONDS: '7200' },
  });
  const mails = await openMailFolder(open.workerPorts);
  const password = newPassword();
  const digest = open.ports.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });
  /** `POST /api/auth/<path>` at the open copy unless another is given; repeated after a 503. */
  const post = (path: string, json: object, sent: Sent = {}, copy = open): Promise<Received> =>
    patiently(() => send(copy.url, 'POST', `/api/auth/${path}`, { json, ...sent }));
  /** The newest mail to an address. */
  const newest = async (email: string) => (await mails.to(email)).at(-1);
  return {
    rows: harness.rows,
    newClient: harness.newClient,
    open,
    strict,
    mails,
    post,
    newest,
    /** The code of that mail. */
    codeFor: async (email: string) => (await newest(email))?.code ?? 'no mail',
    /** A user signed up without verification, with a session and tokens; the password is hashed once. */
    person: async (email = newEmail()): Promise<TestUser> => {
      const id = await insertPerson(open, email, await digest);
      await post('send-verification-email', { email });
      return { id, email, password, ...(await openSessionFor(open, id)) };
    },
    /** Whether the cookie, access token and refresh token still work. */
    isAlive: async ({ cookie, tokens }: TestUser) => {
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
