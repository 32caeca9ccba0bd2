import type { FastifyRequest } from 'fastify';
import { countsRefusals, type RefusedRequest } from '#services/core/access/refusals/count-refusals.ts';
import { sessionOf } from '#services/core/authority/callers.ts';
import { parseStrictObject } from '#services/core/jws/strict-json.ts';
import { sentCredential } from './credentials.ts';

type Members = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const membersOf = (value: unknown): Members => (typeof value === 'object' && value !== null ? (value as Members) : {});

const LONGEST_TOKEN = 8_192;

/** A claim of a token that nothing has verified: it says who may have sent the request, and decides nothing. */
function claimedBy(token: string | undefined, claim: 'client_id' | 'sub'): string | undefined {
  const payload = token === undefined || token.length > LONGEST_TOKEN ? undefined : token.split('.', 2)[1];
  const claims = payload === undefined ? null : parseStrictObject(Buffer.from(payload, 'base64url').toString('utf8'));
  return textOf(claims?.[claim]);
}

/** The client that a request names, and by what it authenticates. */
function namedBy(
  headers: FastifyRequest['headers'],
  form: Members,
): Pick<RefusedRequest['credentials'], 'by' | 'secret'> & { readonly id: string | undefined } {
  const sent = sentCredential(headers);
  if (sent.kind === 'basic') return { id: sent.clientId, by: 'client_secret_basic', secret: sent.clientSecret };
  if (sent.kind === 'bearer' || sent.kind === 'dpop') return { id: claimedBy(sent.token, 'client_id'), by: 'token' };
  const id = textOf(form.client_id);
  const [secret, assertion] = [textOf(form.client_secret), textOf(form.client_assertion)];
  if (secret !== undefined) return { id, by: 'client_secret_post', secret };
  if (assertion !== undefined) return { id: id ?? claimedBy(assertion, 'sub'), by: 'client_assertion' };
  return { id, by: 'none' };
}

/** What is counted of a refused request; undefined where no client asks for tokens or about them, and for a user in a browser. */
export function refusedRequest(request: FastifyRequest): RefusedRequest | undefined {
  const { endpoint } = request.routeOptions.config;
  const { identified } = request;
  if (endpoint === undefined || !countsRefusals(endpoint)) return undefined;
  if (identified && sessionOf(identified) !== null) return undefined;
  const sent = { ...membersOf(request.query), ...membersOf(request.body) };
  const { id, by, secret } = namedBy(request.headers, sent);
  const clientId = (identified && 'clientId' in identified ? textOf(identified.clientId) : undefined) ?? id;
  return { endpoint, clientId, credentials: { isNamed: clientId !== undefined, by, secret }, sent };
}
