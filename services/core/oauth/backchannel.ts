import { requestInvalid } from '#services/platform/errors.ts';
import type { Client, HasAccess } from '../access/access-directory.ts';
import { text } from '../access/admin-shapes.ts';
import { CIBA_GRANT } from '../access/grant-shapes.ts';
import { scopesAsked } from '../access/requested-scopes.ts';
import type { OfferedGrant } from '../access/server-metadata.ts';
import type { Caller } from '../ports.ts';
import { visibleText } from '../shared/visible-text.ts';
import { signedActAsked } from '../tokens/authorization-details.ts';
import { grantNotAllowed, scopeInvalid, targetInvalid } from '../tokens/errors.ts';
import { type AdmittedClient, oauthClient } from '../tokens/issue/grant-token.ts';
import { beginApprovedToken, finishApprovedToken } from '../tokens/issue/issue-client-token.ts';
import { codeForm, codeHashOf } from './authorize/issue-code.ts';
import { AUTH_REQ_ID, idTokenSigning, signIdToken } from './claims/id-token.ts';
import { type HintPorts, readIdTokenHint } from './claims/id-token-hint.ts';
import { authReqIdInvalid, bindingMessageInvalid, hintedUserUnknown, requestObjectUnsupported } from './errors.ts';
import type { OAuthTokenAnswer } from './finish-oauth-sign-in.ts';
import { requestedAudience } from './requested-terms.ts';

export type BackchannelPorts = HasAccess & HintPorts;
type Parameter =
  | 'scope'
  | 'resource'
  | 'login_hint'
  | 'id_token_hint'
  | 'login_hint_token'
  | 'authorization_details'
  | 'binding_message'
  | 'requested_expiry'
  | 'client_notification_token'
  | 'request'
  | 'client_id';
type Asked = Readonly<Partial<Record<Parameter, string>>>;

/** A request that its client may make (CIBA Core §7.1), and the act that people are asked for. */
export type BackchannelRequest = ReturnType<typeof signedActAsked> & {
  readonly client: Client;
  readonly scope: string;
  readonly audience: string;
  /** What people read first. */
  readonly message: string | undefined;
  readonly lifeSeconds: number | undefined;
  /** Bearer token of the ping, for a client that is pinged. */
  readonly notificationToken: string | null;
  /** Throws `hinted_user_unknown` (400) unless the hint names this user. */
  assertNames(user: { readonly id: string; readonly email: string } | undefined): void;
};

const MESSAGE = text(256);
/** RFC 6750 §2.1, with at least 128 bits (CIBA Core §7.1). */
const NOTIFICATION_TOKEN = /^[\w.~+/-]{22,1024}=*$/;

const wrong = (at: string, why: string): Error => requestInvalid({ problems: [{ at: `body/${at}`, why }] });

function hintOf(
  ports: HintPorts,
  clientId: string,
  { login_hint: hint, login_hint_token: hintToken, id_token_hint: idToken }: Asked,
): BackchannelRequest['assertNames'] {
  if (hintToken !== undefined) throw wrong('login_hint_token', 'is not supported: send login_hint');
  if ((hint === undefined) === (idToken === undefined))
    throw wrong('login_hint', 'exactly one of login_hint and id_token_hint is required');
  const named = idToken === undefined ? null : readIdTokenHint(ports, idToken);
  return (user) => {
    const isNamed =
      idToken === undefined
        ? hint === user?.id || hint?.toLowerCase() === user?.email.toLowerCase()
        : named?.clientId === clientId && named.userId === user?.id;
    if (user === undefined || !isNamed) throw hintedUserUnknown();
  };
}

/** Shown as it is sent, or refused (CIBA Core §13). */
function messageOf({ binding_message: message }: Asked): string | undefined {
  if (message !== undefined && (!MESSAGE.safeParse(message).success || visibleText(message) !== message))
    throw bindingMessageInvalid();
  return message;
}

function termsOf(ports: BackchannelPorts, client: Client, { scope, resource }: Asked) {
  if (scope === undefined) throw wrong('scope', 'is required');
  const [openId, names] = [
    scope.split(' ').filter((name) => name === 'openid'),
    scope.split(' ').filter((name) => name !== 'openid'),
  ];
  const { scopes, why } =
    names.length === 0 ? { scopes: [] } : scopesAsked(ports, client, names.join(' '), client.credential_scopes);
  if (scopes === undefined) throw scopeInvalid({ detail: why });
  const audience = requestedAudience(ports, client, resource);
  if (audience === null) throw targetInvalid();
  return { scope: [...openId.slice(0, 1), ...scopes].join(' '), audience };
}

function notificationTokenOf(client: Client, { client_notification_token: token }: Asked): string | null {
  if (client.backchannel_client_notification_endpoint === null) return null;
  if (token === undefined || !NOTIFICATION_TOKEN.test(token))
    throw wrong('client_notification_token', 'is required: a bearer token of 22 to 1024 characters');
  return token;
}

function lifeOf({ requested_expiry: seconds }: Asked): number | undefined {
  if (seconds !== undefined && !/^[1-9]\d*$/.test(seconds))
    throw wrong('requested_expiry', 'is not a positive number of seconds');
  return seconds === undefined ? undefined : Number(seconds);
}

/**
 * Reads a request for a decision of people, and refuses what the client may not ask. An empty parameter is an omitted one
 * (RFC 6749 §3.1). Throws `client_unauthenticated` (401), `grant_not_allowed`, `request_invalid`,
 * `request_object_unsupported`, `scope_invalid`, `target_invalid`, `authorization_details_invalid`,
 * `binding_message_invalid` (400).
 */
export function readBackchannelRequest(ports: BackchannelPorts, form: Asked, caller: Caller): BackchannelRequest {
  const asked: Asked = Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''));
  const { clientId } = oauthClient(ports, asked.client_id, caller);
  const client = ports.access.client(clientId);
  if (!client?.grant_types.includes(CIBA_GRANT)) throw grantNotAllowed();
  if (asked.request !== undefined) throw requestObjectUnsupported();
  const terms = termsOf(ports, client, asked);
  return {
    client,
    assertNames: hintOf(ports, clientId, asked),
    ...terms,
    ...signedActAsked(ports, { client, audience: terms.audience }, asked.authorization_details),
    message: messageOf(asked),
    lifeSeconds: lifeOf(asked),
    notificationToken: notificationTokenOf(client, asked),
  };
}

/** Under which an `auth_req_id` is kept. Throws `auth_req_id_invalid` (400) for what is none. */
export function authReqHash(authReqId: string): Buffer {
  if (!codeForm.test(authReqId)) throw authReqIdInvalid();
  return codeHashOf(authReqId);
}

type GrantRequest = AdmittedClient & { readonly authReqId: string | undefined };

/** A grant that a wing adds: the token endpoint has verified the client and its keys, and whether it may use the grant. */
export type Grant<P = never> = OfferedGrant & {
  redeem(ports: P, request: GrantRequest, caller: Caller): Promise<OAuthTokenAnswer>;
};
export type BoundGrant = OfferedGrant & {
  redeem(request: GrantRequest, caller: Caller): Promise<OAuthTokenAnswer>;
};

type Claims = Awaited<ReturnType<typeof beginApprovedToken>>;

const isOpenId = ({ scope }: Pick<Claims, 'scope'>): boolean => scope.split(' ').includes('openid');

/** `beginApprovedToken`, and asserts that the ID token can be signed too: a grant is not consumed in vain. */
export async function beginClientGrant(...[tx, ports, ...of]: Parameters<typeof beginApprovedToken>): Promise<Claims> {
  const claims = await beginApprovedToken(tx, ports, ...of);
  const client = ports.access.client(claims.client_id);
  if (isOpenId(claims)) ports.keyRing.assertSigns({ typ: 'JWT' }, idTokenSigning(client));
  return claims;
}

/**
 * Signs the token of a grant that was consumed. With the scope openid comes an ID token, which names the owner of the agent
 * and says nothing of a sign-in, because there was none. Throws `signing_unavailable` (503).
 */
export async function finishClientGrant(
  ports: Parameters<typeof beginApprovedToken>[1],
  claims: Claims,
  authReqId: string,
  caller: Caller,
): Promise<OAuthTokenAnswer> {
  const answer = await finishApprovedToken(ports, claims, caller);
  const owner = ports.access.client(claims.client_id)?.agent?.ownerId;
  if (owner === undefined || !isOpenId(claims)) return answer;
  const idToken = await signIdToken(ports, {
    user_id: owner,
    client_id: claims.client_id,
    session_id: null,
    auth_time: null,
    nonce: null,
    accessToken: answer.access_token,
    issuedAt: claims.iat,
    profile: { [AUTH_REQ_ID]: authReqId },
  });
  return { ...answer, id_token: idToken };
}
