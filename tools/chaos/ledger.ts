/** Everything that clients were told, in the order they were told it. Only appended to; `gates.ts` reads it. */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Access, CopyName, Revocation, TokenFamily } from './token-facts.ts';

export type { Access, CopyName, Revocation, TokenFamily } from './token-facts.ts';

import type {
  Arrival,
  BoundedSignal,
  Entry,
  Exchange,
  LeftAddress,
  Opening,
  PasskeyAccount,
  SignOffFacts,
  Told,
  Unplaced,
  Usable,
  Use,
} from './surface-facts.ts';

/** An access token shown to a copy, and what the copy said: `active`, or the reason or error code. */
export type TokenCheck = {
  readonly access: Access;
  readonly copy: CopyName;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly result: string;
};

/** A refresh token presented, and the answer. */
export type Refresh = {
  readonly family: TokenFamily;
  readonly generation: number;
  readonly copy: CopyName;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly status: number;
  readonly code: string;
  readonly successor?: string;
};

/** One request of an act. What it did may be later than its end, if it had no answer. */
export type ActAttempt = { readonly traceId: string; readonly sentAtMs: number; readonly endedAtMs: number };

/** A request that changes something, with all its retries. */
export type Act = {
  readonly kind: string;
  /** Each of these is in the audit log, once, when the act was acknowledged. */
  readonly events: readonly string[];
  /** Whether retries may repeat the act: each of them has an event then. */
  readonly isRepeatable: boolean;
  /** Retries are known by their idempotency key, which the product forgets when a loss is accepted. */
  readonly hasIdempotencyKey?: boolean;
  readonly attempts: ActAttempt[];
  readonly subject: TokenFamily | null;
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

/** The old provider answered nothing from `startedAtMs` until it came back, if it has. */
export type Absence = { readonly startedAtMs: number; endedAtMs?: number };

export type Ledger = {
  readonly families: Map<string, TokenFamily>;
  readonly tokens: Map<string, Access>;
  readonly tokenChecks: TokenCheck[];
  readonly refreshes: Refresh[];
  readonly acts: Act[];
  readonly serverErrors: ServerError[];
  readonly heads: Head[];
  readonly rewinds: Rewind[];
  readonly absences: Absence[];
  readonly uses: Use[];
  readonly entries: Entry[];
  readonly signOffs: Map<string, SignOffFacts>;
  readonly exchanges: Exchange[];
  readonly openings: Opening[];
  readonly passkeyAccounts: PasskeyAccount[];
  readonly arrivals: Arrival[];
  /** The same at the target of the SIEM export. */
  readonly exported: Arrival[];
  /** The same at the target of alerts. */
  readonly told: Told[];
  readonly leftAddresses: LeftAddress[];
  /** Addresses that were told that they are left: as `id`. */
  readonly lastWords: Unplaced[];
  /** The same at the receiver of shared signals. */
  readonly signalled: Unplaced[];
  readonly boundedSignals: BoundedSignal[];
  /** Logout tokens at the client that they are sent to, by `jti`. */
  readonly loggedOut: Unplaced[];
  /** Of signing keys, by key id. */
  readonly keyRevocations: Map<string, Revocation[]>;
  /** Of everything given before them. */
  readonly globalRevocations: Revocation[];
  /** Users whose tokens attackers have: an incident may end their other families too. */
  readonly exposedUsers: Set<string>;
  readonly counts: Map<string, number>;
};

export const createLedger = (): Ledger => ({
  families: new Map(),
  tokens: new Map(),
  tokenChecks: [],
  refreshes: [],
  acts: [],
  serverErrors: [],
  heads: [],
  rewinds: [],
  absences: [],
  uses: [],
  entries: [],
  signOffs: new Map(),
  exchanges: [],
  openings: [],
  passkeyAccounts: [],
  arrivals: [],
  exported: [],
  told: [],
  leftAddresses: [],
  lastWords: [],
  signalled: [],
  boundedSignals: [],
  loggedOut: [],
  keyRevocations: new Map(),
  globalRevocations: [],
  exposedUsers: new Set(),
  counts: new Map(),
});

export const now = (): number => performance.now();

const HISTORY_LENGTH = 120;

export function note(family: TokenFamily, text: string, atMs = now()): void {
  family.history.push(`${(atMs / 1_000).toFixed(3)} s  ${text}`);
  if (family.history.length > HISTORY_LENGTH) family.history.splice(1, 1);
}

export const count = ({ counts }: Ledger, what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

type Claims = { readonly jti: string; readonly fid: string; readonly sub: string };

export const generationOf = (refreshToken: string): number => Number(refreshToken.split('.')[2]);

/** A token pair as its client received it: of a family already known, or the first of a new one. */
export function recordTokens(
  ledger: Ledger,
  pair: { readonly access_token: string; readonly refresh_token: string },
  atMs = now(),
): Access {
  const { jti, fid, sub } = decodeJwt<Claims>(pair.access_token);
  const { kid } = decodeProtectedHeader(pair.access_token) as { kid: string };
  let family = ledger.families.get(fid);
  if (family === undefined) {
    family = {
      id: fid,
      userId: sub,
      issuedAtMs: atMs,
      refreshToken: pair.refresh_token,
      older: new Map(),
      revocations: [],
      access: [],
      history: [],
      isBusy: false,
      isAbandoned: false,
    };
    ledger.families.set(fid, family);
  }
  const generation = generationOf(pair.refresh_token);
  if (generation > generationOf(family.refreshToken)) {
    family.older.set(generationOf(family.refreshToken), family.refreshToken);
    family.refreshToken = pair.refresh_token;
  }
  const access = { token: pair.access_token, jti, kid, family, issuedAtMs: atMs, revocations: [] };
  ledger.tokens.set(jti, access);
  family.access.push(access);
  note(family, `given access token ${jti} (key ${kid.slice(0, 6)}) and refresh token ${generation}`, atMs);
  return access;
}

/** The ends of everything. What was given while everything was being ended may be of before or of after. */
const globalOf = ({ globalRevocations }: Ledger, issuedAtMs: number): Revocation[] =>
  globalRevocations
    .filter(({ ackedAtMs = Number.POSITIVE_INFINITY }) => issuedAtMs <= ackedAtMs)
    .map((revocation) => (issuedAtMs <= revocation.sentAtMs ? revocation : { ...revocation, ackedAtMs: undefined }));

/** All that ends a family. */
export const revocationsOfFamily = (ledger: Ledger, family: TokenFamily): Revocation[] => [
  ...family.revocations,
  ...globalOf(ledger, family.issuedAtMs),
];

/** All that ends an access token: its own, its family's, its signing key's. */
export const revocationsOf = (ledger: Ledger, access: Access): Revocation[] => [
  ...access.revocations,
  ...(ledger.keyRevocations.get(access.kid) ?? []),
  ...revocationsOfFamily(ledger, access.family),
];

/** All that ends a usable thing. An end that a loss of the database took binds the product to nothing. */
export const revocationsOfUsable = (
  ledger: Ledger,
  { revocations, kid, origin, madeAtMs, endsWithLoss }: Usable,
): Revocation[] => [
  ...revocations.map((revocation) =>
    isLost(ledger, revocation.ackedAtMs ?? revocation.sentAtMs) ? { ...revocation, ackedAtMs: undefined } : revocation,
  ),
  ...(kid === undefined ? [] : (ledger.keyRevocations.get(kid) ?? [])),
  ...(endsWithLoss ? globalOf(ledger, madeAtMs) : []),
  ...(origin === undefined ? [] : revocationsOf(ledger, origin)),
];

/** When the first of these was acknowledged; infinitely late when none was. */
export const revokedSince = (revocations: readonly Revocation[]): number =>
  Math.min(
    Number.POSITIVE_INFINITY,
    ...revocations.map((revocation) => revocation.ackedAtMs ?? Number.POSITIVE_INFINITY),
  );

/** Whether something may have ended it before this moment. */
export const mayBeRevoked = (revocations: readonly Revocation[], atMs: number): boolean =>
  revocations.some((revocation) => revocation.sentAtMs <= atMs);

/** Whether this moment lies where a database was lost that the product had acknowledged from. */
export const isLost = ({ rewinds }: Ledger, atMs: number): boolean =>
  rewinds.some((rewind) => atMs >= rewind.backupAtMs && atMs < (rewind.acceptedAtMs ?? Number.POSITIVE_INFINITY));
