import type { Caller } from '#services/core/ports.ts';
import { type AuthorizeInput, type AuthorizePorts, admitAuthorization, misfitOf } from './admit-authorization.ts';
import { type AuthorizeStep, answerError, answerTo, requestUsed } from './authorize-step.ts';
import { issueAuthorizationCode } from './issue-code.ts';
import { useRequest } from './pushed-requests.ts';

/**
 * The authorization endpoint (RFC 6749 §4.1.1): issues a code if the user has consented before, else returns the page
 * to show.
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function authorize(ports: AuthorizePorts, input: AuthorizeInput, caller: Caller): Promise<AuthorizeStep> {
  const admitted = await admitAuthorization(ports, input, caller);
  if (admitted.kind !== 'admitted') return admitted;
  const { request, user, live, isGranted } = admitted;
  if (!isGranted) return { kind: 'consent', request, live };
  const misfit = misfitOf(ports, admitted);
  if (misfit !== null) return answerError(ports, request, misfit, user.userId);
  const code = await ports.transact(async (tx) =>
    (await useRequest(tx, request)) ? issueAuthorizationCode(tx, ports, request, request.scopes, user) : null,
  );
  return code === null ? requestUsed : answerTo(ports, request, { code });
}
