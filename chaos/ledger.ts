/** Everything that clients were told, in the order they were told it. Only appended to; `gates.ts` reads it. */
import { decodeJwt, decodeProtectedHeader } from 'jose';

/** Something that ends tokens. From `sentAtMs` on they may be refused, after `ackedAtMs` they must be. */
export type Ending = { readonly cause: string; readonly sentAtMs: number; ackedAtMs?: number };

export type CopyName = 'A' | 'B';

/** An access token that a client was given. */
export type Access = {
  readonly token: string;
  readonly jti: string;
  readonly kid: string;
  readonly login: Login;
  readonly givenAtMs: number;
  readonly endings: Ending[];
};

/** A refresh token family as its client knows it. */
export type Login = {
  readonly id: string;
  readonly userId: string;
  readonly givenAtMs: number;
  /** The newest refresh token that the client has; older ones by generation. */
  refreshToken: string;
  readonly older: Map<number, string>;
  readonly endings: Ending[];
  readonly access: Access[];
  /** What happened to it, for a reader of a failed run. */
  readonly history: string[];
  /** A client asks for it now. */
  isBusy: boolean;
  /** Its client gave up: what becomes of it is no concern of the gates. */
  isAbandoned: boolean;
};

/** An access token shown to a copy, and what the copy said: `active`, or the reason or error code. */
export type Showing = {
  readonly access: Access;
  readonly copy: CopyName;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly verdict: string;
};

/** A refresh token presented, and the answer. */
export type Refresh = {
  readonly login: Login;
  readonly generation: number;
  readonly copy: CopyName;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly status: number;
  readonly code: string;
  readonly successor?: string;
};

/** A request that changes something, with all its retries. */
export type Act = {
  readonly kind: string;
  /** Each of these is in the audit log, once, when the act was acknowledged. */
  readonly events: readonly string[];
  /** Whether retries may repeat the act: each of them has an event then. */
  readonly isRepeatable: boolean;
  readonly traceIds: string[];
  readonly subject: Login | null;
  readonly sentAtMs: number;
  ackedAtMs?: number;
};

/** An answer with a status of 500 or more. */
type ServerError = {
  readonly copy: CopyName;
  readonly path: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly hasRetryAfter: boolean;
  readonly traceId: string;
  readonly atMs: number;
};

/** A signed head of the audit log, as a copy published it. */
type Head = {
  readonly copy: CopyName;
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly atMs: number;
};

/** An older database took the place of the newer one; what was acknowledged after `backupAtMs` is lost with it. */
export type Rewind = {
  readonly backupAtMs: number;
  /** The older database answers from here on. */
  readonly startedAtMs: number;
  /** An operator began to accept the loss, and was told that it is accepted: it took effect in between. */
  acceptingAtMs?: number;
  acceptedAtMs?: number;
};

export type Ledger = {
  readonly logins: Map<string, Login>;
  readonly tokens: Map<string, Access>;
  readonly showings: Showing[];
  readonly refreshes: Refresh[];
  readonly acts: Act[];
  readonly serverErrors: ServerError[];
  readonly heads: Head[];
  readonly rewinds: Rewind[];
  /** Of signing keys, by key id. */
  readonly keyEndings: Map<string, Ending[]>;
  /** Of everything given before them. */
  readonly totalEndings: Ending[];
  /** Users whose tokens thieves have: an incident may end their other logins too. */
  readonly exposedUsers: Set<string>;
  readonly counts: Map<string, number>;
};

export const createLedger = (): Ledger => ({
  logins: new Map(),
  tokens: new Map(),
  showings: [],
  refreshes: [],
  acts: [],
  serverErrors: [],
  heads: [],
  rewinds: [],
  keyEndings: new Map(),
  totalEndings: [],
  exposedUsers: new Set(),
  counts: new Map(),
});

export const now = (): number => performance.now();

const HISTORY_LENGTH = 120;

export function note(login: Login, text: string, atMs = now()): void {
  login.history.push(`${(atMs / 1_000).toFixed(3)} s  ${text}`);
  if (login.history.length > HISTORY_LENGTH) login.history.splice(1, 1);
}

export const count = ({ counts }: Ledger, what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

type Claims = { readonly jti: string; readonly fid: string; readonly sub: string };

export const generationOf = (refreshToken: string): number => Number(refreshToken.split('.')[2]);

/** A token pair as its client received it: of a login already known, or the first of a new one. */
export function given(
  ledger: Ledger,
  pair: { readonly access_token: string; readonly refresh_token: string },
  atMs = now(),
): Access {
  const { jti, fid, sub } = decodeJwt<Claims>(pair.access_token);
  const { kid } = decodeProtectedHeader(pair.access_token) as { kid: string };
  let login = ledger.logins.get(fid);
  if (login === undefined) {
    login = {
      id: fid,
      userId: sub,
      givenAtMs: atMs,
      refreshToken: pair.refresh_token,
      older: new Map(),
      endings: [],
      access: [],
      history: [],
      isBusy: false,
      isAbandoned: false,
    };
    ledger.logins.set(fid, login);
  }
  const generation = generationOf(pair.refresh_token);
  if (generation > generationOf(login.refreshToken)) {
    login.older.set(generationOf(login.refreshToken), login.refreshToken);
    login.refreshToken = pair.refresh_token;
  }
  const access = { token: pair.access_token, jti, kid, login, givenAtMs: atMs, endings: [] };
  ledger.tokens.set(jti, access);
  login.access.push(access);
  note(login, `given access token ${jti} (key ${kid.slice(0, 6)}) and refresh token ${generation}`, atMs);
  return access;
}

/** All that ends a login. One that was given while everything was being ended may be of before or of after. */
export const endingsOfLogin = ({ totalEndings }: Ledger, login: Login): Ending[] => [
  ...login.endings,
  ...totalEndings
    .filter(({ ackedAtMs = Number.POSITIVE_INFINITY }) => login.givenAtMs <= ackedAtMs)
    .map((ending) => (login.givenAtMs <= ending.sentAtMs ? ending : { ...ending, ackedAtMs: undefined })),
];

/** All that ends an access token: its own, its login's, its signing key's. */
export const endingsOf = (ledger: Ledger, access: Access): Ending[] => [
  ...access.endings,
  ...(ledger.keyEndings.get(access.kid) ?? []),
  ...endingsOfLogin(ledger, access.login),
];

/** When the first of these was acknowledged; infinitely late when none was. */
export const deadSince = (endings: readonly Ending[]): number =>
  Math.min(Number.POSITIVE_INFINITY, ...endings.map((ending) => ending.ackedAtMs ?? Number.POSITIVE_INFINITY));

/** Whether something may have ended it before this moment. */
export const mayBeDead = (endings: readonly Ending[], atMs: number): boolean =>
  endings.some((ending) => ending.sentAtMs <= atMs);

/** Whether this moment lies where a database was lost that the product had acknowledged from. */
export const isLost = ({ rewinds }: Ledger, atMs: number): boolean =>
  rewinds.some((rewind) => atMs >= rewind.backupAtMs && atMs < (rewind.acceptedAtMs ?? Number.POSITIVE_INFINITY));
