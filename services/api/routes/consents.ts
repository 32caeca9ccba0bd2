import {
  listGrantedConsentsEndpoint,
  withdrawGrantedConsentEndpoint,
} from '#services/domain/oauth/consents/consent-contract.ts';
import { listGrantedConsents } from '#services/domain/oauth/consents/list-consents.ts';
import { withdrawConsent } from '#services/domain/oauth/consents/withdraw-consent.ts';
import type { Ports } from '#services/domain/ports.ts';
import type { HasRevocationPush } from '#services/domain/revocations/revocation-set.ts';
import { bind, type RouteContext } from '../bind.ts';

/** A user's consents to applications. */
export function consentsRoutes(routes: RouteContext, ports: Pick<Ports, 'sql' | 'transact'> & HasRevocationPush): void {
  bind(routes, listGrantedConsentsEndpoint, async ({ query }, caller) => {
    const { items, next } = await listGrantedConsents(ports, query, caller);
    return { consents: items, next };
  });
  bind(routes, withdrawGrantedConsentEndpoint, ({ params }, caller) =>
    withdrawConsent(ports, params.client_id, caller),
  );
}
