import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ClientSettings } from '#services/platform/config/clients.ts';
import { directoryStale } from '#services/platform/errors.ts';
import { CONSOLE_CLIENT_ID, FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import { OWN_SCOPES } from '../authority/own-scopes.ts';
import type { Ports, Sql } from '../ports.ts';
import {
  type AccessState,
  type ClientOrigin,
  type ClientRow,
  readAccessState,
  readApplications,
  readClients,
  readPermissions,
  readRolePermissions,
  readRoles,
} from './access.store.ts';
import { type Application, applicationsOf, isApplicationRole } from './application-rights.ts';

export type { ClientOrigin };

/** The settings of a client, by the names of `clientRecord`, and what the directory knows besides. */
export type Client = Omit<
  ClientRow,
  'secret_hash' | 'previous_secret_hash' | 'previous_until_ms' | 'agent_owner_id' | 'agent_until_ms'
> & {
  /** SHA-256 of the secret; null for a public client. */
  readonly secretHash: Buffer | null;
  /** SHA-256 of the previous secret, while that is still accepted. */
  readonly previousSecret: { readonly hash: Buffer; readonly untilMs: number } | null;
  /** For a client that is an agent: the user it acts for, and until when it may; `disabled` from then on. */
  readonly agent: { readonly ownerId: string; readonly untilMs: number } | null;
};

/** What a complete answer of the state poll says about the directory. */
export type SeenAccess = {
  readonly incarnation: string;
  readonly accessVersion: number;
  /** When the query was sent, monotonic milliseconds. */
  readonly sentAtMs: number;
};

/**
 * Clients, roles, permissions and applications, in memory. Only loading does I/O. What clients, roles, permissions and
 * applications there are decides who may do what, so reading them throws `directory_stale` (503) while this copy has not
 * confirmed for longer than the staleness bound that it has the database's.
 */
export type AccessDirectory = {
  /**
   * Reads everything from Postgres; called at start and when `access_version` changes. The promise resolves with data
   * read after the call. Concurrent calls coalesce: at most one load runs and one more waits.
   */
  load(): Promise<void>;
  /** Notes what the state poll saw. If the data in memory is older, it stays unconfirmed until a load succeeds. */
  confirm(seen: SeenAccess): void;
  /** Whether the data in memory is what the database had at this monotonic time, or newer. */
  isConfirmedSince(monotonicMs: number): boolean;
  /** False while reading throws `directory_stale`. */
  isFresh(): boolean;
  /** Milliseconds since the data in memory was last known to be the database's. */
  ageMs(): number;
  /**
   * Loads unless the data in memory has this version or a later one, so that no token issued afterwards carries a
   * removed permission, even before the next poll. It loads over the given transaction, or waits for another
   * transaction that is loading: waiting for one more connection here could exhaust the pool.
   */
  atLeast(version: number, tx: Sql): Promise<void>;
  /** A client document was read again and is unchanged: extends its validity without a load. */
  documentRead(clientId: string, documentUntilMs: number): void;
  client(clientId: string): Client | undefined;
  /**
   * The client with this current or previous (still accepted) secret. Null for an unknown, disabled or public client and
   * for a wrong secret. Every case costs one hash and two comparisons.
   */
  authenticateClient(clientId: string, secret: string): Client | null;
  /**
   * The user's roles that apply at this assurance level: roles that require a second factor apply only at `aal2`,
   * regardless of when and how they were granted.
   */
  rolesAt(roles: readonly string[], acr: string | null | undefined): readonly string[];
  /** The installation's permissions of these roles; unknown roles and roles of applications have none. */
  permissionsOf(roles: readonly string[]): ReadonlySet<string>;
  /** Every permission of the installation, without those of applications. */
  permissions(): ReadonlySet<string>;
  /** Every role, including roles without permissions and roles of applications. */
  roles(): ReadonlySet<string>;
  /** The application whose audience this is; undefined for the audience of the installation, and for any other. */
  application(audience: string): Application | undefined;
  applications(): readonly Application[];
  /** Permissions, own scopes and the scopes of the first-party client, sorted, to publish them. Also while the directory is stale. */
  publishedScopes(): readonly string[];
  /** Types of authorization details, sorted, to publish them. Also while the directory is stale. */
  publishedDetailTypes(): readonly string[];
  /** Whether any client may have this scope: a published one, one that a client is registered for, a permission of an application. */
  isScope(name: string): boolean;
};

export type HasAccess = { readonly access: AccessDirectory };

const HASH_BYTES = 32;
const ROLE_SETS_KEPT = 1_000;

/** The format in which `oauth_clients` stores a client secret: SHA-256, base64url. A random secret needs no slow hash. */
export const clientSecretHash = (secret: string): string => hash('sha256', secret, 'base64url');

function digestOf(stored: string | null): Buffer | null {
  const digest = Buffer.from(stored ?? '', 'base64url');
  return digest.length === HASH_BYTES ? digest : null;
}

function clientOf(row: ClientRow): Client {
  const {
    secret_hash: stored,
    previous_secret_hash: previous,
    previous_until_ms: previousUntilMs,
    agent_owner_id: agentOwnerId,
    agent_until_ms: agentUntilMs,
    ...rest
  } = row;
  const previousHash = digestOf(previous);
  return {
    ...rest,
    secretHash: digestOf(stored),
    previousSecret:
      previousHash === null || previousUntilMs === null ? null : { hash: previousHash, untilMs: previousUntilMs },
    agent: agentOwnerId === null ? null : { ownerId: agentOwnerId, untilMs: agentUntilMs as number },
  };
}

type UnvettedRules = Pick<ClientSettings, 'readsDocuments' | 'scopes' | 'audiences'>;

/**
 * An unvetted client, limited to the current settings, whatever they were when it registered: undefined if it comes
 * from a document and documents are off, and never with a scope that names a
 * permission, or with authorization details.
 */
function limitUnvetted(client: Client, rules: UnvettedRules, permissions: ReadonlySet<string>): Client | undefined {
  if (client.origin === 'admin') return client;
  if (client.origin === 'document' && !rules.readsDocuments) return undefined;
  return {
    ...client,
    scopes: client.scopes.filter((scope) => rules.scopes.includes(scope) && !permissions.has(scope)),
    audiences: client.audiences.filter((audience) => rules.audiences.includes(audience)),
    authorization_details_types: [],
  };
}

/**
 * The console's client as this installation has it: its address, and every permission as a scope; disabled without a
 * console. What the row in the database cannot know.
 */
const consoleAs = (client: Client, redirectUri: string | undefined, permissions: ReadonlySet<string>): Client =>
  redirectUri === undefined
    ? { ...client, disabled: true }
    : { ...client, redirect_uris: [redirectUri], scopes: [...client.scopes, ...permissions] };

type Loaded = {
  readonly version: number;
  readonly clients: Map<string, Client>;
  readonly permissions: ReadonlySet<string>;
  readonly scopes: ReadonlySet<string>;
  readonly roles: ReadonlySet<string>;
  readonly byRole: ReadonlyMap<string, readonly string[]>;
  readonly applications: ReadonlyMap<string, Application>;
};

type DirectoryRules = {
  readonly secondFactorRoles?: readonly string[];
  readonly unvetted?: UnvettedRules;
  /** Audiences of the installation: an application that names one gets no tokens with its permissions. */
  readonly ownAudiences?: readonly string[];
  /** Where the console's users return to after the sign-in; undefined where no console is served. */
  readonly consoleRedirectUri?: string | undefined;
  /** Without it the directory is never stale: for a program that loads it immediately before it decides. */
  readonly stalenessBoundMs?: number;
  /** The error of reading past the bound, where the process knows more of its cause. */
  readonly whyStale?: () => Error;
};

const nothingLoaded = (): Loaded => ({
  version: -1,
  clients: new Map(),
  permissions: new Set(),
  scopes: new Set(OWN_SCOPES),
  roles: new Set(),
  byRole: new Map(),
  applications: new Map(),
});

/** Reads everything, and the version that it has at least. */
async function readDirectory(
  sql: Sql,
  {
    unvetted,
    ownAudiences,
    consoleRedirectUri,
  }: Required<Pick<DirectoryRules, 'unvetted' | 'ownAudiences'>> & Pick<DirectoryRules, 'consoleRedirectUri'>,
): Promise<{ readonly state: AccessState; readonly read: Loaded }> {
  // First: what is read after it may be newer than this version, and never older.
  const state = await readAccessState(sql);
  // Sequential, because a transaction has one connection.
  const clients = await readClients(sql);
  const permissions = await readPermissions(sql);
  const roles = await readRoles(sql);
  const rolePermissions = await readRolePermissions(sql);
  const applications = await readApplications(sql);
  const known = new Set(permissions.map(({ name }) => name));
  const allowed = clients.map((row) => limitUnvetted(clientOf(row), unvetted, known));
  const ofInstallation = new Set(permissions.filter(({ application }) => application === null).map(({ name }) => name));
  const clientsAllowed = allowed
    .filter((client) => client !== undefined)
    .map((client) =>
      client.clientId === CONSOLE_CLIENT_ID ? consoleAs(client, consoleRedirectUri, ofInstallation) : client,
    );
  const byRole = groupByRole(rolePermissions);
  const declared = applicationsOf({ applications, permissions, byRole });
  const read = {
    version: state.version,
    clients: new Map(clientsAllowed.map((client) => [client.clientId, client])),
    permissions: ofInstallation,
    scopes: new Set([
      ...OWN_SCOPES,
      ...known,
      ...clientsAllowed.flatMap((client) => [...client.scopes, ...client.credential_scopes]),
    ]),
    roles: new Set(roles),
    byRole: new Map([...byRole].filter(([role]) => !isApplicationRole(role))),
    applications: new Map(
      declared.filter(({ audience }) => !ownAudiences.includes(audience)).map((each) => [each.audience, each]),
    ),
  };
  return { state, read };
}

export function createAccessDirectory(
  ports: Pick<Ports, 'sql' | 'clock'>,
  {
    secondFactorRoles = [],
    unvetted = { readsDocuments: false, scopes: [], audiences: [] },
    ownAudiences = [],
    consoleRedirectUri,
    stalenessBoundMs = Number.POSITIVE_INFINITY,
    whyStale = () => directoryStale({ retryAfterSeconds: 1 }),
  }: DirectoryRules = {},
): AccessDirectory {
  const { clock } = ports;
  const needSecondFactor = new Set(secondFactorRoles);
  // Compared with the secret of an unknown client; no secret hashes to it.
  const dummy = randomBytes(HASH_BYTES);
  const noPreviousSecret = { hash: dummy, untilMs: 0 };
  let loaded = nothingLoaded();
  let byRoles = new Map<string, ReadonlySet<string>>();
  let loadsBegun = 0;
  let loadShown = 0;
  let committed: AccessState = { incarnation: '', version: -1 };
  let confirmedAtMs = Number.NEGATIVE_INFINITY;

  const ageMs = (): number => clock.monotonic() - confirmedAtMs;
  const isFresh = (): boolean => ageMs() <= stalenessBoundMs;
  /** For every decision. */
  const fresh = (): Loaded => {
    if (!isFresh()) throw whyStale();
    return loaded;
  };
  const clientNow = (clientId: string): Client | undefined => {
    const client = fresh().clients.get(clientId);
    const isExpired = client?.agent != null && clock.now() >= client.agent.untilMs;
    return isExpired ? { ...client, disabled: true } : client;
  };

  async function loadWith(sql: Sql): Promise<AccessState> {
    loadsBegun += 1;
    const thisLoad = loadsBegun;
    const { state, read } = await readDirectory(sql, { unvetted, ownAudiences, consoleRedirectUri });
    // A slower load must not overwrite one that began after it.
    if (thisLoad < loadShown) return state;
    loadShown = thisLoad;
    loaded = read;
    byRoles = new Map();
    return state;
  }

  const load = coalesceRuns(async () => {
    const sentAtMs = clock.monotonic();
    committed = await loadWith(ports.sql);
    confirmedAtMs = Math.max(confirmedAtMs, sentAtMs);
  });
  let inTransaction: Promise<unknown> | undefined;

  return {
    load,
    async atLeast(version, tx) {
      // One of the waiting transactions loads, over its connection; if that transaction fails, the next one loads.
      while (loaded.version < version && inTransaction !== undefined) await inTransaction.catch(() => {});
      if (loaded.version >= version) return;
      inTransaction = loadWith(tx).finally(() => {
        inTransaction = undefined;
      });
      await inTransaction;
    },
    documentRead(clientId, documentUntilMs) {
      const client = loaded.clients.get(clientId);
      if (client !== undefined) loaded.clients.set(clientId, { ...client, document_until_ms: documentUntilMs });
    },
    confirm({ incarnation, accessVersion, sentAtMs }) {
      // A load by `atLeast` does not count: its transaction reads changes of its own, which may never be committed.
      const isCurrent = committed.incarnation === incarnation && committed.version >= accessVersion;
      if (isCurrent) confirmedAtMs = Math.max(confirmedAtMs, sentAtMs);
    },
    isConfirmedSince: (monotonicMs) => confirmedAtMs >= monotonicMs,
    isFresh,
    ageMs,
    client: clientNow,
    authenticateClient(clientId, secret) {
      const client = clientNow(clientId);
      const presented = hash('sha256', secret, 'buffer');
      const previous = client?.previousSecret ?? noPreviousSecret;
      const isCurrent = timingSafeEqual(presented, client?.secretHash ?? dummy);
      const isPrevious = timingSafeEqual(presented, previous.hash);
      if (client === undefined || client.secretHash === null || client.disabled) return null;
      return isCurrent || (isPrevious && clock.now() < previous.untilMs) ? client : null;
    },
    rolesAt: (roles, acr) =>
      acr === 'aal2' || needSecondFactor.size === 0 ? roles : roles.filter((role) => !needSecondFactor.has(role)),
    permissionsOf(roles) {
      const { byRole } = fresh();
      // JSON keeps the keys of different lists distinct, whatever the role names contain.
      const name = JSON.stringify(roles);
      const known = byRoles.get(name);
      if (known) return known;
      const made = new Set(roles.flatMap((role) => byRole.get(role) ?? []));
      if (byRoles.size < ROLE_SETS_KEPT) byRoles.set(name, made);
      return made;
    },
    permissions: () => fresh().permissions,
    roles: () => fresh().roles,
    application: (of) => fresh().applications.get(of),
    applications: () => [...fresh().applications.values()],
    isScope: (name) => fresh().scopes.has(name),
    publishedScopes() {
      const { clients, permissions } = loaded;
      const identity = clients.get(FIRST_PARTY_CLIENT_ID)?.scopes ?? [];
      return [...new Set([...identity, ...OWN_SCOPES, ...permissions])].sort();
    },
    publishedDetailTypes: () =>
      [...loaded.applications.values()].flatMap(({ detailTypes }) => [...detailTypes.keys()]).sort(),
  };
}

/** Runs `work` one at a time: calls during a run share one next run, which begins after those calls. */
function coalesceRuns(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;
  const run = (): Promise<void> => {
    waiting = undefined;
    running = work().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (running === undefined) return waiting ?? run();
    waiting ??= running.then(run, run);
    return waiting;
  };
}

function groupByRole(rows: readonly { readonly role: string; readonly permission: string }[]): Map<string, string[]> {
  const byRole = new Map<string, string[]>();
  for (const { role, permission } of rows) byRole.set(role, [...(byRole.get(role) ?? []), permission]);
  return byRole;
}
