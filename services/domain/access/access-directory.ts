import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ClientSettings } from '#services/platform/config/clients.ts';
import type { Ports, Sql } from '../ports.ts';
import {
  type ClientOrigin,
  type ClientRow,
  readAccessVersion,
  readClients,
  readPermissions,
  readRolePermissions,
  readRoles,
} from './access.store.ts';

/** Our own pages and apps: a public client that may use nothing but refresh. Its row comes with the migrations. */
export const FIRST_PARTY_CLIENT_ID = 'sallyport';

export type { ClientOrigin };

export type Client = {
  readonly clientId: string;
  /** SHA-256 of the secret; null for a public client. */
  readonly secretHash: Buffer | null;
  readonly disabled: boolean;
  readonly scopes: readonly string[];
  readonly grantTypes: readonly string[];
  /** What a token by client credentials may carry; those that name permissions are its permissions. */
  readonly credentialScopes: readonly string[];
  readonly tokenEpoch: number;
  /** RFC 7591 §2: `client_secret_basic`, `client_secret_post`, `none`. */
  readonly authMethod: string;
  /** RFC 9449 §5.2: every token of it is bound to a key. */
  readonly dpopBound: boolean;
  /** RFC 8705 §3.4: every token of it is bound to a certificate. */
  readonly certificateBound: boolean;
  /** RFC 9126 §6: authorization requests of it come pushed, or not at all. */
  readonly pushesRequests: boolean;
  /** Shown to users; its id where it has none. */
  readonly name: string;
  readonly redirectUris: readonly string[];
  /** Where it may have people sent back to once they have signed out. */
  readonly postLogoutRedirectUris: readonly string[];
  /** Of our own house: nobody is asked. */
  readonly skipConsent: boolean;
  /** Whom its tokens may be for beside the installation itself; `*`: anybody. */
  readonly audiences: readonly string[];
  readonly origin: ClientOrigin;
  /** When the document it was read from is to be read again, Unix milliseconds. */
  readonly documentUntilMs: number | null;
  /** SHA-256 of the secret before, while that is good. */
  readonly previousSecret: { readonly hash: Buffer; readonly untilMs: number } | null;
};

/** Clients, roles and permissions, in memory. Nothing but `load` does I/O. */
export type AccessDirectory = {
  /**
   * Reads everything from Postgres; called at start and when `access_version` moves. What is shown after was read after
   * the call; however many call, one load is under way and one waits.
   */
  load(): Promise<void>;
  /**
   * Loads unless what is held is of this version or later: a right taken away is in no token made after, whether or not
   * the poll has told. It loads over the transaction that it is given, or waits for another transaction that is loading:
   waiting there for one more connection could exhaust the pool.
   */
  atLeast(version: number, tx: Sql): Promise<void>;
  /** A document was read again and says what it said before: no reason to load. */
  documentRead(clientId: string, documentUntilMs: number): void;
  /** The state poll saw this version. False: call `load`. */
  confirm(version: number): boolean;
  client(clientId: string): Client | undefined;
  /**
   * The client this secret belongs to, or belonged to until lately; null for an unknown client, a wrong secret, a
   * disabled or a public client. All of them cost one hash and two comparisons.
   */
  authenticateClient(clientId: string, secret: string): Client | null;
  /**
   * Of a user's roles those that count in a login of this assurance: roles that ask for a second factor count at `aal2`
   * alone, whenever and however they were given.
   */
  rolesAt(roles: readonly string[], acr: string | null | undefined): readonly string[];
  /** Every permission of these roles; unknown roles give none. */
  permissionsOf(roles: readonly string[]): ReadonlySet<string>;
  /** Every permission there is. */
  permissions(): ReadonlySet<string>;
  /** Every role there is, whether or not it gives anything. */
  roles(): ReadonlySet<string>;
};

export type HasAccess = { readonly access: AccessDirectory };

const HASH_BYTES = 32;
const ROLE_SETS_KEPT = 1_000;

/** As the OAuth provider's table stores a client secret: SHA-256, base64url. A random secret needs no slow hash. */
export const clientSecretHash = (secret: string): string => hash('sha256', secret, 'base64url');

function digestOf(stored: string | null): Buffer | null {
  const digest = Buffer.from(stored ?? '', 'base64url');
  return digest.length === HASH_BYTES ? digest : null;
}

function clientOf(row: ClientRow): Client {
  const { clientSecret, authMethod, previousSecret, previousUntilMs, ...rest } = row;
  const secretHash = digestOf(clientSecret);
  const previousHash = digestOf(previousSecret);
  return {
    ...rest,
    secretHash,
    authMethod: authMethod ?? (secretHash ? 'client_secret_basic' : 'none'),
    previousSecret:
      previousHash === null || previousUntilMs === null ? null : { hash: previousHash, untilMs: previousUntilMs },
  };
}

type UnvettedRules = Pick<ClientSettings, 'readsDocuments' | 'scopes' | 'audiences'>;

/**
 * What is left of a client that nobody looked at under the settings of now, whatever they were when it came: nothing of
 * a document where none is read, and never a scope that is a permission.
 */
function underRules(client: Client, rules: UnvettedRules, permissions: ReadonlySet<string>): Client | undefined {
  if (client.origin === 'admin') return client;
  if (client.origin === 'document' && !rules.readsDocuments) return undefined;
  return {
    ...client,
    scopes: client.scopes.filter((scope) => rules.scopes.includes(scope) && !permissions.has(scope)),
    audiences: client.audiences.filter((audience) => rules.audiences.includes(audience)),
  };
}

type Loaded = {
  readonly version: number;
  readonly clients: Map<string, Client>;
  readonly permissions: ReadonlySet<string>;
  readonly roles: ReadonlySet<string>;
  readonly byRole: ReadonlyMap<string, readonly string[]>;
};

export function createAccessDirectory(
  ports: Pick<Ports, 'sql' | 'clock'>,
  {
    secondFactorRoles = [],
    unvetted = { readsDocuments: false, scopes: [], audiences: [] },
  }: { readonly secondFactorRoles?: readonly string[]; readonly unvetted?: UnvettedRules } = {},
): AccessDirectory {
  const needSecondFactor = new Set(secondFactorRoles);
  // No secret hashes to it: what an unknown client is compared with.
  const dummy = randomBytes(HASH_BYTES);
  const never = { hash: dummy, untilMs: 0 };
  let loaded: Loaded = { version: -1, clients: new Map(), permissions: new Set(), roles: new Set(), byRole: new Map() };
  let byRoles = new Map<string, ReadonlySet<string>>();
  let loadsBegun = 0;
  let loadShown = 0;

  async function loadWith(sql: Sql): Promise<void> {
    loadsBegun += 1;
    const thisLoad = loadsBegun;
    const version = await readAccessVersion(sql);
    // One after the other: a transaction is one connection.
    const clients = await readClients(sql);
    const permissions = await readPermissions(sql);
    const roles = await readRoles(sql);
    const rolePermissions = await readRolePermissions(sql);
    // A slower load must not undo one begun after it.
    if (thisLoad < loadShown) return;
    loadShown = thisLoad;
    const known = new Set(permissions);
    const allowed = clients.map((row) => underRules(clientOf(row), unvetted, known));
    loaded = {
      version,
      clients: new Map(allowed.filter((client) => client !== undefined).map((client) => [client.clientId, client])),
      permissions: known,
      roles: new Set(roles),
      byRole: groupByRole(rolePermissions),
    };
    byRoles = new Map();
  }

  const load = oneAndOneWaiting(() => loadWith(ports.sql));
  let inTransaction: Promise<void> | undefined;

  return {
    load,
    async atLeast(version, tx) {
      // Of others that wait here one loads, over a connection that it has; where its transaction fails, the next does.
      while (loaded.version < version && inTransaction !== undefined) await inTransaction.catch(() => {});
      if (loaded.version >= version) return;
      inTransaction = loadWith(tx).finally(() => {
        inTransaction = undefined;
      });
      await inTransaction;
    },
    documentRead(clientId, documentUntilMs) {
      const client = loaded.clients.get(clientId);
      if (client !== undefined) loaded.clients.set(clientId, { ...client, documentUntilMs });
    },
    confirm: (version) => loaded.version === version,
    client: (clientId) => loaded.clients.get(clientId),
    authenticateClient(clientId, secret) {
      const client = loaded.clients.get(clientId);
      const presented = hash('sha256', secret, 'buffer');
      const previous = client?.previousSecret ?? never;
      const isCurrent = timingSafeEqual(presented, client?.secretHash ?? dummy);
      const isPrevious = timingSafeEqual(presented, previous.hash);
      if (client === undefined || client.secretHash === null || client.disabled) return null;
      return isCurrent || (isPrevious && ports.clock.now() < previous.untilMs) ? client : null;
    },
    rolesAt: (roles, acr) =>
      acr === 'aal2' || needSecondFactor.size === 0 ? roles : roles.filter((role) => !needSecondFactor.has(role)),
    permissionsOf(roles) {
      // No two lists have one name, whatever the roles are called.
      const name = JSON.stringify(roles);
      const known = byRoles.get(name);
      if (known) return known;
      const made = new Set(roles.flatMap((role) => loaded.byRole.get(role) ?? []));
      if (byRoles.size < ROLE_SETS_KEPT) byRoles.set(name, made);
      return made;
    },
    permissions: () => loaded.permissions,
    roles: () => loaded.roles,
  };
}

/** Work that runs once at a time: who asks meanwhile shares the run after, which begins after they asked. */
function oneAndOneWaiting(work: () => Promise<void>): () => Promise<void> {
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
