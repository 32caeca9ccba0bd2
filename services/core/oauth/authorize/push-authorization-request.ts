import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { dpopProofInvalid } from '#services/core/tokens/dpop/dpop-errors.ts';
import {
  consumeProof,
  type DpopPorts,
  type PresentedProof,
  verifyProof,
} from '#services/core/tokens/dpop/use-dpop-proof.ts';
import { oauthClient } from '#services/core/tokens/issue/grant-token.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import { assertProfileProof } from '../assert-profile-proof.ts';
import { type HasOpenRequests, shareOf } from '../open-requests.ts';
import { queryOfForm } from './authorization-parameters.ts';
import { parseAuthorizationRequest } from './authorization-request.ts';
import { requestRefusals } from './authorize-step.ts';
import { insertPushedRequest, pushedRequestCount } from './pushed-requests.store.ts';
import { newRequestUri, requestUriHash } from './pushed-requests.ts';

export type PushPorts = Pick<Ports, 'transact' | 'hotSql' | 'random'> &
  HasAccess &
  HasRevocations &
  HasOpenRequests &
  DpopPorts;

/** RFC 9126 §2.2. */
type PushedRequest = { readonly request_uri: string; readonly expires_in: number };

/** Time for the user to sign in and decide. FAPI 2.0 §5.3.2.2: less than 600. */
const LIFE_SECONDS = 540;

/** An empty parameter is treated as omitted (RFC 6749 §3.1). */
const given = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/**
 * Stores an authorization request that the client sends directly (RFC 9126) and returns its request_uri for the
 * browser. The request is validated like one in a URL. The user's decision is audited; the push is not, because it may
 * be unauthenticated. With a DPoP proof, the code is bound to the key of the proof (RFC 9449 §10.1).
 * Throws `client_unauthenticated` (401), `request_invalid`, `grant_not_allowed`, `scope_invalid`, `target_invalid`,
 * `response_type_unsupported`, `request_object_unsupported`, `dpop_proof_invalid`, `dpop_nonce_required` (400),
 * `open_requests_full` (429), `state_rewound`, `store_unavailable` (503).
 */
export async function pushAuthorizationRequest(
  ports: PushPorts,
  form: Readonly<Record<string, unknown>>,
  caller: Caller,
  presented?: PresentedProof,
): Promise<PushedRequest> {
  assertMayIssue(ports.revocations);
  const proof = presented === undefined ? undefined : verifyProof(ports, presented);
  const named = oauthClient(ports, given(form.client_id), caller);
  const { clientId } = named;
  assertProfileProof(ports.access.client(clientId), proof);
  // RFC 9126 §2.1: a pushed request must not refer to another one.
  if (form.request_uri !== undefined)
    throw requestInvalid({ problems: [{ at: 'body/request_uri', why: 'must not be given' }] });
  const jkt = given(form.dpop_jkt) ?? proof?.jkt;
  if (proof !== undefined && jkt !== proof.jkt)
    throw dpopProofInvalid({ detail: 'dpop_jkt is not the key of the DPoP proof.' });
  const query = queryOfForm({ ...form, client_id: clientId, dpop_jkt: jkt });
  const parsed = parseAuthorizationRequest(ports, query, 'pushing');
  if (parsed.kind === 'page') throw requestInvalid({ detail: parsed.why });
  if (parsed.kind === 'refused') throw requestRefusals[parsed.error]({ detail: parsed.why });
  if (proof !== undefined) await consumeProof(ports, proof);
  const requestUri = newRequestUri(ports);
  const share = shareOf(ports, named, caller);
  await ports.transact(async (tx) => {
    await ports.openRequests.assertRoom('pushed', parsed.request.client, share, pushedRequestCount(tx, clientId));
    await insertPushedRequest(tx, {
      uriHash: requestUriHash(requestUri),
      clientId,
      query,
      share,
      lifeSeconds: LIFE_SECONDS,
    });
  });
  return { request_uri: requestUri, expires_in: LIFE_SECONDS };
}
