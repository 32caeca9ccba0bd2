import { hash } from 'node:crypto';
import { type VouchPorts, vouchedUser } from '#services/core/identity/social/linked-accounts.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { clientUnauthenticated, requestInvalid } from '#services/platform/errors.ts';
import { identityAssertionInvalid } from '../errors.ts';
import { type CountedPorts, counted, recordAsserted } from '../exchange-token.ts';
import { assertedTerms } from '../exchanged-claims.ts';
import { finishOAuthSignIn, type OAuthTokenAnswer } from '../finish-oauth-sign-in.ts';
import { beginOAuthSignIn, type KnownClient, type OAuthSignIn, type OAuthSignInPorts } from '../oauth-sign-in.ts';
import type { RedeemCodeInput } from '../redeem-code.ts';
import { detailFacts, detailsInToken } from '../requested-terms.ts';
import { KEPT_AFTER_SECONDS, verifyByKeys } from './authenticate-assertion.ts';
import { identityClaimsProblem, isTime, type ReadJwt, readIdentityAssertion } from './client-assertion.ts';
import { insertAssertions } from './client-assertions.store.ts';
import { clientKeysNotRead, type HasClientKeySets, KeysNotRead } from './client-key-sets.ts';

type RedeemInput = Pick<RedeemCodeInput, 'client' | 'keys' | 'resource' | 'authorizationDetails'> & {
  readonly assertion: string | undefined;
  readonly scope: string | undefined;
};
export type RedeemIdentityPorts = OAuthSignInPorts & HasClientKeySets & CountedPorts & VouchPorts;

type Vouched = {
  readonly claims: {
    readonly sub: string;
    readonly jti: string;
    readonly iat: number;
    readonly exp: number;
  } & ReadJwt['claims'];
  readonly issuer: string;
  readonly provider: string;
};

const acceptedFrom = (client: KnownClient | undefined, issuer: unknown) =>
  client?.identity_assertions?.accepts?.find((each) => each.issuer === issuer);

/** Verifies an assertion by the keys of a server that vouches for users of this client. */
async function vouchedFor(ports: RedeemIdentityPorts, client: KnownClient, input: RedeemInput): Promise<Vouched> {
  if (input.assertion === undefined) throw requestInvalid({ problems: [{ at: 'body/assertion', why: 'is required' }] });
  const read = readIdentityAssertion(input.assertion);
  const { issuer } = ports.tokenSettings;
  const accepted = acceptedFrom(client, read?.claims.iss);
  // Its own assertions are for other servers: redeemed here, they would widen what the user granted (draft, §7.3).
  if (read === null || accepted === undefined || accepted.issuer === issuer) throw identityAssertionInvalid();
  const keyed = { profile: client.profile, jwks: null, jwks_uri: accepted.jwks_uri, origin: 'admin' } as const;
  const signed = await verifyByKeys(ports, keyed, read);
  if (signed instanceof KeysNotRead) throw clientKeysNotRead(signed);
  if (signed !== 'ok') throw identityAssertionInvalid();
  const here = { issuer, now: Math.floor(ports.clock.now() / 1_000) };
  const detail = identityClaimsProblem(read, { clientId: client.clientId, keys: input.keys }, here);
  if (detail !== null) throw identityAssertionInvalid({ detail });
  return { claims: read.claims as Vouched['claims'], issuer: accepted.issuer, provider: accepted.provider };
}

const keptSeconds = ({ clock }: RedeemIdentityPorts, exp: number): number =>
  Math.ceil(exp - clock.now() / 1_000) + KEPT_AFTER_SECONDS;

const notSignedIn = (cause?: unknown): Error =>
  identityAssertionInvalid({
    detail: 'The user of the assertion has no account here that may be signed in this way.',
    cause,
  });

/**
 * Uses the assertion up, and writes the token family of its user: a linked account without a second factor of its own and
 * without any permission of this installation. The family ends with its one access token, whose answer has no refresh token.
 */
async function begin(
  tx: Tx,
  ports: RedeemIdentityPorts,
  { claims: { sub, jti, iat, exp, auth_time: authTime, aud_sub: knownAs }, issuer, provider }: Vouched,
  {
    client,
    keys,
    clientEpoch,
    authorizationDetails,
    ...terms
  }: Pick<RedeemInput, 'client' | 'keys' | 'authorizationDetails'> &
    ReturnType<typeof assertedTerms> & { readonly clientEpoch: number },
  caller: Caller,
): Promise<OAuthSignIn> {
  // Ids of clients are not empty: no client assertion has this hash.
  const used = { hash: hash('sha256', `\0${issuer}\0${jti}`, 'buffer'), keepSeconds: keptSeconds(ports, exp) };
  const [isFirst] = await insertAssertions(tx, [used]);
  if (!isFirst) throw identityAssertionInvalid({ detail: 'The jti was used before.' });
  const userId = await vouchedUser(tx, ports, { provider, issuer, subject: sub });
  // The id that the user has here, as far as the other server knows: two users are never taken for one.
  if (userId === undefined || (knownAs !== undefined && knownAs !== userId)) throw notSignedIn();
  // It says when the user signed in there; without it the client acts (`act`).
  const signedIn = isTime(authTime) && authTime <= iat ? Math.max(0, Math.floor(authTime)) : 0;
  const grant = {
    ...terms,
    user_id: userId,
    session_id: null,
    nonce: null,
    id_token_claims: [],
    is_vouched: true,
    detailsAsked: authorizationDetails,
  } as const;
  const { accessTokenSeconds: refreshAbsoluteSeconds } = ports.tokenSettings;
  const shortLived = { ...ports, tokenSettings: { ...ports.tokenSettings, refreshAbsoluteSeconds } };
  const granted = { ...grant, auth_time: signedIn, client_epoch: clientEpoch };
  const begun = await beginOAuthSignIn(tx, shortLived, client, granted, keys, caller).catch((err: unknown) => {
    throw isAppError(err) && err.definition.status === 401 ? notSignedIn(err) : err;
  });
  // As the rows are now, whatever this copy knew before.
  if (acceptedFrom(ports.access.client(client.clientId), issuer) === undefined) throw identityAssertionInvalid();
  if (ports.access.permissionsOf(begun.roles).size > 0) throw notSignedIn();
  const { audience, scope } = terms;
  const { jti: of, authorization_details: details } = begun.claims;
  const facts = { server: issuer, user_id: userId, audience, scope, of, ...detailFacts(detailsInToken(details)) };
  await recordAsserted(tx, 'redeemed', facts, caller);
  return begun;
}

/**
 * Exchanges an identity assertion of another server (ID-JAG, RFC 7523 §2.1) for an access token of its user: once, for the
 * client that it names, if an administrator lets that server vouch for users of this client. There is no refresh token.
 * Throws `client_unauthenticated` (401), `identity_assertion_invalid`, `scope_invalid`, `target_invalid`, `request_invalid`,
 * `authorization_details_invalid` (400), `client_keys_busy`, `client_keys_unavailable`, `signing_unavailable`, `state_rewound`, `store_unavailable` (503).
 */
export const redeemIdentityAssertion = (
  ports: RedeemIdentityPorts,
  input: RedeemInput,
  caller: Caller,
): Promise<OAuthTokenAnswer> =>
  counted(ports, 'jwt_bearer', caller, async () => {
    const { keys, client: asking, authorizationDetails } = input;
    const client = ports.access.client(asking.clientId);
    if (client === undefined || !asking.isAuthenticated) throw clientUnauthenticated();
    // An agent acts for its owner alone.
    if (client.agent !== null) throw identityAssertionInvalid();
    const vouched = await vouchedFor(ports, client, input);
    const terms = assertedTerms(ports, client, vouched.claims, input);
    const granted = { ...terms, client: asking, keys, authorizationDetails, clientEpoch: client.tokenEpoch };
    const signIn = await ports.transact((tx) => begin(tx, ports, vouched, granted, caller));
    // Without openid, because there is no ID token either.
    const bare = { ...signIn, refresh: null, grant: { ...signIn.grant, scope: '' } };
    return { ...(await finishOAuthSignIn(ports, bare, caller)), scope: terms.scope };
  });
