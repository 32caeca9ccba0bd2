import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Ask, basicOf, otherCopy, type Request } from '../http.ts';
import {
  type Access,
  type Act,
  type CopyName,
  count,
  type Ending,
  endingsOf,
  generationOf,
  given,
  type Ledger,
  type Login,
  note,
  now,
} from '../ledger.ts';
import type { Random } from '../random.ts';

export type Credentials = {
  readonly admin: { readonly email: string; readonly password: string };
  readonly client: { readonly client_id: string; readonly client_secret: string };
};

/** What clients do, each written into the ledger as they see it. */
export type Clients = {
  readonly ledger: Ledger;
  readonly ask: Ask;
  /** An account, by sign-up: `undefined` when no copy answered. */
  signUp(): Promise<Person | undefined>;
  signIn(person: Person): Promise<Login | undefined>;
  /** Signs a person in and out again: the login ends. */
  signOut(person: Person, login: Login, cookie: string): Promise<void>;
  changePassword(person: Person): Promise<void>;
  /** A login of a user without a session, by a client, with an idempotency key over all its retries. */
  issue(userId: string, copy?: CopyName): Promise<Login | undefined>;
  /** One request for a login, and no more than that. */
  tryToIssue(userId: string, copy: CopyName, request?: Partial<Request>): Promise<Answer>;
  /** An honest client renews its pair: it hangs up, goes to the other copy and comes again until it has an answer. */
  refresh(login: Login, copy?: CopyName): Promise<void>;
  /** Two tabs present the same refresh token at both copies. */
  refreshInTwoTabs(login: Login): Promise<void>;
  /** One request to refresh, and what came of it. */
  present(login: Login, refreshToken: string, copy: CopyName, request?: Partial<Request>): Promise<Answer>;
  /** A thief shows a refresh token from before. */
  replay(login: Login): Promise<void>;
  revokeToken(access: Access, copy?: CopyName): Promise<void>;
  revokeLogin(login: Login, copy?: CopyName): Promise<void>;
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

export type Person = {
  readonly id: string;
  readonly email: string;
  password: string;
  cookie: string;
  isBusy: boolean;
};

const TOTAL_PATIENCE_MS = 60_000;
const RETRIED = new Set([0, 429, 502, 503, 504]);
const REASON = 'fault suite';

/** An act with all its attempts; `acknowledged` when one was answered as hoped. */
type Attempted = { readonly answer: Answer; readonly act: Act };

export function createClients(
  ledger: Ledger,
  ask: Ask,
  { client, admin }: Credentials,
  random: Random,
  isStopping: () => boolean,
): Clients {
  const authorization = basicOf(client);
  const anyCopy = (): CopyName => (random.chance(0.5) ? 'A' : 'B');
  const inFlight = new Set<Promise<unknown>>();
  const track = <T>(work: Promise<T>): Promise<T> => {
    inFlight.add(work);
    void work.finally(() => inFlight.delete(work)).catch(() => {});
    return work;
  };
  let bearer = '';

  /** The same request at one copy, then the other, until one of them gives a verdict. */
  async function attempt(
    what: Pick<Act, 'kind' | 'events' | 'isRepeatable' | 'subject'>,
    request: (attempt: number) => Request,
    isDone: (answer: Answer) => boolean,
    first: CopyName = anyCopy(),
  ): Promise<Attempted> {
    const act: Act = { ...what, traceIds: [], sentAtMs: now() };
    ledger.acts.push(act);
    let copy = first;
    for (let at = 0; ; at += 1) {
      const answer = await ask(copy, request(at));
      act.traceIds.push(answer.traceId);
      if (act.subject)
        note(
          act.subject,
          `${act.kind} at ${copy}: ${answer.status} ${answer.body?.code ?? ''} (trace ${answer.traceId})`,
        );
      if (isDone(answer)) act.ackedAtMs = answer.answeredAtMs;
      const isOver = now() - act.sentAtMs > TOTAL_PATIENCE_MS || (isStopping() && at > 2);
      if (!RETRIED.has(answer.status) || isOver) return { answer, act };
      await sleep(random.between(50, 500));
      copy = otherCopy(copy);
    }
  }

  /** The same of an act that ends tokens. */
  async function end(
    cause: string,
    endings: readonly Ending[][],
    what: Pick<Act, 'events' | 'subject'>,
    request: () => Request,
    isDone: (answer: Answer) => boolean,
    copy?: CopyName,
  ): Promise<boolean> {
    const ending: Ending = { cause, sentAtMs: now() };
    for (const each of endings) each.push(ending);
    const { act } = await attempt({ kind: cause, isRepeatable: true, ...what }, request, isDone, copy);
    if (act.ackedAtMs !== undefined) {
      ending.ackedAtMs = act.ackedAtMs;
      count(ledger, cause);
    }
    return act.ackedAtMs !== undefined;
  }

  const loginsOf = (userId: string): Login[] => [...ledger.logins.values()].filter((login) => login.userId === userId);

  async function present(
    login: Login,
    refreshToken: string,
    copy: CopyName,
    request: Partial<Request> = {},
  ): Promise<Answer> {
    const generation = generationOf(refreshToken);
    const answer = await ask(copy, { path: '/v1/tokens/refresh', json: { refresh_token: refreshToken }, ...request });
    const { status, body, sentAtMs, answeredAtMs, traceId } = answer;
    note(login, `refresh ${generation} at ${copy}: ${status} ${body?.code ?? ''} (trace ${traceId})`);
    ledger.refreshes.push({
      login,
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
      given(ledger, body, answeredAtMs);
      ledger.acts.push({
        kind: 'refresh',
        events: ['token.refreshed'],
        isRepeatable: false,
        traceIds: [traceId],
        subject: login,
        sentAtMs,
        ackedAtMs: answeredAtMs,
      });
    }
    return answer;
  }

  async function refresh(login: Login, first: CopyName = anyCopy()): Promise<void> {
    if (login.isBusy) return;
    login.isBusy = true;
    const startedAtMs = now();
    let copy = first;
    try {
      for (let at = 0; ; at += 1) {
        const isAbandoned = at === 0 && random.chance(0.1);
        const answer = await present(login, login.refreshToken, copy, {
          timeoutMs: random.between(1_500, 4_000),
          ...(isAbandoned ? { abandonMs: random.between(1, 60) } : {}),
        });
        if (answer.status === 400 || answer.status === 401) login.endings.push({ cause: 'refused', sentAtMs: now() });
        if (!RETRIED.has(answer.status)) return;
        if (now() - startedAtMs > TOTAL_PATIENCE_MS || (isStopping() && at > 2)) {
          login.isAbandoned = true;
          return;
        }
        if (answer.status !== 0) await sleep(random.between(50, 500));
        copy = otherCopy(copy);
      }
    } finally {
      login.isBusy = false;
    }
  }

  const shown = (access: Access, answer: Answer, verdict: string): string => {
    const { copy, sentAtMs, answeredAtMs, status } = answer;
    if (status === 200) {
      ledger.showings.push({ access, copy, sentAtMs, answeredAtMs, verdict });
      count(ledger, verdict === 'active' ? 'tokens shown: active' : 'tokens shown: refused');
    } else count(ledger, 'tokens shown: no verdict');
    return status === 200 ? verdict : (answer.body?.code ?? `${status}`);
  };

  async function validate(access: Access, copy: CopyName): Promise<string> {
    const answer = await ask(copy, { path: '/v1/tokens/validate', json: { token: access.token } });
    return shown(access, answer, answer.body?.active === true ? 'active' : (answer.body?.reason ?? ''));
  }

  const asAdmin = (request: Request): Request => ({ ...request, headers: { authorization: `Bearer ${bearer}` } });

  const signedIn = (answer: Answer, person: Person): Login => {
    person.cookie = answer.cookie;
    return given(ledger, answer.body.tokens, answer.answeredAtMs).login;
  };

  const clients: Clients = {
    ledger,
    ask,
    signUp: async () => {
      const [email, password] = [
        `chaos-${ledger.logins.size}-${random.between(0, 1e9)}@example.test`,
        `long enough ${random.between(0, 1e9)}`,
      ];
      const answer = await ask(anyCopy(), { path: '/api/auth/signup', json: { email, password }, timeoutMs: 10_000 });
      if (answer.status !== 201) return undefined;
      const person = { id: answer.body.user.id, email, password, cookie: '', isBusy: false };
      signedIn(answer, person);
      count(ledger, 'sign-up');
      return person;
    },
    signIn: async (person) => {
      const { answer, act } = await attempt(
        { kind: 'sign-in', events: ['user.login', 'token.family_created'], isRepeatable: true, subject: null },
        () => ({
          path: '/api/auth/signin',
          json: { email: person.email, password: person.password },
          timeoutMs: 8_000,
        }),
        ({ status }) => status === 200,
      );
      if (act.ackedAtMs === undefined) return undefined;
      count(ledger, 'sign-in');
      return signedIn(answer, person);
    },
    signOut: async (person, login, cookie) => {
      await end(
        'sign-out',
        [login.endings],
        { events: ['session.ended'], subject: login },
        () => ({ path: '/api/auth/signout', json: {}, headers: { cookie, origin: 'http://auth.chaos.test' } }),
        ({ status }) => status === 200,
      );
      person.cookie = '';
    },
    changePassword: async (person) => {
      const next = `${person.password.slice(0, 30)} ${random.between(0, 1e6)}`;
      const { cookie, password } = person;
      const isDone = await end(
        'password change',
        loginsOf(person.id).map(({ endings }) => endings),
        { events: ['account.password_changed'], subject: null },
        () => ({
          path: '/api/auth/change-password',
          json: { currentPassword: password, newPassword: next, revokeOtherSessions: true },
          headers: { cookie, origin: 'http://auth.chaos.test' },
          timeoutMs: 10_000,
        }),
        ({ status }) => status === 200,
      );
      if (isDone) person.password = next;
      person.cookie = '';
    },
    issue: async (userId, copy) => {
      const key = `chaos-${random.between(0, 2 ** 31)}-${ledger.acts.length}`;
      const { answer, act } = await attempt(
        { kind: 'issue', events: ['token.family_created'], isRepeatable: false, subject: null },
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
      return given(ledger, answer.body, act.ackedAtMs).login;
    },
    tryToIssue: async (userId, copy, request = {}) => {
      const act: Act = {
        kind: 'issue',
        events: ['token.family_created'],
        isRepeatable: false,
        traceIds: [],
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
      act.traceIds.push(answer.traceId);
      if (answer.status !== 201) return answer;
      act.ackedAtMs = answer.answeredAtMs;
      given(ledger, answer.body, answer.answeredAtMs);
      return answer;
    },
    refresh: (login, copy) => track(refresh(login, copy)),
    refreshInTwoTabs: async (login) => {
      if (login.isBusy) return;
      login.isBusy = true;
      try {
        const { refreshToken } = login;
        await Promise.all([present(login, refreshToken, 'A'), present(login, refreshToken, 'B')]);
      } finally {
        login.isBusy = false;
      }
    },
    present,
    replay: async (login) => {
      const stale = login.older.get(generationOf(login.refreshToken) - 2);
      if (stale === undefined || login.isBusy) return;
      const ending: Ending = { cause: 'replay', sentAtMs: now() };
      login.endings.push(ending);
      const answer = await present(login, stale, anyCopy());
      if (answer.status === 401 || answer.status === 400) ending.ackedAtMs = answer.answeredAtMs;
      count(ledger, 'replay');
    },
    revokeToken: async (access, copy) => {
      const events = ['token.revoked'];
      await end(
        'revocation of a token',
        [access.endings],
        { events, subject: access.login },
        () => ({
          path: '/v1/tokens/revoke',
          json: { token: access.token, reason: REASON },
          headers: { authorization },
        }),
        ({ status }) => status === 200,
        copy,
      );
      // What something else may have ended until the answer is not ended again, and has no event.
      if (endingsOf(ledger, access).length > 1) events.length = 0;
    },
    revokeLogin: async (login, copy) => {
      const { refreshToken } = login;
      await end(
        'revocation of a login',
        [login.endings],
        { events: [], subject: login },
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
          loginsOf(userId).map(({ endings }) => endings),
          // Of a retry after a lost answer, which finds it done.
          { events: ['user.role_removed'], subject: null },
          () => asAdmin({ method: 'DELETE', path: `${path}?reason=${encodeURIComponent(REASON)}` }),
          ({ status }) => status === 200,
        );
      },
      disable: async (userId) => {
        const path = `/v1/admin/users/${userId}`;
        await end(
          'disabling of a user',
          loginsOf(userId).map(({ endings }) => endings),
          { events: ['user.disabled'], subject: null },
          () => asAdmin({ path: `${path}/disable`, json: { reason: REASON } }),
          ({ status }) => status === 200,
        );
        await attempt(
          { kind: 'enabling of a user', events: [], isRepeatable: true, subject: null },
          () => asAdmin({ path: `${path}/enable`, json: { reason: REASON } }),
          ({ status }) => status === 200,
        );
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
        const endings = ledger.keyEndings.get(kid) ?? [];
        ledger.keyEndings.set(kid, endings);
        return end(
          'compromise of a key',
          [endings],
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
