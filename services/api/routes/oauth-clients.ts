import { selfRegisterClientEndpoint } from '#services/core/oauth/clients/registration-contract.ts';
import { type SelfRegisterPorts, selfRegisterClient } from '#services/core/oauth/clients/self-register-client.ts';
import { bindOnce, type RouteContext } from '../bind.ts';

const openRegistration = { ...selfRegisterClientEndpoint, auth: 'public' } as const;

export function oauthClientsRoutes(routes: RouteContext, ports: SelfRegisterPorts): void {
  const isOpen = ports.clientSettings.registration === 'open';
  bindOnce(routes, isOpen ? openRegistration : selfRegisterClientEndpoint, ({ body }, caller, once) =>
    selfRegisterClient({ ...ports, ...once }, body, caller),
  );
}
