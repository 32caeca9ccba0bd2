import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller } from '#services/domain/ports.ts';
import { holdSession } from '#services/domain/tokens/refresh/create-family.ts';
import { authorizationDecided, consentGranted } from '../audit-events.ts';
import { holdConsentOwner, keepConsent } from '../consents/consents.store.ts';
import { type AuthorizePorts, admitAuthorization, loginStep } from './admit-authorization.ts';
import { type AuthorizeStep, answerTo, requestOver } from './authorize-step.ts';
import { issueCode } from './issue-code.ts';
import { useRequest } from './pushed-requests.ts';

export type ConsentDecision = {
  /** Of the authorization request that was shown. */
  readonly query: string;
  readonly cookie: string | undefined;
  readonly isAllowed: boolean;
  /** Those the user left ticked; what was not asked for is not granted. */
  readonly scopes: readonly string[];
};

/**
 * The user's answer to the consent page: consent, code and audit rows in one transaction, or `access_denied`. The
 * request is judged anew: what came back from the page is not believed. The form's token is checked before.
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
      if (!(await useRequest(tx, request))) return requestOver;
      await recordEvent(tx, user, authorizationDecided, { outcome: 'denied', ...about });
      return answerTo(ports, request, { error: 'access_denied', error_description: 'the user said no' });
    });
  return ports.transact(async (tx) => {
    // A consent outlives its session: one that is over, as the cookie read from memory may be, agrees to nothing, and
    // whoever takes back what a thief agreed to holds the user and sees it.
    await holdConsentOwner(tx, user.userId);
    if (!(await holdSession(tx, user.sessionId, user.userId))) return loginStep(ports, decision.query);
    if (!(await useRequest(tx, request))) return requestOver;
    await keepConsent(tx, { userId: user.userId, clientId, audience: request.audience }, scopes);
    const detail = { scope: scopes.join(' '), audience: request.audience };
    await recordEvent(tx, user, consentGranted, { outcome: 'ok', ...about, detail });
    return answerTo(ports, request, { code: await issueCode(tx, ports, request, scopes, user) });
  });
}
