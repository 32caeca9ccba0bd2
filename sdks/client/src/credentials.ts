/**
 * Keeps the tokens of a sign-in in one file that any number of processes share: one of them refreshes, the others wait
 * and read what it wrote. For Linux and macOS, Node 22.13 or newer. The Python package reads and writes the same file.
 * @module
 */
import { createPrivateKey, hash, randomUUID, sign } from 'node:crypto';
import { closeSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const CODES = {
  sign_in_required: 'there is no sign-in, or it has ended. Sign in again and save the new tokens.',
  refresh_refused: 'the API refused the client, not the sign-in. Compare client id, secret, DPoP key and clock.',
  server_unavailable: 'the API gave no new tokens. Try again in a few seconds.',
  store_busy: 'another process has the lock for too long. Try again, or look for a stopped process.',
  store_damaged: 'the file is damaged or no credential store, and was not changed. Move it away and sign in again.',
  store_exposed:
    'other users may read the file, or replace it in its folder. Run chmod 600 on it, chmod 700 on the folder.',
  store_unavailable: 'the file cannot be read or written.',
} as const;

export type CredentialCode = keyof typeof CODES;

/** Why there is no access token. Holds no secret. */
export class CredentialError extends Error {
  readonly code: CredentialCode;
  /** The API's own code, where it refused. */
  readonly reason: string | undefined;
  constructor(path: string, code: CredentialCode, reason?: string, options?: ErrorOptions) {
    super(`${path}: ${CODES[code]}${reason === undefined ? '' : ` (${reason})`}`, options);
    this.name = 'CredentialError';
    this.code = code;
    this.reason = reason;
  }
}

/** A private key of DPoP proofs (RFC 9449) as a JWK; its algorithm is ES256. */
export type DpopJwk = {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly d: string;
};

/** What a token endpoint answers (RFC 6749 §5.1); `expires_in` in seconds. */
export type SavedTokens = {
  readonly access_token: string;
  readonly expires_in: number;
  readonly refresh_token?: string | undefined;
  readonly token_type?: string | undefined;
};

/** `fetch`, whichever library types it. */
type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export type CredentialStoreOptions = {
  /** The file, on a local disk. It is made with mode 0600, and its folder with mode 0700. */
  readonly path: string;
  /** Base URL of the API. A file keeps one sign-in for each URL and client. */
  readonly url: string;
  readonly clientId: string;
  /** Of a client that has one. */
  readonly clientSecret?: string;
  /** Limit of one request for tokens, seconds. Default: 10. */
  readonly timeout?: number;
  /** How long to wait for another process that refreshes, seconds. Default: 60. */
  readonly lockTimeout?: number;
  /** Replaces the global one. */
  readonly fetch?: Fetch;
  /** Unix seconds. Replaced in tests. */
  readonly now?: () => number;
  /** Waits. Replaced in tests. */
  readonly sleep?: (ms: number) => Promise<void>;
};

export type CredentialStore = {
  /** Keeps the tokens of a new sign-in in place of the last. `dpopJwk` is the key that they are bound to, if they are. */
  save(tokens: SavedTokens, options?: { readonly dpopJwk?: DpopJwk }): Promise<void>;
  /**
   * An access token for the next request: the one in the file while it lasts, else a new one.
   * @param rejected a token that a service refused: another one is returned
   */
  accessToken(rejected?: string): Promise<string>;
  /** `fetch` with the access token and, if it is bound, a DPoP proof. A refused token is replaced once. */
  readonly fetch: Fetch;
  /** Removes the sign-in from the file. It does not end it at the API. */
  forget(): Promise<void>;
};

/** A row of the file. Times are Unix seconds of this machine. */
type Entry = {
  readonly access_token?: string | undefined;
  readonly obtained_at?: number;
  readonly expires_at?: number;
  readonly refresh_token?: string | undefined;
  readonly dpop_jwk?: DpopJwk | undefined;
  /** No process asks the API before. */
  readonly retry_at?: number | undefined;
  /** The API's code for why the sign-in has ended. */
  readonly ended?: string;
};
type Refreshed = { readonly entry: Entry; readonly error?: CredentialError };
type Server = { readonly nonce: string | undefined; readonly aheadSeconds: number };
type Refusal = { readonly error?: string; readonly code?: string };

/** `application_id` of the file: "SPC1". Another format gets another one. */
const FORMAT = 0x53504331;
const SCHEMA = `CREATE TABLE IF NOT EXISTS credentials (name TEXT PRIMARY KEY, entry TEXT NOT NULL);
  PRAGMA application_id = ${FORMAT}`;
const [BUSY, CORRUPT, NOT_A_DATABASE] = [5, 11, 26];
/** The same in every language: within two minutes the API repeats a lost answer only to the same user agent. */
const USER_AGENT = 'sallyport-credentials';
/** A token is replaced this long before it expires, or in the last quarter of its life if that is shorter. */
const EARLY_SECONDS = 60;
/** How much two clocks may differ. */
const CLOCK_SECONDS = 5;
/** After a failure nothing asks the API again for so long. */
const PAUSE_SECONDS = 5;
const ATTEMPTS = 3;
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 10_000;
const LOCK_RETRY_MS = 20;

const errcodeOf = (err: unknown): number => ((err as { errcode?: number }).errcode ?? 0) & 0xff;
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const isTokens = (body: Partial<SavedTokens>): body is SavedTokens =>
  typeof body.access_token === 'string' && typeof body.expires_in === 'number' && body.expires_in > 0;

const entryOf = (tokens: SavedTokens, at: number, before: Entry): Entry => ({
  access_token: tokens.access_token,
  obtained_at: at,
  expires_at: at + tokens.expires_in,
  refresh_token: tokens.refresh_token ?? before.refresh_token,
  dpop_jwk: before.dpop_jwk,
});

/**
 * Opens the file of a sign-in; it is read at the first call. Every method throws `CredentialError`, whose `code` is
 * `sign_in_required` when only a new sign-in helps.
 * @example const store = openCredentialStore({ path, url: 'https://auth.example', clientId });
 *   const api = createClient({ url: 'https://auth.example', fetch: store.fetch });
 */
export function openCredentialStore(options: CredentialStoreOptions): CredentialStore {
  const { path, clientId, clientSecret } = options;
  const { timeout = 10, lockTimeout = 60, now = () => Date.now() / 1_000 } = options;
  const send: Fetch = options.fetch ?? fetch;
  const sleep = options.sleep ?? ((ms: number) => new Promise<void>((done) => setTimeout(done, ms)));
  const endpoint = `${options.url.replace(/\/+$/, '')}/oauth2/token`;
  const name = `${endpoint} ${clientId}`;
  const failure = (code: CredentialCode, reason?: string, cause?: unknown): CredentialError =>
    new CredentialError(path, code, reason, cause === undefined ? {} : { cause });
  /** What servers last said: the nonce of the next proof, and how far their clock is ahead. */
  const servers = new Map<string, Server>();
  const serverOf = ({ origin }: URL): Server => servers.get(origin) ?? { nonce: undefined, aheadSeconds: 0 };
  const flights = new Map<string | undefined, Promise<Entry>>();

  function open(): DatabaseSync {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      // Only a new file is opened here: closing one ends the locks that this process has on it (POSIX).
      closeSync(openSync(path, 'wx', 0o600));
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err;
    }
    const [file, folder] = [statSync(path), statSync(dirname(realpathSync(path)))];
    // The administrator's folders are as good as one's own.
    const isOwn = [file, folder].every(({ uid }) => uid === process.geteuid?.() || uid === 0);
    if (!isOwn || (file.mode & 0o077) !== 0 || (folder.mode & 0o022) !== 0) throw failure('store_exposed');
    return new DatabaseSync(path, { timeout: 1_000 });
  }

  function entryIn(db: DatabaseSync): Entry {
    // In this order: both change at once, when another process makes the file.
    const [tables, format] = ['SELECT count(*) FROM sqlite_master', 'PRAGMA application_id'].map((sql) =>
      Number(Object.values(db.prepare(sql).get() ?? {})[0]),
    );
    if (format === 0 && tables === 0) return {};
    if (format !== FORMAT) throw failure('store_damaged');
    const row = db.prepare('SELECT entry FROM credentials WHERE name = ?').get(name);
    try {
      return row === undefined ? {} : (JSON.parse(String(row.entry)) as Entry);
    } catch {
      // The error quotes what it could not read, which is secret.
      throw failure('store_damaged');
    }
  }

  function write(db: DatabaseSync, entry: Entry): void {
    db.exec(SCHEMA);
    db.prepare('REPLACE INTO credentials (name, entry) VALUES (?, ?)').run(name, JSON.stringify(entry));
  }

  function read(): Entry {
    const db = open();
    try {
      return entryIn(db);
    } finally {
      db.close();
    }
  }

  /** False if another process is still in the way after so many seconds. */
  async function patiently(db: DatabaseSync, sql: string, seconds: number): Promise<boolean> {
    for (let waitedMs = 0; ; waitedMs += LOCK_RETRY_MS) {
      try {
        db.exec(sql);
        return true;
      } catch (err) {
        if (errcodeOf(err) !== BUSY) throw err;
        if (waitedMs >= seconds * 1_000) return false;
        await sleep(LOCK_RETRY_MS * (0.5 + Math.random()));
      }
    }
  }

  /**
   * Runs `work` while no other process may write. The kernel ends the lock with the process that has it. Undefined if
   * another one still has it after so many seconds.
   */
  async function locked<T>(
    seconds: number,
    work: (db: DatabaseSync, entry: Entry) => T | Promise<T>,
  ): Promise<T | undefined> {
    const db = open();
    try {
      // A lock is waited for by a timer, which lets this process go on. Replaced tokens are overwritten by zeros in the file,
      // though not in its former journal, and new ones survive a loss of power.
      db.exec('PRAGMA secure_delete = ON; PRAGMA synchronous = EXTRA; PRAGMA busy_timeout = 0');
      if (!(await patiently(db, 'BEGIN IMMEDIATE', seconds))) return undefined;
      const result = await work(db, entryIn(db));
      if (!(await patiently(db, 'COMMIT', lockTimeout))) throw failure('store_busy');
      return result;
    } finally {
      db.close();
    }
  }

  /** `usable` tokens are replaced if that is possible at once. Throws where the API cannot be asked. */
  function stateOf(entry: Entry, rejected?: string): 'fresh' | 'usable' | 'expired' {
    const { access_token: token, obtained_at: from = 0, expires_at: until = 0, retry_at: retryAt = 0 } = entry;
    const at = now();
    // A token of the future: the clock was set back, and says nothing about its end.
    const isUsable = token !== undefined && token !== rejected && until > at && from <= at + CLOCK_SECONDS;
    const isPaused = retryAt > at && retryAt <= at + PAUSE_SECONDS;
    if (entry.refresh_token === undefined || isPaused) {
      if (isUsable) return 'fresh';
      throw isPaused ? failure('server_unavailable') : failure('sign_in_required', entry.ended);
    }
    if (!isUsable) return 'expired';
    return until - at > Math.min(EARLY_SECONDS, (until - from) / 4) ? 'fresh' : 'usable';
  }

  /** Keeps what an answer says of nonce and clock. Whether the next proof differs by it. */
  function learn(url: string, { headers }: Response): boolean {
    const known = serverOf(new URL(url));
    const date = Date.parse(headers.get('date') ?? '');
    const ahead = Number.isNaN(date) ? known.aheadSeconds : date / 1_000 - now();
    const aheadSeconds = Math.abs(ahead) > CLOCK_SECONDS ? ahead : 0;
    const nonce = headers.get('dpop-nonce') ?? known.nonce;
    servers.set(new URL(url).origin, { nonce, aheadSeconds });
    return nonce !== known.nonce || Math.abs(aheadSeconds - known.aheadSeconds) > CLOCK_SECONDS;
  }

  /** RFC 9449 §4.2. */
  function proofOf(jwk: DpopJwk, method: string, url: string, accessToken?: string): string {
    const target = new URL(url);
    const { nonce, aheadSeconds } = serverOf(target);
    const { kty, crv, x, y } = jwk;
    const input = `${encode({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } })}.${encode({
      jti: randomUUID(),
      htm: method,
      htu: target.origin + target.pathname,
      iat: Math.floor(now() + aheadSeconds),
      nonce,
      ath: accessToken && hash('sha256', accessToken, 'base64url'),
    })}`;
    const key = createPrivateKey({ key: jwk, format: 'jwk' });
    return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }

  const post = ({ refresh_token = '', dpop_jwk }: Entry): Promise<Response> =>
    send(endpoint, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(timeout * 1_000),
      headers: {
        accept: 'application/json',
        'user-agent': USER_AGENT,
        ...(dpop_jwk && { dpop: proofOf(dpop_jwk, 'POST', endpoint) }),
      },
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token,
        client_id: clientId,
        ...(clientSecret !== undefined && { client_secret: clientSecret }),
      }),
    });

  /** Asks for new tokens: once if the present one is usable, and again with a nonce or clock that the API named. */
  async function refresh(entry: Entry, isUsable: boolean): Promise<Refreshed> {
    const paused = (code: CredentialCode, reason: string | undefined, cause?: unknown): Refreshed => ({
      entry: { ...entry, retry_at: now() + PAUSE_SECONDS },
      error: failure(code, reason, cause),
    });
    for (let [attempt, last] = [1, isUsable ? 1 : ATTEMPTS]; ; attempt += 1) {
      let waitMs = FIRST_WAIT_MS * 2 ** attempt * (0.5 + Math.random() / 2);
      let cause: unknown;
      const askedAt = now();
      try {
        const response = await post(entry);
        const isNews = learn(endpoint, response);
        // Of a proxy, and so worth another attempt, if it is not JSON.
        const body = (await response.json()) as Partial<SavedTokens> & Refusal;
        if (response.ok && isTokens(body)) return { entry: entryOf(body, askedAt, entry) };
        const { error, code = error } = body;
        if (error === 'invalid_grant')
          return { entry: { ended: code ?? error }, error: failure('sign_in_required', code) };
        if (isNews && (error === 'use_dpop_nonce' || error === 'invalid_dpop_proof')) {
          // No failure: it has another attempt in its place, once for a nonce and once for a clock.
          last = Math.min(last + 1, ATTEMPTS + 2);
          waitMs = 0;
        } else if (error !== undefined && response.status < 500 && response.status !== 429)
          return paused('refresh_refused', code);
        else waitMs = Number(response.headers.get('retry-after')) * 1_000 || waitMs;
        cause = new Error(`${endpoint} answered ${response.status} ${code ?? ''}`);
      } catch (err) {
        cause = err;
      }
      if (attempt >= last || waitMs > LONGEST_WAIT_MS) return paused('server_unavailable', undefined, cause);
      await sleep(waitMs);
    }
  }

  async function replace(seen: Entry, rejected?: string): Promise<Entry> {
    const isUsable = stateOf(seen, rejected) === 'usable';
    const refreshed = await locked(isUsable ? 0 : lockTimeout, async (db, entry): Promise<Refreshed> => {
      const state = stateOf(entry, rejected);
      if (state === 'fresh') return { entry };
      // A file that cannot be written fails here, before the API is asked. Until the commit it keeps what it had.
      write(db, entry);
      const { entry: next, error } = await refresh(entry, state === 'usable');
      write(db, next);
      const isForgiven = state === 'usable' && error?.code !== 'sign_in_required';
      return error === undefined || isForgiven ? { entry: next } : { entry: next, error };
    });
    if (refreshed?.error) throw refreshed.error;
    if (refreshed === undefined && !isUsable) throw failure('store_busy');
    return refreshed?.entry ?? seen;
  }

  async function current(rejected?: string): Promise<Entry> {
    const seen = read();
    if (stateOf(seen, rejected) === 'fresh') return seen;
    const flight = flights.get(rejected) ?? replace(seen, rejected).finally(() => flights.delete(rejected));
    flights.set(rejected, flight);
    return flight;
  }

  /** Errors of SQLite and of the file system get their code here. */
  async function coded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (err) {
      const errcode = errcodeOf(err);
      if (errcode === CORRUPT || errcode === NOT_A_DATABASE) throw failure('store_damaged', undefined, err);
      if (errcode === BUSY) throw failure('store_busy', undefined, err);
      if (errcode !== 0 || (err as NodeJS.ErrnoException).syscall !== undefined)
        throw failure('store_unavailable', undefined, err);
      throw err;
    }
  }

  const put = (entry: Entry): Promise<void> =>
    coded(async () => {
      const isWritten = await locked(lockTimeout, (db) => {
        write(db, entry);
        return true;
      });
      if (!isWritten) throw failure('store_busy');
    });

  return {
    save: async (tokens, { dpopJwk } = {}) => {
      if (!isTokens(tokens)) throw new TypeError('tokens need an access_token and expires_in');
      if (tokens.token_type?.toLowerCase() === 'dpop' && dpopJwk === undefined)
        throw new TypeError('tokens that are bound to a key need dpopJwk');
      if (
        dpopJwk &&
        createPrivateKey({ key: dpopJwk, format: 'jwk' }).asymmetricKeyDetails?.namedCurve !== 'prime256v1'
      )
        throw new TypeError('dpopJwk is no private key of P-256');
      await put(entryOf(tokens, now(), { dpop_jwk: dpopJwk }));
    },
    accessToken: async (rejected) => (await coded(() => current(rejected))).access_token as string,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      let rejected: string | undefined;
      for (let attempt = 1; ; attempt += 1) {
        const { access_token: token = '', dpop_jwk: jwk } = await coded(() => current(rejected));
        const next = request.clone();
        next.headers.set('authorization', `${jwk ? 'DPoP' : 'Bearer'} ${token}`);
        if (jwk) next.headers.set('dpop', proofOf(jwk, next.method, next.url, token));
        const response = await send(next);
        const isNews = learn(next.url, response);
        const error = /\berror="(\w+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1];
        if (response.status !== 401 || attempt === ATTEMPTS) return response;
        if (error === 'invalid_token' && rejected === undefined) rejected = token;
        else if (!isNews || (error !== 'use_dpop_nonce' && error !== 'invalid_dpop_proof')) return response;
        await response.body?.cancel();
      }
    },
    forget: () => put({}),
  };
}
