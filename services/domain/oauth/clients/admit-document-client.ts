import type { HasAccessChanged } from '#services/domain/access/access-changed.ts';
import type { Client } from '#services/domain/access/access-directory.ts';
import type { HasClientSettings } from '#services/domain/access/client-settings.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { sessionCallerOf } from '#services/domain/identity/sessions/open-session.ts';
import { findByCookie } from '#services/domain/identity/sessions/read-session.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { assertMayIssue } from '#services/domain/tokens/revocations/revocation-set.ts';
import { type AuthorizeInput, type AuthorizePorts, loginStep } from '../authorize/admit-authorization.ts';
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

export type DocumentClientPorts = AuthorizePorts & HasAccessChanged & HasClientDocuments & HasClientSettings;

/** How long an expired document is still used while no fetch slot is free. */
const OVERDUE_MS = 3_600_000;
/** Limits per host, and per user and day, so that neither can use up all document clients. */
const PER_HOST_MAX = 20;
const PER_USER_AND_DAY_MAX = 20;

const refusedStep = (host: string, why: string): AuthorizeStep => ({
  kind: 'page-error',
  why: `The application at ${host} cannot be admitted. Its description: ${why}`,
});

/** The document URL if the request names exactly one client and its document must be read now; else undefined. */
function addressIn({ access, clientSettings, clock }: DocumentClientPorts, query: string): string | undefined {
  if (!clientSettings.readsDocuments) return undefined;
  const [clientId = '', ...others] = new URLSearchParams(query).getAll('client_id');
  if (others.length > 0 || !isClientDocumentUrl(clientId, clientSettings.documentsPrivate)) return undefined;
  const known = access.client(clientId);
  return known === undefined || isStale(known, clock.now()) ? clientId : undefined;
}

// A table constraint guarantees documentUntilMs for documents.
const isStale = ({ origin, disabled, documentUntilMs }: Client, nowMs: number): boolean =>
  origin === 'document' && !disabled && (documentUntilMs as number) <= nowMs;

/**
 * Runs before an authorization request: if the client id is the URL of a metadata document, fetches the document and
 * stores the client like any other. Only for signed-in users, so that anonymous requests cause no fetch.
 * @returns the page to show instead; null to continue
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function admitDocumentClient(
  ports: DocumentClientPorts,
  { query, cookie }: AuthorizeInput,
  caller: Caller,
): Promise<AuthorizeStep | null> {
  const url = addressIn(ports, query);
  if (url === undefined) return null;
  assertMayIssue(ports.revocations);
  const live = await findByCookie(ports, cookie);
  if (live === null) {
    // A known client, or prompt=none, gets its error from the authorization itself.
    if (ports.access.client(url) !== undefined || new URLSearchParams(query).get('prompt') === 'none') return null;
    return loginStep(ports, query);
  }
  const { host } = new URL(url);
  const document = await ports.clientDocuments.read(url, live.user.id);
  if (document.kind === 'busy') {
    const lasts = (ports.access.client(url)?.documentUntilMs ?? 0) + OVERDUE_MS;
    return ports.clock.now() < lasts ? null : refusedStep(host, 'too many are being read at the moment');
  }
  if (document.kind === 'refused') return refusedStep(host, document.why);
  const kept = await keep(ports, url, document, { caller: sessionCallerOf(live, ports, caller), userId: live.user.id });
  if (kept === 'full') return refusedStep(host, 'there is no more room here.');
  return kept === 'enough' ? refusedStep(host, 'you have used too many new applications within a day.') : null;
}

type Kept = 'full' | 'enough' | 'same' | 'changed';

/**
 * Checks the limits for a new client, and evicts an unused one if necessary. Links on another site can lead a user to any
 * number of new clients, so only used ones count towards the daily limit.
 */
async function roomFor(tx: Tx, clientId: string, userId: string): Promise<'full' | 'enough' | null> {
  if ((await countDocumentsBy(tx, userId)) >= PER_USER_AND_DAY_MAX && !(await evictDocumentClientOf(tx, userId)))
    return 'enough';
  if ((await countDocumentsOf(tx, new URL(clientId).hostname)) >= PER_HOST_MAX) return 'full';
  const isFull = (await countUnvettedClients(tx, 'document', UNVETTED_CLIENTS_MAX)) >= UNVETTED_CLIENTS_MAX;
  return isFull && !(await evictDocumentClient(tx)) ? 'full' : null;
}

async function keep(
  ports: DocumentClientPorts,
  clientId: string,
  { metadata, lifeSeconds }: Extract<ReadDocument, { kind: 'client' }>,
  { caller, userId }: { readonly caller: Caller; readonly userId: string },
): Promise<Kept> {
  const client = {
    clientId,
    name: metadata.name ?? new URL(clientId).host,
    metadata,
    audiences: ports.clientSettings.audiences,
    documentUntilMs: ports.clock.now() + lifeSeconds * 1_000,
  };
  const kept = await ports.transact(async (tx): Promise<Kept> => {
    await setAuditContext(tx, caller, 'client_document_read');
    const before = await lockDocumentClient(tx, clientId);
    if (before === undefined) {
      const refusal = await roomFor(tx, clientId, userId);
      if (refusal !== null) return refusal;
      const made = { ...client, id: ports.random.uuid(), secretHash: null, userId };
      await insertUnvettedClient(tx, { ...made, origin: 'document' });
      return 'changed';
    }
    // Users have not consented to additions.
    const adds =
      metadata.scopes.some((scope) => !before.scopes.includes(scope)) ||
      metadata.redirectUris.some((uri) => !before.redirectUris.includes(uri));
    if (adds) await endConsentsTo(tx, clientId);
    return (await updateDocumentClient(tx, client)) ? 'changed' : 'same';
  });
  // An unchanged document only updates this copy: the others read it when they need it.
  if (kept === 'same') {
    // Another copy may have stored it a moment ago, before this copy loaded it.
    if (ports.access.client(clientId) === undefined) await ports.access.load();
    ports.access.documentRead(clientId, client.documentUntilMs);
  }
  if (kept === 'changed') await ports.accessChanged();
  return kept;
}
