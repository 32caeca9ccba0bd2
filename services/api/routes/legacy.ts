import { assertOwnPage } from '#services/core/identity/sessions/csrf.ts';
import { answer } from '#services/core/shared/answer.ts';
import {
  exchangeLegacySessionEndpoint,
  receiveLegacyWebhookEndpoint,
} from '#services/wings/import/bridge/bridge-contract.ts';
import { type ExchangePorts, exchangeLegacySession } from '#services/wings/import/bridge/exchange-legacy-session.ts';
import { receiveLegacyWebhook, type WebhookPorts } from '#services/wings/import/bridge/receive-legacy-webhook.ts';
import { bind, type RouteContext } from '../bind.ts';
import { rawBodyOf } from '../requests/raw-body.ts';

/** Sessions of the provider that this installation replaces. */
export function legacyRoutes(routes: RouteContext, deps: ExchangePorts & WebhookPorts): void {
  bind(routes, exchangeLegacySessionEndpoint, async ({ body }, caller, { headers }) => {
    assertOwnPage(deps, headers);
    const { body: signedIn, setCookie } = await exchangeLegacySession(
      deps,
      { token: body.token, cookie: headers.cookie },
      caller,
    );
    return answer(200, signedIn, { 'set-cookie': setCookie });
  });
  bind(routes, receiveLegacyWebhookEndpoint, async ({ body }, caller, request) => {
    const signed = { headers: request.headers, body: rawBodyOf(request) as Buffer, event: body };
    return answer(202, await receiveLegacyWebhook(deps, signed, caller));
  });
}
