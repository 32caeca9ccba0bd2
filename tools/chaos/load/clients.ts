import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Ask, basicOf, otherCopy, type Request } from '../http.ts';
import {
  type Access,
  type Act,
  type CopyName,
  count,
  generationOf,
  type Ledger,
  note,
  now,
  type Revocation,
  recordTokens,
  revocationsOf,
  type TokenFamily,
} from '../ledger.ts';
import type { Random } from '../random.ts';
import { createAttempt, RETRIED, TOTAL_PATIENCE_MS } from './attempt.ts';

export type Credentials = {
  readonly admin: { readonly email: string; readonly password: string };
  readonly client: { readonly client_id: string; readonly client_secret: string };
};

/** What clients do, each written into the ledger as they see it. */
export type Clients = {
  readonly ledger: Ledger;
  readonly ask: Ask;
  /** An account, by sign-up: `undefined` when no copy answered. */
  signUp(): Promise<User | undefined>;
  signIn(user: User): Promise<TokenFamily | undefined>;
  /** Signs a user in and out again: the family ends. */
  signOut(user: User, family: TokenFamily, cookie: string): Promise<void>;
  changePassword(user: User): Promise<void>;
  /** A family of a user without a session, by a client, with an idempotency key over all its retries. */
  issue(userId: string, copy?: CopyName): Promise<TokenFamily | undefined>;
  /** One request for a family, and no more than that. */
  tryToIssue(userId: string, copy: CopyName, request?: Partial<Request>): Promise<Answer>;
  /** An honest client renews its pair: it hangs up, goes to the other copy and comes again until it has an answer. */
  refresh(family: TokenFamily, copy?: CopyName): Promise<void>;
  /** A client whose answer was lost asks again, at the other copy, for the successor that it has not seen. */
  repeatRefresh(family: TokenFamily): Promise<void>;
  /** Two tabs present the same refresh token at both copies. */
  refreshInTwoTabs(family: TokenFamily): Promise<void>;
  /** One request to refresh, and what came of it. */
  present(family: TokenFamily, refreshToken: string, copy: CopyName, request?: Partial<Request>): Promise<Answer>;
  /** A attacker shows a refresh token from before. */
  replay(family: TokenFamily): Promise<void>;
  revokeToken(access: Access, copy?: CopyName): Promise<void>;
  revokeFamily(family: TokenFamily, copy?: CopyName): Promise<void>;
  validate(access: Access, copy: CopyName): Promise<string>;
  introspect(access: Access, copy: CopyName): Promise<string>;
  admin: {
    signIn(): Promise<boolean>;
    removeRole(userId: string): Promise<void>;
    disable(userId: string): Promise<void>;
    rotateKey(): Promise<void>;
    compromise(kid: string, copy?: CopyName): Promise<boolean>;
  };
  /** Resolves when no client waits for an answer. */
  idle(): Promise<void>;
};

export type User = {
  readonly id: string;
  readonly email: string;
  password: string;
  cookie: string;
  isBusy: boolean;
};

/** Nothing else happens to this user meanwhile, so that what ends is known. Not done for a user who is busy. */
export async function alone<U extends User>(user: U | undefined, work: (user: U) => Promise<unknown>): Promise<void> {
  if (user === undefined || user.isBusy) return;
  user.isBusy = true;
  try {
    await work(user);
  } finally {
    user.isBusy = false;
  }
}

const REASON = 'fault suite';

export function createClients(
  ledger: Ledger,
  ask: Ask,
  { client, admin }: Credentials,
  random: Random,
  isStopping: () => boolean,
): Clients {
  const authorization = basicOf(client);
  const attempt = createAttempt(ledger, ask, random, isStopping);
  const anyCopy = (): CopyName => (random.chance(0.5) ? 'A' : 'B');
  const inFlight = new Set<Promise<unknown>>();
  const track = <T>(work: Promise<T>): Promise<T> => {
    inFlight.add(work);
    void work.finally(() => inFlight.delete(work)).catch(() => {});
    return work;
  };
  let bearer = '';

  /** The same of an act that ends tokens. */
  async function end(
    cause: string,
    revocations: readonly Revocation[][],
    what: Pick<Act, 'events' | 'subject'>,
    request: () => Request,
    isDone: (answer: Answer) => boolean,
    copy?: CopyName,
  ): Promise<boolean> {
    const revocation: Revocation = { cause, sentAtMs: now() };
    for (const each of revocations) each.push(revocation);
    const { act } = await attempt({ kind: cause, isRepeatable: true, ...what }, request, isDone, copy);
    if (act.ackedAtMs !== undefined) {
      revocation.ackedAtMs = act.ackedAtMs;
      count(ledger, cause);
    }
    return act.ackedAtMs !== undefined;
  }

  const familiesOf = (userId: string): TokenFamily[] =>
    [...ledger.families.values()].filter((family) => family.userId === userId);

  async function present(
    family: TokenFamily,
    refreshToken: string,
    copy: CopyName,
    request: Partial<Request> = {},
  ): Promise<Answer> {
    const generation = generationOf(refreshToken);
    const answer = await ask(copy, { path: '/v1/tokens/refresh', json: { refresh_token: refreshToken }, ...request });
    const { status, body, sentAtMs, answeredAtMs, traceId } = answer;
    note(family, `refresh ${generation} at ${copy}: ${status} ${body?.code ?? ''} (trace ${traceId})`);
    ledger.refreshes.push({
      family,
      generation,
      copy,
      sentAtMs,
      answeredAtMs,
      status,
      code: body?.code ?? '',
      ...(status === 200 ? { successor: body.refresh_token } : {}),
    });
    if (status === 200) {
      count(ledger, 'refresh');
      recordTokens(ledger, body, answeredAtMs);
      ledger.acts.push({
        kind: 'refresh',
        events: ['token.refreshed'],
        isRepeatable: false,
        attempts: [{ traceId, sentAtMs, endedAtMs: answeredAtMs }],
        subject: family,
        sentAtMs,
        ackedAtMs: answeredAtMs,
      });
    }
    return answer;
  }

  async function refresh(family: TokenFamily, first: CopyName = anyCopy()): Promise<void> {
    if (family.isBusy) return;
    family.isBusy = true;
    const startedAtMs = now();
    let copy = first;
    try {
      for (let at = 0; ; at += 1) {
        const isAbandoned = at === 0 && random.chance(0.1);
        const answer = await present(family, family.refreshToken, copy, {
          timeoutMs: random.between(1_500, 4_000),
          ...(isAbandoned ? { abandonMs: random.between(1, 60) } : {}),
        });
        if (answer.status === 400 || answer.status === 401)
          family.revocations.push({ cause: 'refused', sentAtMs: now() });
        if (!RETRIED.has(answer.status)) return;
        if (now() - startedAtMs > TOTAL_PATIENCE_MS || (isStopping() && at > 2)) {
          family.isAbandoned = true;
          return;
        }
        if (answer.status !== 0) await sleep(random.between(50, 500));
        copy = otherCopy(copy);
      }
    } finally {
      family.isBusy = false;
    }
  }

  const shown = (access: Access, answer: Answer, result: string): string => {
    const { copy, sentAtMs, answeredAtMs, status } = answer;
    if (status === 200) {
      ledger.tokenChecks.push({ access, copy, sentAtMs, answeredAtMs, result });
      count(ledger, result === 'active' ? 'tokens shown: active' : 'tokens shown: refused');
    } else count(ledger, 'tokens shown: no result');
    return status === 200 ? result : (answer.body?.code ?? `${status}`);
  };

  async function validate(access: Access, copy: CopyName): Promise<string> {
    const answer = await ask(copy, { path: '/v1/tokens/validate', json: { token: access.token } });
    return shown(access, answer, answer.body?.active === true ? 'active' : (answer.body?.reason ?? ''));
  }

  const asAdmin = (request: Request): Request => ({ ...request, headers: { authorization: `Bearer ${bearer}` } });

  const signedIn = (answer: Answer, user: User): TokenFamily => {
    user.cookie = answer.cookie;
    return recordTokens(ledger, answer.body.tokens, answer.answeredAtMs).family;
  };

  const clients: Clients = {
    ledger,
    ask,
    signUp: async () => {
      const [email, password] = [
        `chaos-${ledger.families.size}-${random.between(0, 1e9)}@example.test`,
        `long enough ${random.between(0, 1e9)}`,
      ];
      const answer = await ask(anyCopy(), { path: '/api/auth/signup', json: { email, password }, timeoutMs: 10_000 });
      if (answer.status !== 201) return undefined;
      const user = { id: answer.body.user.id, email, password, cookie: '', isBusy: false };
      signedIn(answer, user);
      count(ledger, 'sign-up');
      return user;
    },
    signIn: async (user) => {
      const { answer, act } = await attempt(
        { kind: 'sign-in', events: ['user.login', 'token.family_created'], isRepeatable: true, subject: null },
        () => ({
          path: '/api/auth/signin',
          json: { email: user.email, password: user.password },
          timeoutMs: 8_000,
        }),
        ({ status }) => status === 200,
      );
      if (act.ackedAtMs === undefined) return undefined;
      count(ledger, 'sign-in');
      return signedIn(answer, user);
    },
    signOut: async (user, family, cookie) => {
      await end(
        'sign-out',
        [family.revocations],
        { events: ['session.ended'], subject: family },
        () => ({ path: '/api/auth/signout', json: {}, headers: { cookie, origin: 'http://auth.chaos.test' } }),
        ({ status }) => status === 200,
      );
      user.cookie = '';
    },
    changePassword: async (user) => {
      const next = `${user.password.slice(0, 30)} ${random.between(0, 1e6)}`;
      const { cookie, password } = user;
      const isDone = await end(
        'password change',
        familiesOf(user.id).map(({ revocations }) => revocations),
        { events: ['account.password_changed'], subject: null },
        () => ({
          path: '/api/auth/change-password',
          json: { currentPassword: password, newPassword: next, revokeOtherSessions: true },
          headers: { cookie, origin: 'http://auth.chaos.test' },
          timeoutMs: 10_000,
        }),
        ({ status }) => status === 200,
      );
      if (isDone) user.password = next;
      user.cookie = '';
    },
    issue: async (userId, copy) => {
      const key = `chaos-${random.between(0, 2 ** 31)}-${ledger.acts.length}`;
      const { answer, act } = await attempt(
        {
          ...{ kind: 'issue', events: ['token.family_created'], subject: null },
          ...{ isRepeatable: false, hasIdempotencyKey: true },
        },
        (at) => ({
          path: '/v1/tokens',
          json: { user_id: userId },
          headers: { authorization, 'idempotency-key': key },
          ...(at === 0 && random.chance(0.05) ? { abandonMs: random.between(1, 40) } : {}),
        }),
        ({ status }) => status === 201,
        copy,
      );
      if (act.ackedAtMs === undefined) return undefined;
      count(ledger, 'issue');
      return recordTokens(ledger, answer.body, act.ackedAtMs).family;
    },
    tryToIssue: async (userId, copy, request = {}) => {
      const act: Act = {
        kind: 'issue',
        events: ['token.family_created'],
        isRepeatable: false,
        attempts: [],
        subject: null,
        sentAtMs: now(),
      };
      ledger.acts.push(act);
      const path = '/v1/tokens';
      const answer = await ask(copy, {
        path,
        json: { user_id: userId },
        ...request,
        headers: { authorization, ...request.headers },
      });
      act.attempts.push({ traceId: answer.traceId, sentAtMs: answer.sentAtMs, endedAtMs: answer.answeredAtMs });
      if (answer.status !== 201) return answer;
      act.ackedAtMs = answer.answeredAtMs;
      recordTokens(ledger, answer.body, answer.answeredAtMs);
      return answer;
    },
    refresh: (family, copy) => track(refresh(family, copy)),
    refreshInTwoTabs: async (family) => {
      if (family.isBusy) return;
      family.isBusy = true;
      try {
        const { refreshToken } = family;
        await Promise.all([present(family, refreshToken, 'A'), present(family, refreshToken, 'B')]);
      } finally {
        family.isBusy = false;
      }
    },
    repeatRefresh: async (family) => {
      if (family.isBusy) return;
      family.isBusy = true;
      try {
        const { refreshToken } = family;
        const copy = anyCopy();
        await present(family, refreshToken, copy);
        const { status } = await present(family, refreshToken, otherCopy(copy));
        if (status === 200) count(ledger, 'refresh repeated');
      } finally {
        family.isBusy = false;
      }
    },
    present,
    replay: async (family) => {
      const stale = family.older.get(generationOf(family.refreshToken) - 2);
      if (stale === undefined || family.isBusy) return;
      const revocation: Revocation = { cause: 'replay', sentAtMs: now() };
      family.revocations.push(revocation);
      const answer = await present(family, stale, anyCopy());
      if (answer.status === 401 || answer.status === 400) revocation.ackedAtMs = answer.answeredAtMs;
      count(ledger, 'replay');
    },
    revokeToken: async (access, copy) => {
      const events = ['token.revoked'];
      await end(
        'revocation of a token',
        [access.revocations],
        { events, subject: access.family },
        () => ({
          path: '/v1/tokens/revoke',
          json: { token: access.token, reason: REASON },
          headers: { authorization },
        }),
        ({ status }) => status === 200,
        copy,
      );
      // What something else may have ended until the answer is not ended again, and has no event.
      if (revocationsOf(ledger, access).length > 1) events.length = 0;
    },
    revokeFamily: async (family, copy) => {
      const { refreshToken } = family;
      await end(
        'revocation of a family',
        [family.revocations],
        { events: ['token.family_ended'], subject: family },
        () => ({ path: '/oauth2/revoke', form: { token: refreshToken }, headers: { authorization } }),
        ({ status }) => status === 200,
        copy,
      );
    },
    validate,
    introspect: async (access, copy) => {
      const request = { path: '/oauth2/introspect', form: { token: access.token }, headers: { authorization } };
      const answer = await ask(copy, request);
      return shown(access, answer, answer.body?.active === true ? 'active' : 'inactive');
    },
    admin: {
      signIn: async () => {
        const answer = await ask(anyCopy(), { path: '/api/auth/signin', json: admin, timeoutMs: 10_000 });
        if (answer.status === 200) bearer = answer.body.tokens.access_token;
        return answer.status === 200;
      },
      removeRole: async (userId) => {
        const path = `/v1/admin/users/${userId}/roles/auditor`;
        const grant = await ask(anyCopy(), asAdmin({ method: 'PUT', path, json: { reason: REASON } }));
        if (grant.status !== 200) return;
        await end(
          'removal of a role',
          familiesOf(userId).map(({ revocations }) => revocations),
          // Of a retry after a lost answer, which finds it done.
          { events: ['user.role_removed'], subject: null },
          () => asAdmin({ method: 'DELETE', path: `${path}?reason=${encodeURIComponent(REASON)}` }),
          ({ status }) => status === 200,
        );
      },
      disable: async (userId) => {
        const path = `/v1/admin/users/${userId}`;
        const enable = (events: readonly string[]) =>
          attempt(
            { kind: 'enabling of a user', events, isRepeatable: true, subject: null },
            () => asAdmin({ path: `${path}/enable`, json: { reason: REASON } }),
            ({ status }) => status === 200,
          );
        // An older database may have the user disabled.
        if (ledger.rewinds.length > 0) await enable([]);
        const isDisabled = await end(
          'disabling of a user',
          familiesOf(userId).map(({ revocations }) => revocations),
          { events: ['user.disabled'], subject: null },
          () => asAdmin({ path: `${path}/disable`, json: { reason: REASON } }),
          ({ status }) => status === 200,
        );
        await enable(isDisabled ? ['user.enabled'] : []);
      },
      rotateKey: async () => {
        const { act } = await attempt(
          { kind: 'key rotation', events: [], isRepeatable: true, subject: null },
          () => asAdmin({ path: '/v1/keys/rotate' }),
          ({ status }) => status === 202,
        );
        if (act.ackedAtMs !== undefined) count(ledger, 'key rotation');
      },
      compromise: (kid, copy) => {
        const revocations = ledger.keyRevocations.get(kid) ?? [];
        ledger.keyRevocations.set(kid, revocations);
        return end(
          'compromise of a key',
          [revocations],
          { events: ['key.compromised'], subject: null },
          () => asAdmin({ path: `/v1/keys/${kid}/compromise`, json: { reason: REASON } }),
          ({ status }) => status === 202,
          copy,
        );
      },
    },
    idle: async () => {
      while (inFlight.size > 0) await Promise.allSettled([...inFlight]);
    },
  };
  return clients;
}
