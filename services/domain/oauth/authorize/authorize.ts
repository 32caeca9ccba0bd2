import type { Caller } from '#services/domain/ports.ts';
import { readGrantedConsent } from '../consents/consents.store.ts';
import {
  type AuthorizeInput,
  type AuthorizePorts,
  admitAuthorization,
  type BrowserCaller,
} from './admit-authorization.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { type AuthorizeStep, answerError, answerTo, requestUsed } from './authorize-step.ts';
import { issueAuthorizationCode } from './issue-code.ts';
import { isClaimedRedirectUri } from './match-redirect-uri.ts';
import { useRequest } from './pushed-requests.ts';

/**
 * The authorization endpoint (RFC 6749 §4.1.1): issues a code if the user has consented before, else returns the page
 * to show. Another app could impersonate a public client whose redirect URI is not https, so users of such a client are
 * always asked (RFC 6749 §10.2, RFC 8252 §8.6).
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function authorize(ports: AuthorizePorts, input: AuthorizeInput, caller: Caller): Promise<AuthorizeStep> {
  const admitted = await admitAuthorization(ports, input, caller);
  if (admitted.kind !== 'admitted') return admitted;
  const { request, user, live } = admitted;
  if (!(await isGranted(ports, request, user)))
    return request.prompts.has('none')
      ? answerError(ports, request, { error: 'consent_required', why: 'the user must consent' }, user.userId)
      : { kind: 'consent', request, live };
  const code = await ports.transact(async (tx) =>
    (await useRequest(tx, request)) ? issueAuthorizationCode(tx, ports, request, request.scopes, user) : null,
  );
  return code === null ? requestUsed : answerTo(ports, request, { code });
}

async function isGranted(ports: AuthorizePorts, request: AuthorizationRequest, user: BrowserCaller): Promise<boolean> {
  const { client, audience, prompts, redirectUri, scopes } = request;
  if (prompts.has('consent')) return false;
  if (client.auth_method === 'none' && !isClaimedRedirectUri(redirectUri)) return false;
  if (client.skip_consent) return true;
  const granted = await readGrantedConsent(ports.sql, { userId: user.userId, clientId: client.clientId, audience });
  return scopes.every((scope) => granted.includes(scope));
}
