import { hash } from 'node:crypto';
import { z } from 'zod';
import { cutText } from '#services/platform/define/cut-text.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import type { Client } from '../access-directory.ts';
import { GRANT_TYPES } from '../grant-shapes.ts';
import type { RequestSample } from './contract.ts';

type SentBy = 'client_secret_basic' | 'client_secret_post' | 'client_assertion' | 'token' | 'none';

export type SentCredentials = {
  readonly isNamed: boolean;
  readonly by: SentBy;
  /** Compared with the secrets of the client, and never kept. */
  readonly secret?: string | undefined;
};

const CHARACTERS_MAX = 200;

/** Whether it is the secret from before the last rotation, still accepted or not. */
export const isPreviousSecret = ({ previousSecret }: Client, secret: string | undefined): boolean =>
  previousSecret !== null && secret !== undefined && previousSecret.hash.equals(hash('sha256', secret, 'buffer'));

/** Why a client was not authenticated. The client itself is not told: the answer would help an attacker. */
function whyUnauthenticated(
  client: Client | undefined,
  { isNamed, by, secret }: SentCredentials,
  detail: string | undefined,
): string {
  if (!isNamed) return 'The request names no client.';
  if (client === undefined) return 'No client has the client_id that the request names.';
  if (client.disabled) return 'The client is disabled.';
  const registered = `it is registered for ${client.auth_method}`;
  if (by === 'token') return 'The client sent a token where it must authenticate itself.';
  if (by === 'none') return `The client sent no credential; ${registered}.`;
  const isSecret = by !== 'client_assertion';
  if (isSecret ? client.secretHash === null : client.auth_method !== 'private_key_jwt')
    return `The client sent a ${isSecret ? 'client secret' : 'client assertion'}; ${registered}.`;
  if (!isSecret) return detail ?? 'The client assertion is unreadable, or no key of the client has signed it.';
  return isPreviousSecret(client, secret)
    ? 'The client sent its secret from before the last rotation, whose overlap has ended.'
    : 'The client secret is wrong.';
}

/** Details are our own sentences. What looks like a value all the same is left out. */
const withoutValues = (text: string): string =>
  cutText(
    text
      .replaceAll(/[\p{Cc}\p{Cs}]/gu, ' ')
      .replaceAll(/\S*@\S*|(?=[\w.~+/=-]*\d)[\w.~+/=-]{24,}/g, '…')
      .trim(),
    CHARACTERS_MAX,
  );

type Asked = Pick<Endpoint, 'params' | 'body' | 'query'>;

const OTHER = '(other)';

const namesOf = (shape: z.ZodType | undefined): readonly string[] =>
  shape instanceof z.ZodObject ? Object.keys(shape.shape) : [];

/** Where it is wrong, such as `body/scope/2`; any other name may be what a client sent by mistake. */
const placeIn = (at: string, declared: ReadonlySet<string>): string =>
  at.replaceAll(/(?<=\/)[^/]*/g, (part) => (declared.has(part) || /^\d{1,3}$/.test(part) ? part : OTHER));

/** The cause of a refusal, as one of few sentences: refusals are counted by it. */
export function causeOfRefusal(
  { code, definition, options: { detail, problems } }: AppError,
  { endpoint, client, credentials }: { endpoint: Asked; client: Client | undefined; credentials: SentCredentials },
): string {
  if (code === clientUnauthenticated.definition.code)
    return whyUnauthenticated(client, credentials, detail && withoutValues(detail));
  const declared = new Set([endpoint.params, endpoint.body, endpoint.query].flatMap(namesOf));
  const wrong = problems?.map(({ at, why }) => `${placeIn(at, declared)} ${why}`).join('; ');
  return withoutValues(detail ?? wrong ?? definition.cause);
}

/** Grants that clients of other systems ask for, and no client may have here (RFC 9700 §2.1.2, §2.4). */
const FORMER_GRANTS = ['implicit', 'password'];
const GRANTS: ReadonlySet<string> = new Set([...GRANT_TYPES, ...FORMER_GRANTS]);
const WORDS_MAX = 20;
/** A longer part of an address may be a code or an id. */
const PART_MAX = 40;

const grantIn = (value: unknown): string | null =>
  value === undefined ? null : typeof value === 'string' && GRANTS.has(value) ? value : OTHER;

/** Scopes that some client may have; any other word may be what a client sent by mistake. */
const scopeIn = (value: unknown, isScope: (name: string) => boolean): string | null =>
  typeof value === 'string'
    ? value
        .split(' ', WORDS_MAX)
        .map((word) => (isScope(word) ? word : OTHER))
        .join(' ')
    : null;

function addressIn(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null;
  const { protocol, host, pathname } = new URL(value);
  // Behind tel: or data: there is no address, but a value.
  if (!pathname.startsWith('/')) return `${protocol}…`;
  const path = pathname.split('/').map((part) => (part.length > PART_MAX || /@|%40/.test(part) ? '…' : part));
  return cutText(`${protocol}${host === '' ? '' : '//'}${host}${path.join('/')}`, CHARACTERS_MAX);
}

/** @param isScope whether any client may have this scope */
export function sampleOf(
  { method, path, body, query }: Pick<Endpoint, 'method' | 'path' | 'body' | 'query'>,
  { sent, authMethod }: { readonly sent: Readonly<Record<string, unknown>>; readonly authMethod: string },
  isScope: (name: string) => boolean,
): RequestSample {
  const declared = new Set([...namesOf(body), ...namesOf(query)]);
  const names = Object.keys(sent);
  const parameters = names.filter((name) => declared.has(name)).sort();
  return {
    endpoint: `${method} ${path}`,
    auth_method: authMethod,
    parameters,
    other_parameters: names.length - parameters.length,
    grant_type: grantIn(sent.grant_type),
    scope: scopeIn(sent.scope, isScope),
    redirect_uri: addressIn(sent.redirect_uri),
  };
}
