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

/** How long after its time a document counts still, while there is no place to read it again. */
const OVERDUE_MS = 3_600_000;
/** Of one host, and of one user within a day: nobody takes all the room there is, whatever names they have. */
const PER_HOST_MAX = 20;
const PER_USER_AND_DAY_MAX = 20;

const refusedStep = (host: string, why: string): AuthorizeStep => ({
  kind: 'page-error',
  why: `The application at ${host} cannot be let in: of its description, ${why}`,
});

/** Its own address where a request names one client, which is a document that is to be read now; else undefined. */
function addressIn({ access, clientSettings, clock }: DocumentClientPorts, query: string): string | undefined {
  if (!clientSettings.readsDocuments) return undefined;
  const [clientId = '', ...others] = new URLSearchParams(query).getAll('client_id');
  if (others.length > 0 || !isClientDocumentUrl(clientId, clientSettings.documentsPrivate)) return undefined;
  const known = access.client(clientId);
  return known === undefined || isStale(known, clock.now()) ? clientId : undefined;
}

// The table lets in no document without its time.
const isStale = ({ origin, disabled, documentUntilMs }: Client, nowMs: number): boolean =>
  origin === 'document' && !disabled && (documentUntilMs as number) <= nowMs;

/**
 * Before an authorization request is looked at: a client whose id is the address of its metadata document is read from
 * there, and kept as a client like others. Only for somebody who is signed in: nobody else has us fetch anything.
 * @returns what the browser is shown instead; null to go on
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
    // One that is known can be told that nobody is signed in, or that this request will not do.
    if (ports.access.client(url) !== undefined || new URLSearchParams(query).get('prompt') === 'none') return null;
    return loginStep(ports, query);
  }
  const { host } = new URL(url);
  const document = await ports.clientDocuments.read(url, live.user.id);
  if (document.kind === 'busy') {
    const lasts = (ports.access.client(url)?.documentUntilMs ?? 0) + OVERDUE_MS;
    return ports.clock.now() < lasts ? null : refusedStep(host, 'too many are being read at this moment');
  }
  if (document.kind === 'refused') return refusedStep(host, document.why);
  const kept = await keep(ports, url, document, { caller: sessionCallerOf(live, ports, caller), userId: live.user.id });
  if (kept === 'full') return refusedStep(host, 'there is no more room here.');
  return kept === 'enough' ? refusedStep(host, 'you are the first to need too many within a day.') : null;
}

type Kept = 'full' | 'enough' | 'same' | 'changed';

/**
 * Whether there is room for a client that is new; makes some where nobody uses another. Links of another page lead a
 * person to any number of new ones without their will: only those that are used count to the end of the day.
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
    // What is new, nobody has agreed to.
    const adds =
      metadata.scopes.some((scope) => !before.scopes.includes(scope)) ||
      metadata.redirectUris.some((uri) => !before.redirectUris.includes(uri));
    if (adds) await endConsentsTo(tx, clientId);
    return (await updateDocumentClient(tx, client)) ? 'changed' : 'same';
  });
  // One that says what it said before is news for this copy alone: the others read it when they need it.
  if (kept === 'same') {
    // Where another copy has kept it a moment ago, this one does not have it yet.
    if (ports.access.client(clientId) === undefined) await ports.access.load();
    ports.access.documentRead(clientId, client.documentUntilMs);
  }
  if (kept === 'changed') await ports.accessChanged();
  return kept;
}
