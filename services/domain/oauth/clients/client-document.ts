import type { AppError } from '#services/platform/define/error.ts';
import { type ClientMetadata, readClientMetadata } from './client-metadata.ts';

/** As client ids are bounded everywhere. */
const LONGEST = 255;
const LIFE_SECONDS = { least: 300, usual: 3_600, most: 86_400 } as const;

/**
 * Whether a client id is the address of a metadata document (draft-ietf-oauth-client-id-metadata-document §3): https, a
 * path, no fragment, query, user part, dot segments or final dot of the host, written as browsers write it, so that one
 * client has one id.
 * @param allowsPlain http too, for development
 */
export function isClientDocumentUrl(clientId: string, allowsPlain: boolean): boolean {
  if (clientId.length > LONGEST || !/^https?:\/\//.test(clientId) || !URL.canParse(clientId)) return false;
  if (/[#?*\\]/.test(clientId)) return false;
  const { href, protocol, hostname, pathname, username, password } = new URL(clientId);
  if (href !== clientId || username !== '' || password !== '' || pathname === '/' || hostname.endsWith('.'))
    return false;
  return protocol === 'https:' || allowsPlain;
}

/** How long a document is not read again: what its answer says, from five minutes to a day. */
export function documentLifeSeconds(cacheControl: string | null): number {
  const told = (cacheControl ?? '').toLowerCase();
  if (/(^|[\s,])no-(store|cache)([\s,=]|$)/.test(told)) return LIFE_SECONDS.least;
  const seconds = Number(/(?:^|[\s,])max-age=(\d{1,9})(?=[\s,]|$)/.exec(told)?.[1] ?? LIFE_SECONDS.usual);
  return Math.min(LIFE_SECONDS.most, Math.max(LIFE_SECONDS.least, seconds));
}

export type DocumentVerdict =
  | { readonly kind: 'client'; readonly metadata: ClientMetadata }
  | { readonly kind: 'refused'; readonly why: string };

const refused = (why: string): DocumentVerdict => ({ kind: 'refused', why });

/** Validates the metadata document of a client, which must be public (§4.1): a published document can contain no secret. */
export function judgeClientDocument(url: string, text: string, scopes: readonly string[]): DocumentVerdict {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return refused('it is no JSON');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return refused('it is no object');
  const given = document as Readonly<Record<string, unknown>>;
  if (given.client_id !== url) return refused('its client_id is not its own address');
  if ('client_secret' in given || 'client_secret_expires_at' in given) return refused('it names a secret');
  try {
    const rules = { defaultAuthMethod: 'none', authMethods: ['none'], scopes } as const;
    return { kind: 'client', metadata: readClientMetadata(given, rules) };
  } catch (err) {
    // It refuses by an error of ours, and by nothing else.
    return refused((err as AppError).options.detail as string);
  }
}
