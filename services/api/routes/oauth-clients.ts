import { selfRegisterClientEndpoint } from '../../domain/oauth/registration-contract.ts';
import { type SelfRegisterPorts, selfRegisterClient } from '../../domain/oauth/self-register-client.ts';
import { bind, type RouteContext } from '../bind.ts';

const openRegistration = { ...selfRegisterClientEndpoint, auth: 'public' } as const;

/** Clients that come by themselves. */
export function oauthClientsRoutes(routes: RouteContext, ports: SelfRegisterPorts): void {
  const isOpen = ports.clientSettings.registration === 'open';
  bind(routes, isOpen ? openRegistration : selfRegisterClientEndpoint, ({ body }, caller) =>
    selfRegisterClient(ports, body, caller),
  );
}
