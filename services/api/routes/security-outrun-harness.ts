// For tests only: users whose password an attacker has, and what the attacker does before the detections run.

import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { refresh, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { askToken, browserOf, newOAuthClient } from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, cookieOf, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { type MailFolder, openMailFolder } from '#tools/testing/mail-folder.ts';
import { openSecurityHarness, type SecurityHarness } from './security-harness.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

/** A user signed in at home recently, and an attacker with the password in another place, before the detections ran. */
export type Theft = { readonly owner: TestUser; readonly home: Received; readonly thief: Received };

export type TheftHarness = SecurityHarness & {
  readonly mails: MailFolder;
  /** The client that devices are authorized for. */
  readonly tv: ClientCredentials;
  theft(): Promise<Theft>;
  /** Another sign-in of the attacker, in a browser known to the account, with the first session still open. */
  again(stolen: Theft): Promise<Received>;
  /** A write from one of our own pages, which succeeds. */
  act(path: string, cookie: string, json?: object): Promise<Received>;
  /** The status of a refresh with these tokens, or its error code. */
  refreshed(login: Received): Promise<string | number>;
  passkeyBy(cookie: string): Promise<{ readonly made: Received; readonly key: ReturnType<typeof createAuthenticator> }>;
  totpBy(cookie: string, password: string): Promise<Received>;
  /** A device that the holder of this cookie allows; its code. */
  allowDevice(owner: TestUser, cookie: string): Promise<string>;
  poll(deviceCode: string): Promise<Received>;
  linkOf(owner: TestUser, subject: string): Promise<unknown>;
  /** Backdates it to just before the attacker's sign-in. */
  justBefore(owner: TestUser, table: 'accounts' | 'passkeys', id: string): Promise<unknown>;
  sessionsOf(owner: TestUser): Promise<Json[]>;
  /** The audit events of it, oldest first. */
  eventsOf(type: string, targetId: string): Promise<Json[]>;
};

/** One harness per test file. */
export async function openTheftHarness(): Promise<TheftHarness> {
  const harness = await openSecurityHarness();
  const { api, rows } = harness;
  const mails = await openMailFolder(api.workerPorts);
  const tv = await newOAuthClient([api, harness.other], 'none', [DEVICE, 'refresh_token']);
  let places = 0;

  const act: TheftHarness['act'] = async (path, cookie, json = {}) => {
    const answer = await send(api.url, 'POST', path, { cookie, json, headers: { origin: API_URL } });
    if (answer.status >= 300) throw new Error(`${path} ${answer.status} ${answer.text}`);
    return answer;
  };
  const signInFrom: SecurityHarness['signInFrom'] = async (...asked) => {
    const answer = await harness.signInFrom(...asked);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  };

  return {
    ...harness,
    mails,
    tv,
    act,
    async theft() {
      const owner = await signUp({ api: api.url });
      places += 1;
      await rows(`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE "userId" = $1`, [owner.id]);
      const home = await signInFrom(owner, `192.0.2.${places}`, 'Firefox on the desk');
      const thief = await signInFrom(owner, `203.0.113.${places}`, 'curl');
      return { owner, home, thief };
    },
    again({ owner, thief }) {
      const device = cookieOf(thief).match(/sallyport\.device=[^;]+/)?.[0] as string;
      return signInFrom(owner, '203.0.113.250', 'curl', { cookie: device });
    },
    async refreshed({ body }) {
      const answer = await refresh({ api: api.url }, (body.tokens ?? body.login.tokens).refresh_token);
      return answer.body.code ?? answer.status;
    },
    async passkeyBy(cookie) {
      const { options, challenge } = (await act('/api/auth/passkey/register/options', cookie)).body;
      const key = createAuthenticator();
      const response = key.create(options, { origin: API_URL });
      const made = await act('/api/auth/passkey/register/verify', cookie, { challenge, response, name: 'a key' });
      return { made, key };
    },
    async totpBy(cookie, password) {
      const { totp_uri: uri } = (await act('/api/auth/two-factor/enable', cookie, { password })).body;
      return act('/api/auth/two-factor/confirm', cookie, { code: codeOf(uri) });
    },
    async allowDevice(owner, cookie) {
      const form = { client_id: tv.client_id };
      const { body } = await send(api.url, 'POST', '/oauth2/device_authorization', { form });
      const browser = browserOf(api, { ...owner, cookie });
      const shown = await browser.open(`/device?user_code=${body.user_code}`);
      await browser.submit(shown, { decision: 'allow' });
      return body.device_code;
    },
    poll: (device_code) => askToken(api, tv, { grant_type: DEVICE, device_code }),
    linkOf: ({ id }, subject) =>
      rows(`INSERT INTO accounts (id, "userId", "providerId", "accountId") VALUES ($1, $2, 'company', $1)`, [
        `${subject}-${id}`,
        id,
      ]),
    justBefore: ({ id: owner }, table, id) =>
      // Rounded, so one millisecond could become none.
      rows(
        `UPDATE ${table} SET "createdAt" = (SELECT max(occurred_at) FROM audit_outbox
           WHERE type = 'user.login' AND outcome = 'ok' AND target_id = $1) - interval '2 milliseconds' WHERE id = $2`,
        [owner, id],
      ),
    sessionsOf: ({ id }) => rows('SELECT id FROM sessions WHERE "userId" = $1', [id]),
    eventsOf: (type, targetId) =>
      rows('SELECT actor_kind, detail FROM audit_outbox WHERE type = $1 AND target_id = $2 ORDER BY id', [
        type,
        targetId,
      ]),
    close: async () => {
      await mails.close();
      await harness.close();
    },
  };
}
