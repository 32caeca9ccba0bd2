import type { AppError } from '#services/platform/define/error.ts';
import { type ClientMetadata, readClientMetadata } from './client-metadata.ts';

/** Maximum length of any client id. */
const LONGEST = 255;
const LIFE_SECONDS = { min: 300, default: 3_600, max: 86_400 } as const;

/**
 * Whether a client id is the URL of a metadata document (draft-ietf-oauth-client-id-metadata-document §3): https, with
 * a path, without fragment, query, user part, dot segments or a final dot of the host. It must be in the form to which
 * browsers normalise it, so that one client has one id.
 * @param allowsPlain whether http is allowed too, for development
 */
export function isClientDocumentUrl(clientId: string, allowsPlain: boolean): boolean {
  if (clientId.length > LONGEST || !/^https?:\/\//.test(clientId) || !URL.canParse(clientId)) return false;
  if (/[#?*\\]/.test(clientId)) return false;
  const { href, protocol, hostname, pathname, username, password } = new URL(clientId);
  if (href !== clientId || username !== '' || password !== '' || pathname === '/' || hostname.endsWith('.'))
    return false;
  return protocol === 'https:' || allowsPlain;
}

/** Returns how long a document is used before it is fetched again: its max-age, between five minutes and a day. */
export function documentLifeSeconds(cacheControl: string | null): number {
  const directives = (cacheControl ?? '').toLowerCase();
  if (/(^|[\s,])no-(store|cache)([\s,=]|$)/.test(directives)) return LIFE_SECONDS.min;
  const seconds = Number(/(?:^|[\s,])max-age=(\d{1,9})(?=[\s,]|$)/.exec(directives)?.[1] ?? LIFE_SECONDS.default);
  return Math.min(LIFE_SECONDS.max, Math.max(LIFE_SECONDS.min, seconds));
}

export type ValidatedDocument =
  | { readonly kind: 'client'; readonly metadata: ClientMetadata }
  | { readonly kind: 'refused'; readonly why: string };

const refused = (why: string): ValidatedDocument => ({ kind: 'refused', why });

/**
 * Validates a client's metadata document. The client must be public (§4.1): a published document cannot contain a
 * secret.
 */
export function validateClientDocument(url: string, text: string, scopes: readonly string[]): ValidatedDocument {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return refused('it is not valid JSON');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    return refused('it is not a JSON object');
  const given = document as Readonly<Record<string, unknown>>;
  if (given.client_id !== url) return refused('its client_id is not the URL of the document');
  if ('client_secret' in given || 'client_secret_expires_at' in given) return refused('it contains a client secret');
  try {
    const rules = { defaultAuthMethod: 'none', authMethods: ['none'], scopes } as const;
    return { kind: 'client', metadata: readClientMetadata(given, rules) };
  } catch (err) {
    // readClientMetadata throws only errors of ours that have a detail.
    return refused((err as AppError).options.detail as string);
  }
}
