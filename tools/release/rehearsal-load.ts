import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientCredentials, cookieOf, type Received, type Sent, send } from '#tools/testing/http-client.ts';

/** One process of the API, of either version, and where the MCP server of that version is. */
export type LiveCopy = { readonly version: string; readonly url: string; readonly mcp: string };

/** What users and clients saw, and everything that they should not have seen. */
export type Seen = {
  requests: number;
  validations: number;
  refreshes: number;
  sessions: number;
  signUps: number;
  signIns: number;
  revocations: number;
  /** Of each kind one sentence, with the version that answered. */
  readonly failures: string[];
};

export type Person = {
  readonly id: string;
  readonly email: string;
  password: string;
  cookie: string;
  access: string;
  refresh: string;
};

/** A token is refused everywhere this long after its revocation. */
const REVOCATION_BOUND_MS = 2_000;
const PAUSE_MS = 50;
const NEWCOMER_PAUSE_MS = 250;

/** Requests to copies that come and go, with a count of those that are under way at each. */
export function createAsking() {
  const seen: Seen = {
    ...{ requests: 0, validations: 0, refreshes: 0, sessions: 0, signUps: 0, signIns: 0, revocations: 0 },
    failures: [],
  };
  const underWay = new Map<string, number>();
  const add = (url: string, change: number): void => void underWay.set(url, (underWay.get(url) ?? 0) + change);

  /** One request. Any answer of the classes 5xx and any lost connection is a failure. */
  async function ask(copy: LiveCopy, method: string, path: string, sent: Sent = {}): Promise<Received> {
    seen.requests += 1;
    add(copy.url, 1);
    try {
      const received = await send(copy.url, method, path, sent);
      if (received.status >= 500) fail(copy, `${method} ${path}`, received);
      return received;
    } catch (cause) {
      seen.failures.push(`${copy.version}: ${method} ${path}: no answer`);
      throw new Error(`${copy.version}: ${method} ${path}: no answer`, { cause });
    } finally {
      add(copy.url, -1);
    }
  }

  function fail(copy: LiveCopy, what: string, { status, text }: Pick<Received, 'status' | 'text'>): void {
    const line = `${copy.version}: ${what}: ${status} ${text.slice(0, 200)}`;
    if (seen.failures.at(-1) !== line) seen.failures.push(line);
  }

  /** The answer, if it is what it should be. */
  function must(copy: LiveCopy, what: string, received: Received, isGood: boolean): Received {
    if (isGood) return received;
    fail(copy, what, received);
    throw new Error(seen.failures.at(-1));
  }

  const personOf = (received: Received, email: string, password: string): Person => ({
    ...{ id: received.body.user.id, email, password, cookie: cookieOf(received) },
    access: received.body.tokens.access_token,
    refresh: received.body.tokens.refresh_token,
  });

  return {
    seen,
    ask,
    must,
    isIdle: (url: string): boolean => (underWay.get(url) ?? 0) === 0,
    async signUp(at: LiveCopy): Promise<Person> {
      const email = `person-${randomBytes(6).toString('hex')}@example.test`;
      const password = `correct horse ${randomBytes(9).toString('base64url')}`;
      const answer = await ask(at, 'POST', '/api/auth/signup', { json: { email, password } });
      must(at, 'sign-up', answer, answer.status === 201);
      seen.signUps += 1;
      return personOf(answer, email, password);
    },
    async signIn(at: LiveCopy, { email, password }: Person): Promise<Person> {
      const answer = await ask(at, 'POST', '/api/auth/signin', { json: { email, password } });
      must(at, 'sign-in', answer, answer.status === 200 && answer.body.tokens);
      seen.signIns += 1;
      return personOf(answer, email, password);
    },
    async validate(at: LiveCopy, token: string, isActive = true): Promise<void> {
      const answer = await ask(at, 'POST', '/v1/tokens/validate', { json: { token } });
      must(at, isActive ? 'a valid token' : 'a revoked token', answer, answer.body?.active === isActive);
      seen.validations += 1;
    },
    async session(at: LiveCopy, { cookie, id }: Person): Promise<void> {
      const answer = await ask(at, 'GET', '/api/auth/session', { cookie });
      must(at, 'a session', answer, answer.status === 200 && answer.body.user.id === id);
      seen.sessions += 1;
    },
    async refresh(at: LiveCopy, person: Person): Promise<void> {
      const answer = await ask(at, 'POST', '/v1/tokens/refresh', { json: { refresh_token: person.refresh } });
      must(at, 'a refresh token', answer, answer.status === 200);
      Object.assign(person, { access: answer.body.access_token, refresh: answer.body.refresh_token });
      seen.refreshes += 1;
    },
    async clientToken(at: LiveCopy, basic: ClientCredentials): Promise<string> {
      const answer = await ask(at, 'POST', '/oauth2/token', { basic, form: { grant_type: 'client_credentials' } });
      return must(at, 'a client', answer, answer.status === 200).body.access_token;
    },
  };
}

export type Asking = ReturnType<typeof createAsking>;

/**
 * Users and clients that use every live copy by turns until they are told to stop: signed-in ones who validate, read
 * their session and refresh; newcomers who sign up at one copy and in at another; and a client whose revoked tokens no
 * copy may accept. One that was refused stops, as a user who was signed out does.
 */
export function startLoad(asking: Asking, live: readonly LiveCopy[], client: ClientCredentials, users: number) {
  let isStopping = false;
  let turn = 0;
  const next = (): LiveCopy => {
    turn += 1;
    return live[turn % live.length]!;
  };
  let arriving: Promise<unknown> = Promise.resolve();
  /** One after the other: a crowd that signs up in the same second is told to come again, by any version. */
  const arrive = (): Promise<Person> => {
    const person = arriving.then(() => asking.signUp(next()));
    arriving = person.catch(() => {});
    return person;
  };
  async function signedIn(): Promise<void> {
    const person = await arrive();
    while (!isStopping) {
      await asking.validate(next(), person.access);
      await asking.session(next(), person);
      await asking.refresh(next(), person);
      await sleep(PAUSE_MS);
    }
  }
  async function newcomers(): Promise<void> {
    while (!isStopping) {
      const person = await arrive();
      await asking.signIn(next(), person);
      await sleep(NEWCOMER_PAUSE_MS);
    }
  }
  async function revoker(): Promise<void> {
    while (!isStopping) {
      const token = await asking.clientToken(next(), client);
      await asking.validate(next(), token);
      const at = next();
      const answer = await asking.ask(at, 'POST', '/v1/tokens/revoke', {
        basic: client,
        json: { token, reason: 'test' },
      });
      asking.must(at, 'a revocation', answer, answer.status === 200);
      await sleep(REVOCATION_BOUND_MS);
      for (const copy of [...live]) if (live.includes(copy)) await asking.validate(copy, token, false);
      asking.seen.revocations += 1;
    }
  }
  const { seen } = asking;
  const noting = (work: Promise<void>): Promise<void> =>
    work.catch((err: Error) => {
      if (!seen.failures.includes(err.message)) seen.failures.push(err.message);
    });
  const running = Promise.all(
    [...Array.from({ length: users }, signedIn), newcomers(), revoker()].map((work) => noting(work)),
  );
  return {
    /** Waits for this many more refreshes, or for the first failure: after it, nobody may be left who refreshes. */
    async more(refreshes: number): Promise<void> {
      const until = seen.refreshes + refreshes;
      while (seen.refreshes < until && seen.failures.length === 0) await sleep(PAUSE_MS);
    },
    async stop(): Promise<void> {
      isStopping = true;
      await running;
    },
  };
}
