import { eventually } from '#tools/testing/eventually.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import type { ClientCredentials, Received } from '#tools/testing/http-client.ts';
import type { Asking, LiveCopy, Person } from './rehearsal-load.ts';
import { exchangeWings } from './rehearsal-wings.ts';

/** A copy sees what another wrote to the directory of clients, keys and rights this soon. */
const DIRECTORY_MS = 10_000;
const REVOCATION_BOUND_MS = 2_000;

type ExchangeOptions = {
  /** Of a page of the installation. */
  readonly origin: string;
  /** A client with all permissions. */
  readonly admin: ClientCredentials;
  /** The writing version's own command, which makes a client and a signing key; without it there are none. */
  // biome-ignore lint/suspicious/noExplicitAny: read as a script reads it
  readonly command?: (...args: readonly string[]) => Promise<any>;
};

/** What one version writes, and another one reads: every kind of thing that users and clients keep. @throws what is not read */
export async function exchange(
  asking: Asking,
  from: LiveCopy,
  to: LiveCopy,
  { origin, admin, command }: ExchangeOptions,
): Promise<{ kept: Person; names: readonly string[] }> {
  const names: string[] = [];
  const note = (what: string): void => void names.push(`${what}: ${from.version} → ${to.version}`);
  const { ask, must } = asking;
  const act = async (at: LiveCopy, what: string, path: string, json: object, cookie: string): Promise<Received> => {
    const answer = await ask(at, 'POST', path, { json, cookie, headers: { origin } });
    return must(at, what, answer, answer.status < 300);
  };
  const soon = (what: string, withinMs: number, work: () => Promise<boolean>): Promise<true> =>
    eventually(`${what}: ${from.version} → ${to.version}`, work, withinMs);

  const kept = await asking.signUp(from);
  await asking.session(to, kept);
  await asking.validate(to, kept.access);
  for (const at of [to, from, to]) await asking.refresh(at, kept);
  await asking.validate(from, kept.access);
  note('account, session, access token, token family');

  const other = await asking.signIn(to, kept);
  await act(from, 'sign-out', '/api/auth/signout', {}, other.cookie);
  await soon('a sign-out', REVOCATION_BOUND_MS, async () => {
    const { body } = await ask(to, 'POST', '/v1/tokens/validate', { json: { token: other.access } });
    return body.active === false;
  });
  const refused = await ask(to, 'POST', '/v1/tokens/refresh', { json: { refresh_token: other.refresh } });
  must(to, 'a refresh after the sign-out', refused, refused.status === 401);
  note('end of a session');

  const guarded = await asking.signUp(from);
  const { email, password, cookie } = guarded;
  const factors = '/api/auth/two-factor';
  const { body: enrolment } = await act(from, 'an authenticator app', `${factors}/enable`, { password }, cookie);
  await act(from, 'its first code', `${factors}/confirm`, { code: codeOf(enrolment.totp_uri) }, cookie);
  const asked = await ask(to, 'POST', '/api/auth/signin', { json: { email, password } });
  must(to, 'a sign-in with two factors', asked, asked.body?.code === 'second_factor_required');
  const answered = await ask(to, 'POST', '/api/auth/second-factor', {
    json: { challenge: asked.body.challenge, recovery_code: enrolment.recovery_codes[0] },
  });
  must(to, 'a recovery code', answered, answered.status === 200);
  note('second factor, recovery codes');

  const changed = await asking.signUp(to);
  const next = `${changed.password} again`;
  const passwords = { current_password: changed.password, new_password: next };
  await act(from, 'a new password', '/api/auth/change-password', passwords, changed.cookie);
  changed.password = next;
  await asking.signIn(to, changed);
  note('password');

  const { body: made } = await act(from, 'an API key', '/v1/api-keys', { name: 'rehearsal' }, kept.cookie);
  await soon('an API key', DIRECTORY_MS, async () => {
    const { body } = await ask(to, 'POST', '/v1/api-keys/verify', { json: { key: made.secret } });
    return body.active === true;
  });
  note('API key');

  for (const what of await exchangeWings(asking, [from, to], admin, kept.id, origin)) note(what);

  if (command === undefined) return { kept, names };
  const client = await command('clients', 'create', 'rehearsal', '--reason', 'rehearsal');
  const basic = { client_id: client.client_id, client_secret: client.client_secret };
  await soon('a client', DIRECTORY_MS, async () => {
    const form = { grant_type: 'client_credentials' };
    return (await ask(to, 'POST', '/oauth2/token', { basic, form })).status === 200;
  });
  note('client');

  const { key } = await command('keys', 'rotate');
  await soon('a signing key', DIRECTORY_MS, async () => {
    const { body } = await ask(to, 'GET', '/.well-known/jwks.json');
    return body.keys.some(({ kid }: { kid: string }) => kid === key.kid);
  });
  note('signing key');
  return { kept, names };
}
