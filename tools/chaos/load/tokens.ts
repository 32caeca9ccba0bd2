/** What users, clients, attackers and an administrator do with tokens. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, otherCopy, type Request } from '../http.ts';
import {
  type Access,
  type Act,
  type CopyName,
  count,
  generationOf,
  note,
  now,
  type Revocation,
  recordTokens,
  revocationsOf,
  type TokenFamily,
} from '../ledger.ts';
import { PRODUCT_URL } from '../settings.ts';
import {
  alone,
  anyCopy,
  attempt,
  type Clients,
  isAccepted,
  isCreated,
  REASON,
  RETRIED,
  TOTAL_PATIENCE_MS,
  type User,
} from './clients.ts';

const PATH = '/v1/tokens';

/** An act that ends tokens. @returns whether a copy said that they have ended */
async function end(
  clients: Clients,
  cause: string,
  revocations: readonly Revocation[][],
  what: Pick<Act, 'events'> & Partial<Pick<Act, 'subject'>>,
  request: Request,
  copy?: CopyName,
): Promise<boolean> {
  const revocation: Revocation = { cause, sentAtMs: now() };
  for (const each of revocations) each.push(revocation);
  const isDone = ({ status }: Answer): boolean => status >= 200 && status < 300;
  const { act } = await attempt(clients, { kind: cause, ...what }, () => request, isDone, copy);
  if (act.ackedAtMs === undefined) return false;
  revocation.ackedAtMs = act.ackedAtMs;
  count(clients.ledger, cause);
  return true;
}

const endsOf = ({ ledger }: Clients, userId: string): Revocation[][] =>
  [...ledger.families.values()].filter((family) => family.userId === userId).map(({ revocations }) => revocations);

function signedIn({ ledger }: Clients, { cookie, body, answeredAtMs }: Answer, user: User): TokenFamily {
  user.cookie = cookie;
  return recordTokens(ledger, body.tokens, answeredAtMs).family;
}

/** A new account; `undefined` when no copy answered. */
export async function signUp(clients: Clients): Promise<User | undefined> {
  const { ledger, ask, random } = clients;
  const email = `chaos-${ledger.families.size}-${random.between(0, 1e9)}@example.test`;
  const password = `long enough ${random.between(0, 1e9)}`;
  const path = '/api/auth/signup';
  const answer = await ask(anyCopy(clients), { path, json: { email, password }, timeoutMs: 10_000 });
  if (answer.status !== 201) return undefined;
  const user = { id: answer.body.user.id, email, password, cookie: '', isBusy: false };
  signedIn(clients, answer, user);
  count(ledger, 'sign-up');
  return user;
}

export async function signIn(clients: Clients, user: User): Promise<TokenFamily | undefined> {
  const { email, password } = user;
  const what = { kind: 'sign-in', events: ['user.login', 'token.family_created'] };
  const request = { path: '/api/auth/signin', json: { email, password }, timeoutMs: 8_000 };
  const { answer, act } = await attempt(clients, what, () => request);
  if (act.ackedAtMs === undefined) return undefined;
  count(clients.ledger, 'sign-in');
  return signedIn(clients, answer, user);
}

/** Signs a user in and out again: the family ends. */
export async function signInAndOut(clients: Clients, user: User): Promise<void> {
  const family = await signIn(clients, user);
  if (!family) return;
  const headers = { cookie: user.cookie, origin: PRODUCT_URL };
  const what = { events: ['session.ended'], subject: family };
  await end(clients, 'sign-out', [family.revocations], what, { path: '/api/auth/signout', json: {}, headers });
  user.cookie = '';
}

export async function changePassword(clients: Clients, user: User): Promise<void> {
  if (!(await signIn(clients, user))) return;
  const newPassword = `${user.password.slice(0, 30)} ${clients.random.between(0, 1e6)}`;
  const json = { currentPassword: user.password, newPassword, revokeOtherSessions: true };
  const headers = { cookie: user.cookie, origin: PRODUCT_URL };
  const request = { path: '/api/auth/change-password', json, headers, timeoutMs: 10_000 };
  const what = { events: ['account.password_changed'] };
  const isDone = await end(clients, 'password change', endsOf(clients, user.id), what, request);
  if (isDone) user.password = newPassword;
  user.cookie = '';
}

/** A family of a user without a session, by a client, with an idempotency key over all its retries. */
export async function issue(clients: Clients, userId: string, copy?: CopyName): Promise<TokenFamily | undefined> {
  const { ledger, random, issuer: authorization } = clients;
  const key = `chaos-${random.between(0, 2 ** 31)}-${ledger.acts.length}`;
  const headers = { authorization, 'idempotency-key': key };
  const what = { kind: 'issue', events: ['token.family_created'], isRepeatable: false, hasIdempotencyKey: true };
  const request = (at: number): Request => ({
    ...{ path: PATH, json: { user_id: userId }, headers },
    ...(at === 0 && random.chance(0.05) ? { abandonMs: random.between(1, 40) } : {}),
  });
  const { answer, act } = await attempt(clients, what, request, isCreated, copy);
  if (act.ackedAtMs === undefined) return undefined;
  count(ledger, 'issue');
  return recordTokens(ledger, answer.body, act.ackedAtMs).family;
}

/** One request for a family, and no more than that. */
export async function tryToIssue(
  { ledger, ask, issuer }: Clients,
  userId: string,
  copy: CopyName,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const what = { kind: 'issue', events: ['token.family_created'], isRepeatable: false, subject: null };
  const act: Act = { ...what, attempts: [], sentAtMs: now() };
  ledger.acts.push(act);
  const request = { path: PATH, json: { user_id: userId }, headers: { authorization: issuer, ...headers } };
  const answer = await ask(copy, request);
  const { traceId, sentAtMs, answeredAtMs, status, body } = answer;
  act.attempts.push({ traceId, sentAtMs, endedAtMs: answeredAtMs });
  if (status !== 201) return answer;
  act.ackedAtMs = answeredAtMs;
  recordTokens(ledger, body, answeredAtMs);
  return answer;
}

/** One request to refresh, and what came of it. */
export async function present(
  { ledger, ask }: Clients,
  family: TokenFamily,
  refreshToken: string,
  copy: CopyName,
  request: Partial<Request> = {},
): Promise<Answer> {
  const generation = generationOf(refreshToken);
  const answer = await ask(copy, { path: '/v1/tokens/refresh', json: { refresh_token: refreshToken }, ...request });
  const { status, body, sentAtMs, answeredAtMs, traceId } = answer;
  const code: string = body?.code ?? '';
  note(family, `refresh ${generation} at ${copy}: ${status} ${code} (trace ${traceId})`);
  const successor = status === 200 ? { successor: body.refresh_token } : {};
  ledger.refreshes.push({ family, generation, copy, sentAtMs, answeredAtMs, status, code, ...successor });
  if (status !== 200) return answer;
  count(ledger, 'refresh');
  recordTokens(ledger, body, answeredAtMs);
  ledger.acts.push({
    ...{ kind: 'refresh', events: ['token.refreshed'], isRepeatable: false, subject: family },
    ...{ attempts: [{ traceId, sentAtMs, endedAtMs: answeredAtMs }], sentAtMs, ackedAtMs: answeredAtMs },
  });
  return answer;
}

/** An honest client renews its pair: it hangs up, goes to the other copy and comes again until it has an answer. */
export const refresh = (
  clients: Clients,
  of: TokenFamily,
  request: Partial<Request> = {},
): Promise<Answer | undefined> =>
  alone(of, async (family) => {
    const { random, isStopping } = clients;
    const startedAtMs = now();
    let copy = anyCopy(clients);
    for (let at = 0; ; at += 1) {
      const isAbandoned = at === 0 && random.chance(0.1);
      const answer = await present(clients, family, family.refreshToken, copy, {
        timeoutMs: random.between(1_500, 4_000),
        ...(isAbandoned ? { abandonMs: random.between(1, 60) } : {}),
        ...request,
      });
      const { status } = answer;
      if (status === 400 || status === 401) family.revocations.push({ cause: 'refused', sentAtMs: now() });
      if (!RETRIED.has(status)) return answer;
      if (now() - startedAtMs > TOTAL_PATIENCE_MS || (isStopping() && at > 2)) {
        family.isAbandoned = true;
        return answer;
      }
      if (status !== 0) await sleep(random.between(50, 500));
      copy = otherCopy(copy);
    }
  });

/** A client whose answer was lost asks again, at the other copy, for the successor that it has not seen. */
export const repeatRefresh = (clients: Clients, of: TokenFamily): Promise<void> =>
  alone(of, async (family) => {
    const { refreshToken } = family;
    const copy = anyCopy(clients);
    await present(clients, family, refreshToken, copy);
    const { status } = await present(clients, family, refreshToken, otherCopy(copy));
    if (status === 200) count(clients.ledger, 'refresh repeated');
  });

/** Two tabs present the same refresh token at both copies. */
export const refreshInTwoTabs = (clients: Clients, of: TokenFamily): Promise<unknown> =>
  alone(of, (family) => {
    const { refreshToken } = family;
    return Promise.all([present(clients, family, refreshToken, 'A'), present(clients, family, refreshToken, 'B')]);
  });

/** An attacker shows a refresh token from before. */
export async function replay(clients: Clients, family: TokenFamily): Promise<void> {
  const stale = family.older.get(generationOf(family.refreshToken) - 2);
  if (stale === undefined || family.isBusy) return;
  const revocation: Revocation = { cause: 'replay', sentAtMs: now() };
  family.revocations.push(revocation);
  const { status, answeredAtMs } = await present(clients, family, stale, anyCopy(clients));
  if (status === 401 || status === 400) revocation.ackedAtMs = answeredAtMs;
  count(clients.ledger, 'replay');
}

export async function revokeToken(clients: Clients, access: Access, copy?: CopyName): Promise<void> {
  const events = ['token.revoked'];
  const json = { token: access.token, reason: REASON };
  const request = { path: '/v1/tokens/revoke', json, headers: { authorization: clients.issuer } };
  const what = { events, subject: access.family };
  await end(clients, 'revocation of a token', [access.revocations], what, request, copy);
  // What something else may have ended until the answer is not ended again, and has no event.
  if (revocationsOf(clients.ledger, access).length > 1) events.length = 0;
}

export async function revokeFamily(clients: Clients, family: TokenFamily, copy?: CopyName): Promise<void> {
  const form = { token: family.refreshToken };
  const request = { path: '/oauth2/revoke', form, headers: { authorization: clients.issuer } };
  const what = { events: ['token.family_ended'], subject: family };
  await end(clients, 'revocation of a family', [family.revocations], what, request, copy);
}

/** An administrator withdraws what a user allowed a client. @param path of that consent */
export const withdrawConsent = (clients: Clients, family: TokenFamily, path: string): Promise<boolean> => {
  const headers = { authorization: clients.authorization };
  const request: Request = { method: 'DELETE', path: `${path}?reason=${encodeURIComponent(REASON)}`, headers };
  const what = { events: ['oauth.consent_withdrawn'], subject: family };
  return end(clients, 'withdrawal of an application', [family.revocations], what, request);
};

function shown({ ledger }: Clients, access: Access, answer: Answer, result: string): string {
  const { copy, sentAtMs, answeredAtMs, status } = answer;
  if (status !== 200) {
    count(ledger, 'tokens shown: no result');
    return answer.body?.code ?? `${status}`;
  }
  ledger.tokenChecks.push({ access, copy, sentAtMs, answeredAtMs, result });
  count(ledger, result === 'active' ? 'tokens shown: active' : 'tokens shown: refused');
  return result;
}

/** Shows an access token. @returns `active`, or the reason or error code */
export async function validate(clients: Clients, access: Access, copy: CopyName): Promise<string> {
  const answer = await clients.ask(copy, { path: '/v1/tokens/validate', json: { token: access.token } });
  return shown(clients, access, answer, answer.body?.active === true ? 'active' : (answer.body?.reason ?? ''));
}

export async function introspect(clients: Clients, access: Access, copy: CopyName): Promise<string> {
  const headers = { authorization: clients.issuer };
  const answer = await clients.ask(copy, { path: '/oauth2/introspect', form: { token: access.token }, headers });
  return shown(clients, access, answer, answer.body?.active === true ? 'active' : 'inactive');
}

const asAdmin = ({ admin }: Clients, request: Request): Request => ({
  ...request,
  headers: { authorization: `Bearer ${admin.bearer}` },
});

/** Signs the administrator in, for the acts below. */
export async function signInAdmin(clients: Clients): Promise<boolean> {
  const { email, password } = clients.admin;
  const request = { path: '/api/auth/signin', json: { email, password }, timeoutMs: 10_000 };
  const { status, body } = await clients.ask(anyCopy(clients), request);
  if (status === 200) clients.admin.bearer = body.tokens.access_token;
  return status === 200;
}

export async function removeRole(clients: Clients, userId: string): Promise<void> {
  const path = `/v1/admin/users/${userId}/roles/auditor`;
  const grant = asAdmin(clients, { method: 'PUT', path, json: { reason: REASON } });
  if ((await clients.ask(anyCopy(clients), grant)).status !== 200) return;
  const removal = asAdmin(clients, { method: 'DELETE', path: `${path}?reason=${encodeURIComponent(REASON)}` });
  await end(clients, 'removal of a role', endsOf(clients, userId), { events: ['user.role_removed'] }, removal);
}

/** Disables a user and enables the user again. */
export async function disable(clients: Clients, userId: string): Promise<void> {
  const to = (verb: string): Request =>
    asAdmin(clients, { path: `/v1/admin/users/${userId}/${verb}`, json: { reason: REASON } });
  const enable = (events: readonly string[]) =>
    attempt(clients, { kind: 'enabling of a user', events }, () => to('enable'));
  // An older database may have the user disabled.
  if (clients.ledger.rewinds.length > 0) await enable([]);
  const what = { events: ['user.disabled'] };
  const isDisabled = await end(clients, 'disabling of a user', endsOf(clients, userId), what, to('disable'));
  await enable(isDisabled ? ['user.enabled'] : []);
}

export async function rotateKey(clients: Clients): Promise<void> {
  const what = { kind: 'key rotation', events: [] };
  const request = asAdmin(clients, { path: '/v1/keys/rotate' });
  const { act } = await attempt(clients, what, () => request, isAccepted);
  if (act.ackedAtMs !== undefined) count(clients.ledger, what.kind);
}

/** Of the newest token unless given. */
export async function compromise(clients: Clients, given?: string, copy?: CopyName): Promise<boolean> {
  const { keyRevocations, tokens } = clients.ledger;
  const kid = given ?? [...tokens.values()].at(-1)?.kid;
  if (kid === undefined) return false;
  const revocations = keyRevocations.get(kid) ?? [];
  keyRevocations.set(kid, revocations);
  const request = asAdmin(clients, { path: `/v1/keys/${kid}/compromise`, json: { reason: REASON } });
  return end(clients, 'compromise of a key', [revocations], { events: ['key.compromised'] }, request, copy);
}
