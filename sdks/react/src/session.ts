/**
 * The session of a page, without React. Page and API may have different origins of one site, so
 * - the operator lists the page's origin in CORS_ORIGINS; on a developer's machine that is not needed;
 * - each request carries the session cookie (`credentials`), which no script can read;
 * - the browser adds the header Origin to each write, and the API refuses writes from origins that are not listed (CSRF).
 * @module
 */

export type User = { readonly id: string; readonly email: string; readonly name: string | null };
type Credentials = { readonly email: string; readonly password: string };
type SecondFactor = { readonly challenge: string; readonly code: string };

/** What the components need. An application that signs users in on its own server gives its own. */
export type Session = {
  /** The signed-in user, or null. */
  user(): Promise<User | null>;
  /** @throws SallyportError `second_factor_required`, with its challenge, if the password is not enough */
  signIn(input: Credentials): Promise<User>;
  /** Null if the address must be verified first: the user then follows the link of a mail. */
  signUp(input: Credentials & { readonly name?: string | undefined }): Promise<User | null>;
  signOut(): Promise<void>;
  /** With the code of an authenticator app or a recovery code. Without it, such an account is told that it cannot sign in. */
  secondFactor?(input: SecondFactor): Promise<User>;
  /** Without it, no passkey is offered. */
  signInWithPasskey?(): Promise<User>;
};

export type Sallyport = Required<Session> & {
  /** Base URL of the API. */
  readonly api: string;
  rename(name: string): Promise<User>;
  /** For the header `authorization: Bearer …` of requests to your own services. */
  accessToken(): Promise<string>;
};

type Problem = {
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly challenge?: string;
  readonly factors?: readonly string[];
};
type Tokens = { readonly access_token: string; readonly refresh_token: string; readonly expires_in: number };
type Held = Tokens & { readonly expiresAtMs: number };
type Answered = { readonly user: User };
type PasskeyOptions = { readonly options: PublicKeyCredentialRequestOptionsJSON; readonly challenge: string };

/** A refusal. `code` is for programs, and the message is for people; docs/reference/errors.md has all codes. */
export class SallyportError extends Error {
  readonly code: string;
  readonly status: number;
  /** Of `second_factor_required`. */
  readonly challenge: string | undefined;
  readonly factors: readonly string[];
  constructor(status: number, { code, title, detail, challenge, factors = [] }: Problem) {
    super(detail ?? title);
    this.name = 'SallyportError';
    this.code = code;
    this.status = status;
    this.challenge = challenge;
    this.factors = factors;
  }
}

/** The members of `POST /api/auth/second-factor` for a code that a person typed. */
export function factorOf(code: string): { readonly totp: string } | { readonly recovery_code: string } {
  const digits = code.replaceAll(/\s/g, '');
  return /^\d{6}$/.test(digits) ? { totp: digits } : { recovery_code: code.trim() };
}

/** Refreshed this long before it expires, so that no request arrives with a token that expired on the way. */
const MARGIN_SECONDS = 30;

/**
 * Signs users in with the API.
 * @param api its base URL; '' if the origin of the page passes `/api/auth` on to it
 * @param oldToken while you move here from another provider: a token of the user's live session there, or nothing
 */
export function createSallyport(
  api: string,
  oldToken: () => Promise<string | null | undefined> = async () => null,
): Sallyport {
  /**
   * The tokens of the user, or the request for them. In memory alone: whatever a page stores, a script that was smuggled
   * into it can read. A user who signs in, here or in another tab, gets none of the user before.
   */
  let held: Promise<Held> | undefined;
  let holder: string | undefined;

  async function send<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await fetch(`${api}${path}`, {
      method,
      credentials: 'include',
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const content = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (answer.ok) return content as T;
    // Not of the API: a proxy could not reach it.
    const isOfApi = typeof content?.code === 'string' && typeof content.title === 'string';
    throw new SallyportError(
      answer.status,
      isOfApi ? content : { code: 'no_answer', title: 'The server did not answer' },
    );
  }

  async function begin<T>(path: string, body: object): Promise<T> {
    try {
      return await send<T>('POST', path, body);
    } finally {
      held = undefined;
    }
  }

  async function exchange(path: string, body: object): Promise<Held> {
    const tokens = await send<Tokens>('POST', path, body);
    const { expires_in: seconds } = tokens;
    return { ...tokens, expiresAtMs: Date.now() + Math.max(seconds - MARGIN_SECONDS, seconds / 2) * 1_000 };
  }

  async function accessToken(): Promise<string> {
    held ??= exchange('/v1/tokens', {});
    const mine = held;
    try {
      const { access_token, refresh_token, expiresAtMs } = await mine;
      if (held === mine && Date.now() < expiresAtMs) return access_token;
      if (held === mine) held = exchange('/v1/tokens/refresh', { refresh_token });
      return accessToken();
    } catch (error) {
      // The next call begins again with the session.
      if (held === mine) held = undefined;
      throw error;
    }
  }

  async function loadUser(): Promise<User | null> {
    try {
      return (await send<Answered>('GET', '/api/auth/session')).user;
    } catch (error) {
      if (error instanceof SallyportError && error.status === 401) return carryOver();
      throw error;
    }
  }

  /** The user of a live session of the old provider, which becomes one here. Null: the user signs in. */
  async function carryOver(): Promise<User | null> {
    const token = await oldToken();
    if (!token) return null;
    try {
      return (await begin<Answered>('/v1/legacy/sessions', { token })).user;
    } catch (error) {
      // Refused, or not set up. After other failures, as 429 and 503, a later call can still carry the session over.
      if (error instanceof SallyportError && [401, 403, 404].includes(error.status)) return null;
      throw error;
    }
  }

  return {
    api,
    async user() {
      const user = await loadUser();
      if (user?.id !== holder) held = undefined;
      holder = user?.id;
      return user;
    },
    signIn: async ({ email, password }) => (await begin<Answered>('/api/auth/signin', { email, password })).user,
    signUp: async ({ email, password, name }) =>
      (await begin<Partial<Answered>>('/api/auth/signup', { email, password, ...(name ? { name } : {}) })).user ?? null,
    async signOut() {
      await begin('/api/auth/signout', {});
    },
    async secondFactor({ challenge, code }) {
      return (await begin<Answered>('/api/auth/second-factor', { challenge, ...factorOf(code) })).user;
    },
    async signInWithPasskey() {
      const { options, challenge } = await send<PasskeyOptions>('POST', '/api/auth/passkey/sign-in/options');
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
      const credential = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential;
      const response = credential.toJSON();
      return (await begin<Answered>('/api/auth/passkey/sign-in/verify', { challenge, response })).user;
    },
    rename: async (name) => (await send<Answered>('PATCH', '/api/auth/user', { name })).user,
    accessToken,
  };
}
