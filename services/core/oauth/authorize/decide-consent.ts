import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller } from '#services/core/ports.ts';
import { holdSession } from '#services/core/tokens/refresh/create-family.ts';
import { authorizationDecided, consentGranted } from '../audit-events.ts';
import { keepConsent, lockConsentOwner } from '../consents/consents.store.ts';
import { detailFacts } from '../requested-terms.ts';
import { type AuthorizePorts, admitAuthorization, misfitOf, signInStep } from './admit-authorization.ts';
import { type AuthorizeStep, answerError, answerTo, requestUsed } from './authorize-step.ts';
import { issueAuthorizationCode } from './issue-code.ts';
import { useRequest } from './pushed-requests.ts';

type ConsentDecision = {
  /** Query of the authorization request that the page showed. */
  readonly query: string;
  readonly cookie: string | undefined;
  readonly isAllowed: boolean;
  /** Scopes the user left ticked; scopes that were not requested are ignored. */
  readonly scopes: readonly string[];
};

/**
 * Handles the user's answer to the consent page: writes consent, code and audit rows in one transaction, or returns
 * `access_denied`. The request in the form is validated again. The route has verified the form token.
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function decideConsent(
  ports: AuthorizePorts,
  decision: ConsentDecision,
  caller: Caller,
): Promise<AuthorizeStep> {
  const admitted = await admitAuthorization(ports, decision, caller);
  if (admitted.kind !== 'admitted') return admitted;
  const { request, user } = admitted;
  const { clientId } = request.client;
  const scopes = request.scopes.filter((scope) => decision.scopes.includes(scope));
  const about = { target: { kind: 'client', id: clientId }, clientId } as const;
  if (!decision.isAllowed || scopes.length === 0)
    return ports.transact(async (tx) => {
      if (!(await useRequest(tx, request))) return requestUsed;
      await recordEvent(tx, user, authorizationDecided, { outcome: 'denied', ...about });
      return answerTo(ports, request, { error: 'access_denied', error_description: 'the user denied the request' });
    });
  const misfit = misfitOf(ports, admitted);
  if (misfit !== null) return answerError(ports, request, misfit, user.userId);
  return ports.transact(async (tx) => {
    // A consent outlives its session, so an ended session must not grant one; the session cache may not know yet that
    // it ended. The response to an incident locks the user before it removes consents, and so finds this one.
    await lockConsentOwner(tx, user.userId);
    if (!(await holdSession(tx, user.sessionId, user.userId))) return signInStep(ports, decision.query);
    if (!(await useRequest(tx, request))) return requestUsed;
    await keepConsent(tx, { userId: user.userId, clientId, audience: request.audience }, scopes, request.details);
    const detail = { scope: scopes.join(' '), audience: request.audience, ...detailFacts(request.details) };
    await recordEvent(tx, user, consentGranted, { ...about, detail });
    return answerTo(ports, request, { code: await issueAuthorizationCode(tx, ports, request, scopes, user) });
  });
}
