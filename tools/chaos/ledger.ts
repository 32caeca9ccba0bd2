/** Everything that clients were told, in the order they were told it. Only appended to; gates read it at the end. */
import { decodeJwt, decodeProtectedHeader } from 'jose';

/** What clients use, with the beginnings of its paths. Gates say of each whether it served, and what it acknowledged is there. */
const PATHS = {
  validation: ['/v1/tokens/validate', '/oauth2/introspect'],
  refresh: ['/v1/tokens/refresh'],
  revocation: ['/v1/tokens/revoke', '/oauth2/revoke'],
  issuing: ['/v1/tokens'],
  keys: ['/v1/keys'],
  agents: ['/v1/admin/agents', '/v1/agents', '/oauth2/token'],
  'sign-offs': ['/v1/handoff/signoffs'],
  consents: ['/v1/privacy/consents', '/v1/privacy/subjects/'],
  'health data': ['/v1/privacy/phi'],
  'API keys': ['/v1/api-keys', '/v1/admin/clients'],
  'help desk': ['users', 'search', 'imports', 'first-steps', 'roles'].map((of) => `/v1/admin/${of}`),
  grants: ['/oauth2/device_authorization', '/device'],
  accounts: ['/'],
} as const;
export type SurfaceName = keyof typeof PATHS;
export const SURFACES = Object.keys(PATHS) as readonly SurfaceName[];

/** The surface behind a path: the first that has its beginning. */
export const surfaceOf = (path: string): SurfaceName =>
  SURFACES.find((surface) => PATHS[surface].some((start) => path.startsWith(start)))!;

export type CopyName = 'A' | 'B';

/** When something was shown to a copy, and when the copy answered. */
type Asked = { readonly copy: CopyName; readonly sentAtMs: number; readonly answeredAtMs: number };

/** Something that ends tokens. From `sentAtMs` on they may be refused, after `ackedAtMs` they must be. */
export type Revocation = { readonly cause: string; readonly sentAtMs: number; ackedAtMs?: number };

/** An access token that a client was given. */
export type Access = {
  readonly token: string;
  readonly jti: string;
  readonly kid: string;
  readonly family: TokenFamily;
  readonly issuedAtMs: number;
  readonly revocations: Revocation[];
};

/** A refresh token family as its client knows it. */
export type TokenFamily = {
  readonly id: string;
  readonly userId: string;
  readonly issuedAtMs: number;
  /** The newest refresh token that the client has; older ones by generation. */
  refreshToken: string;
  readonly older: Map<number, string>;
  readonly revocations: Revocation[];
  readonly access: Access[];
  /** What happened to it, for a reader of a failed run. */
  readonly history: string[];
  /** A client asks for it now. */
  isBusy: boolean;
  /** Its client gave up: what becomes of it is no concern of the gates. */
  isAbandoned: boolean;
};

/** An access token shown to a copy, and what the copy said: `active`, or the reason or error code. */
export type TokenCheck = Asked & { readonly access: Access; readonly result: string };

/** A refresh token presented, and the answer. */
export type Refresh = Asked & {
  readonly family: TokenFamily;
  readonly generation: number;
  readonly status: number;
  readonly code: string;
  readonly successor?: string;
};

/** Something that can be used until it is ended: a secret, a token, an API key, an encrypted value, a consent. */
export type Usable = {
  readonly surface: SurfaceName;
  /** As a reader of a finding knows it: `secret of an agent`. */
  readonly kind: string;
  readonly id: string;
  readonly madeAtMs: number;
  /** Of a token its signing key, with which it ends too. */
  readonly kid?: string;
  /** A loss of the database that was accepted ends it too: tokens and API keys, not secrets. */
  readonly endsWithLoss?: boolean;
  /** The user's token that it was exchanged for. */
  readonly origin?: Access;
  /** Shared by all that ends together, as an agent's secret and tokens. */
  readonly revocations: Revocation[];
  readonly history: string[];
};

/** A usable thing shown to a copy, which accepted or refused it. What was not answered is no use. */
export type Use = Asked & {
  readonly of: Usable;
  readonly isAccepted: boolean;
  /** Status and code, for a reader. */
  readonly said: string;
};

/** Something that the product was asked to keep, by a key that the request has or its answer gave. */
export type Entry = {
  readonly surface: SurfaceName;
  /** Which statement of the surface finds it. */
  readonly kind: string;
  readonly key: string;
  readonly sentAtMs: number;
  ackedAtMs?: number;
};

/** A sign-off as its clients know it. */
export type SignOffFacts = {
  readonly id: string;
  readonly quorum: number;
  /** Requests that were sent to approve it: one without an answer may count. */
  readonly approvals: { readonly role: string; readonly sentAtMs: number }[];
  readonly starts: { readonly copy: CopyName; readonly answeredAtMs: number; readonly status: number }[];
  /** Whether each token that its request gave carries exactly the act. */
  readonly tokens: boolean[];
  readonly requestedAtMs: number;
};

/** A request as it ended for its client. */
export type Exchange = {
  readonly surface: SurfaceName;
  readonly copy: CopyName;
  /** True where the product limits how long it waits for PostgreSQL in all: for what may write. */
  readonly isLimited: boolean;
  readonly path: string;
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  /** 0: no answer came. */
  readonly status: number;
  /** Of a refusal. */
  readonly code?: string;
  /** How long the client waited in vain; undefined when it had an answer, hung up early or had no connection. */
  readonly waitedMs?: number;
};

/** An event that arrived at the receiver, and was accepted. */
export type Arrival = { readonly seq: number; readonly id: string; readonly subject: string; readonly atMs: number };

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

export const createLedger = () => ({
  families: new Map<string, TokenFamily>(),
  tokens: new Map<string, Access>(),
  tokenChecks: [] as TokenCheck[],
  refreshes: [] as Refresh[],
  acts: [] as Act[],
  serverErrors: [] as ServerError[],
  heads: [] as Head[],
  rewinds: [] as Rewind[],
  uses: [] as Use[],
  entries: [] as Entry[],
  signOffs: new Map<string, SignOffFacts>(),
  exchanges: [] as Exchange[],
  arrivals: [] as Arrival[],
  /** Of signing keys, by key id. */
  keyRevocations: new Map<string, Revocation[]>(),
  /** Of everything given before them. */
  globalRevocations: [] as Revocation[],
  /** Users whose tokens attackers have: an incident may end their other families too. */
  exposedUsers: new Set<string>(),
  counts: new Map<string, number>(),
});
export type Ledger = Readonly<ReturnType<typeof createLedger>>;

export const now = (): number => performance.now();

const HISTORY_LENGTH = 120;

/** Writes what happened to a thing into its history, which keeps its beginning. */
export function note({ history }: { readonly history: string[] }, text: string, atMs = now()): void {
  history.push(`${(atMs / 1_000).toFixed(3)} s  ${text}`);
  if (history.length > HISTORY_LENGTH) history.splice(1, 1);
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
  const family: TokenFamily = ledger.families.get(fid) ?? {
    ...{ id: fid, userId: sub, issuedAtMs: atMs, refreshToken: pair.refresh_token, older: new Map() },
    ...{ revocations: [], access: [], history: [], isBusy: false, isAbandoned: false },
  };
  ledger.families.set(fid, family);
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
  Math.min(...revocations.map(({ ackedAtMs = Number.POSITIVE_INFINITY }) => ackedAtMs));

/** Whether something may have ended it before this moment. */
export const mayBeRevoked = (revocations: readonly Revocation[], atMs: number): boolean =>
  revocations.some(({ sentAtMs }) => sentAtMs <= atMs);

/** Whether this moment lies where a database was lost that the product had acknowledged from. */
export const isLost = ({ rewinds }: Pick<Ledger, 'rewinds'>, atMs: number): boolean =>
  rewinds.some(({ backupAtMs, acceptedAtMs = Number.POSITIVE_INFINITY }) => atMs >= backupAtMs && atMs < acceptedAtMs);
