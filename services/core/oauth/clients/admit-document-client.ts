import type { HasAccessChanged } from '#services/core/access/access-changed.ts';
import type { Client } from '#services/core/access/access-directory.ts';
import type { HasClientSettings } from '#services/core/access/client-settings.ts';
import { unsignedAlgorithm } from '#services/core/access/signed-algorithms.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { sessionCallerOf } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { type AuthorizeInput, type AuthorizePorts, signInStep } from '../authorize/admit-authorization.ts';
import type { AuthorizeStep } from '../authorize/authorize-step.ts';
import { endConsentsTo } from '../consents/consents.store.ts';
import { isClientDocumentUrl } from './client-document.ts';
import type { HasClientDocuments, ReadDocument } from './read-client-document.ts';
import { UNVETTED_CLIENTS_MAX } from './self-register-client.ts';
import {
  countDocumentsBy,
  countDocumentsOf,
  countUnvettedClients,
  evictDocumentClient,
  evictDocumentClientOf,
  insertUnvettedClient,
  lockDocumentClient,
  updateDocumentClient,
} from './unvetted-clients.store.ts';

export type DocumentClientPorts = AuthorizePorts &
  HasAccessChanged &
  HasClientDocuments &
  HasClientSettings & { readonly keyRing: Pick<KeyRing, 'signedAlgorithms'> };

/** An expired document remains in use for this long if too many others are being fetched to fetch it again. */
const OVERDUE_MS = 3_600_000;
/** Limits per host, and per user and day, so that neither can use up all document clients. */
const PER_HOST_MAX = 20;
const PER_USER_AND_DAY_MAX = 20;

const refusedStep = (host: string, why: string): AuthorizeStep => ({
  kind: 'page-error',
  why: `The application at ${host} cannot be used. ${why}`,
});
const TOO_MANY_FETCHES = 'Too many metadata documents are being fetched now. Try again in a minute.';
const LIMIT_REACHED = 'The limit on new applications is reached. Try again later.';
const DAILY_LIMIT_REACHED = 'You have used too many new applications within a day. Try again tomorrow.';

/**
 * Returns the document URL if the request names exactly one client and its document must be fetched; else undefined.
 */
function documentUrlIn({ access, clientSettings, clock }: DocumentClientPorts, query: string): string | undefined {
  if (!clientSettings.readsDocuments) return undefined;
  const [clientId = '', ...others] = new URLSearchParams(query).getAll('client_id');
  if (others.length > 0 || !isClientDocumentUrl(clientId, clientSettings.documentsPrivate)) return undefined;
  const known = access.client(clientId);
  return known === undefined || isStale(known, clock.now()) ? clientId : undefined;
}

// A table constraint guarantees that a client from a document has documentUntilMs.
const isStale = (row: Client, nowMs: number): boolean =>
  row.origin === 'document' && !row.disabled && (row.document_until_ms as number) <= nowMs;

/**
 * Runs before an authorization request: if the client id is the URL of a metadata document, fetches the document and
 * stores the client. Fetches only for a signed-in user, so that anonymous requests cause no fetch.
 * @returns the page to show instead of the authorization; null to continue
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function admitDocumentClient(
  ports: DocumentClientPorts,
  { query, cookie }: AuthorizeInput,
  caller: Caller,
): Promise<AuthorizeStep | null> {
  const url = documentUrlIn(ports, query);
  if (url === undefined) return null;
  assertMayIssue(ports.revocations);
  const live = await findByCookie(ports, cookie);
  if (live === null) {
    // The authorization handles a known client, and answers prompt=none with an error.
    if (ports.access.client(url) !== undefined || new URLSearchParams(query).get('prompt') === 'none') return null;
    return signInStep(ports, query);
  }
  const { host } = new URL(url);
  const document = await ports.clientDocuments.read(url, live.user.id);
  if (document.kind === 'busy') {
    const usableUntilMs = (ports.access.client(url)?.document_until_ms ?? 0) + OVERDUE_MS;
    return ports.clock.now() < usableUntilMs ? null : refusedStep(host, TOO_MANY_FETCHES);
  }
  if (document.kind === 'refused') return refusedStep(host, `Its metadata document was refused: ${document.why}`);
  const unsigned = unsignedAlgorithm(document.metadata, ports.keyRing.signedAlgorithms());
  if (unsigned !== undefined) return refusedStep(host, `Its metadata document was refused: ${unsigned}`);
  const stored = await store(ports, url, document, {
    caller: sessionCallerOf(live, ports, caller),
    userId: live.user.id,
  });
  if (stored === 'full') return refusedStep(host, LIMIT_REACHED);
  return stored === 'user-full' ? refusedStep(host, DAILY_LIMIT_REACHED) : null;
}

type Stored = 'full' | 'user-full' | 'same' | 'changed';

/**
 * Checks the limits for a new client, and evicts an unused one if necessary; returns the limit that is reached, or
 * null. Links on another site can lead a user to any number of new clients, so a user at the daily limit is refused
 * only if all of those clients are in use.
 */
async function limitReached(tx: Tx, clientId: string, userId: string): Promise<'full' | 'user-full' | null> {
  if ((await countDocumentsBy(tx, userId)) >= PER_USER_AND_DAY_MAX && !(await evictDocumentClientOf(tx, userId)))
    return 'user-full';
  if ((await countDocumentsOf(tx, new URL(clientId).hostname)) >= PER_HOST_MAX) return 'full';
  const isFull = (await countUnvettedClients(tx, 'document', UNVETTED_CLIENTS_MAX)) >= UNVETTED_CLIENTS_MAX;
  return isFull && !(await evictDocumentClient(tx)) ? 'full' : null;
}

async function store(
  ports: DocumentClientPorts,
  clientId: string,
  { metadata, lifeSeconds }: Extract<ReadDocument, { kind: 'client' }>,
  { caller, userId }: { readonly caller: Caller; readonly userId: string },
): Promise<Stored> {
  const client = {
    clientId,
    name: metadata.name ?? new URL(clientId).host,
    metadata,
    audiences: ports.clientSettings.audiences,
    documentUntilMs: ports.clock.now() + lifeSeconds * 1_000,
  };
  const stored = await ports.transact(async (tx): Promise<Stored> => {
    await setAuditContext(tx, caller, 'client_document_read');
    const before = await lockDocumentClient(tx, clientId);
    if (before === undefined) {
      const reached = await limitReached(tx, clientId, userId);
      if (reached !== null) return reached;
      const made = { ...client, id: ports.random.uuid(), secretHash: null, userId };
      await insertUnvettedClient(tx, { ...made, origin: 'document' });
      tx.afterCommit(ports.accessChanged);
      return 'changed';
    }
    // Users have not consented to added scopes or redirect URIs.
    const adds = (['scopes', 'redirect_uris', 'post_logout_redirect_uris'] as const).some((member) =>
      metadata[member].some((value) => !before[member].includes(value)),
    );
    if (adds) await endConsentsTo(tx, clientId);
    if (!(await updateDocumentClient(tx, client))) return 'same';
    tx.afterCommit(ports.accessChanged);
    return 'changed';
  });
  // An unchanged document updates only this copy; other copies fetch it when they need it.
  if (stored === 'same') {
    // Another copy may have stored the client a moment ago, and this copy has not loaded it yet.
    if (ports.access.client(clientId) === undefined) await ports.access.load();
    ports.access.documentRead(clientId, client.documentUntilMs);
  }
  return stored;
}
