import { listConsentsEndpoint, withdrawConsentEndpoint } from '#services/domain/oauth/consents/consent-contract.ts';
import { listConsents } from '#services/domain/oauth/consents/list-consents.ts';
import { withdrawConsent } from '#services/domain/oauth/consents/withdraw-consent.ts';
import type { Ports } from '#services/domain/ports.ts';
import type { HasRevocationPush } from '#services/domain/revocations/revocation-set.ts';
import { bind, type RouteContext } from '../bind.ts';

/** A user's consents to applications. */
export function consentsRoutes(routes: RouteContext, ports: Pick<Ports, 'sql' | 'transact'> & HasRevocationPush): void {
  bind(routes, listConsentsEndpoint, async ({ query }, caller) => {
    const { items, next } = await listConsents(ports, query, caller);
    return { consents: items, next };
  });
  bind(routes, withdrawConsentEndpoint, ({ params }, caller) => withdrawConsent(ports, params.client_id, caller));
}
