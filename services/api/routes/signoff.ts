import type { Ports } from '#services/domain/ports.ts';
import {
  approveSignOffEndpoint,
  denySignOffEndpoint,
  finishSignOffEndpoint,
  listSignOffsEndpoint,
  readReceiptEndpoint,
  readSignOffEndpoint,
  requestSignOffEndpoint,
  startSignOffEndpoint,
} from '#services/domain/signoff/contract.ts';
import { decideSignOff } from '#services/domain/signoff/decide-signoff.ts';
import { finishSignOff } from '#services/domain/signoff/finish-signoff.ts';
import { listSignOffs, readReceipt, readSignOff } from '#services/domain/signoff/read-signoff.ts';
import { type HasSignOffLimit, requestSignOff } from '#services/domain/signoff/request-signoff.ts';
import { type StartSignOffPorts, startSignOff } from '#services/domain/signoff/start-signoff.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';
import { type SignOffPagesPorts, signOffPagesRoutes } from './signoff-pages.ts';

export type SignOffRoutesPorts = StartSignOffPorts & SignOffPagesPorts & HasSignOffLimit & Pick<Ports, 'random'>;

/** Sign-offs: requested by agents and people, decided by people, run once. */
export function signOffRoutes(routes: RouteContext, ports: SignOffRoutesPorts): void {
  bindOnce(routes, requestSignOffEndpoint, ({ body }, caller, once) =>
    requestSignOff(
      { ...ports, ...once },
      {
        act: body.act,
        title: body.title,
        arguments: body.arguments,
        requiredRoles: body.required_roles,
        quorum: body.quorum,
        minSecurityScore: body.conditions?.min_security_score,
        noOpenIncident: body.conditions?.no_open_incident,
        lifeMinutes: body.expires_in_minutes,
      },
      caller,
    ),
  );
  bind(routes, listSignOffsEndpoint, async ({ query }) => {
    const { items, next } = await listSignOffs(ports, query);
    return { signoffs: items, next };
  });
  bind(routes, readSignOffEndpoint, ({ params }, caller) => readSignOff(ports, params.signoff_id, caller));
  for (const [endpoint, decision] of [
    [approveSignOffEndpoint, 'approve'],
    [denySignOffEndpoint, 'deny'],
  ] as const)
    bind(routes, endpoint, ({ params, body: { role, comment, arguments_sha256: argumentsSha256 } }, caller) =>
      decideSignOff(ports, { signOffId: params.signoff_id, role, decision, comment, argumentsSha256 }, caller),
    );
  bind(routes, startSignOffEndpoint, ({ params, body }, caller) =>
    startSignOff(ports, { signOffId: params.signoff_id, act: body.act, arguments: body.arguments }, caller),
  );
  bind(routes, finishSignOffEndpoint, ({ params, body }, caller) =>
    finishSignOff(ports, { signOffId: params.signoff_id, ...body }, caller),
  );
  bind(routes, readReceiptEndpoint, ({ params }, caller) => readReceipt(ports, params.signoff_id, caller));
  signOffPagesRoutes(routes, ports);
}
