import type { FastifyRequest } from 'fastify';
import type { SignInPorts } from '#services/core/identity/sign-in/sign-in.ts';
import { formActionSource } from '#services/core/oauth/authorize/match-redirect-uri.ts';
import {
  confirmSignOutEndpoint,
  sendSignOutForClientEndpoint,
  signOutForClientEndpoint,
} from '#services/core/oauth/logout/logout-contract.ts';
import {
  type LogoutRequest,
  type LogoutStep,
  type VerifyLogoutPorts,
  verifyLogout,
} from '#services/core/oauth/logout/verify-logout.ts';
import type { Caller } from '#services/core/ports.ts';
import type { Answer } from '#services/core/shared/answer.ts';
import { askSignOutPage, signedOutLeavePage, signedOutLostPage, signedOutPage } from '#services/pages/pages.ts';
import { bindPage, type RouteContext } from '../bind.ts';
import { expiredForm, goTo, isOwnForm, showPage, tieForm } from '../requests/browser-form.ts';
import { signOutHere } from '../requests/sign-out-here.ts';

export type LogoutPagesPorts = SignInPorts & VerifyLogoutPorts;

type Parameters = Readonly<
  Partial<Record<'id_token_hint' | 'client_id' | 'post_logout_redirect_uri' | 'state', string | undefined>>
>;

/** A parameter without a value is treated as absent. */
const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

const requestOf = (parameters: Parameters): LogoutRequest => ({
  idTokenHint: given(parameters.id_token_hint),
  clientId: given(parameters.client_id),
  redirectUri: given(parameters.post_logout_redirect_uri),
  state: given(parameters.state),
});

type Afterwards = Pick<Extract<LogoutStep, { kind: 'signed-out' }>, 'location' | 'isDirect' | 'isLost'>;

/** A request that names an address which is not verified is wrong, whatever the page offers. */
const statusOf = ({ isLost }: Pick<Afterwards, 'isLost'>): number => (isLost ? 400 : 200);

function afterwards({ location, isDirect, isLost }: Afterwards, setCookie: readonly string[] = []): Answer {
  if (isLost) return showPage(statusOf({ isLost }), signedOutLostPage, { setCookie });
  if (location === null) return showPage(200, signedOutPage, { setCookie });
  return isDirect ? goTo(location, setCookie) : showPage(200, signedOutLeavePage(location), { setCookie });
}

/**
 * Returns the GET path of a sign-out that another site sent as a form. Such a form carries no cookie of ours
 * (SameSite=Lax), but the GET does, and asks the user to confirm. The ID token is left out, because it must not be in a
 * URL.
 */
function pathWithoutToken({ client }: Extract<LogoutStep, { kind: 'signed-out' }>, asked: LogoutRequest): string {
  const members = { client_id: client?.clientId, post_logout_redirect_uri: asked.redirectUri, state: asked.state };
  const pairs = Object.entries(members).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return `${signOutForClientEndpoint.path}?${new URLSearchParams(pairs)}`;
}

function askPage(
  ports: LogoutPagesPorts,
  step: Extract<LogoutStep, { kind: 'ask' }>,
  asked: LogoutRequest,
  request: FastifyRequest,
): Answer {
  const { token, setCookie } = tieForm(ports, request);
  const { client, live, isLost } = step;
  // A request that names no verified address is confirmed as one that names none.
  const { redirectUri, state }: Partial<LogoutRequest> = isLost ? {} : asked;
  const page = askSignOutPage({
    formToken: token,
    clientId: client?.clientId ?? '',
    clientName: client?.name ?? null,
    redirectUri: redirectUri ?? '',
    state: state ?? '',
    email: live.user.email,
    isLost,
  });
  const formTargets = redirectUri === undefined ? [] : [formActionSource(redirectUri)];
  return showPage(statusOf(step), page, { setCookie, formTargets });
}

/** RP-initiated sign-out as pages that work without script. */
export function logoutPagesRoutes(routes: RouteContext, ports: LogoutPagesPorts): void {
  async function show(
    step: LogoutStep,
    asked: LogoutRequest,
    caller: Caller,
    request: FastifyRequest,
  ): Promise<Answer> {
    switch (step.kind) {
      case 'signed-out':
        return afterwards(step);
      case 'sign-out':
        return afterwards(step, await signOutHere(ports, request, caller));
      case 'ask':
        return askPage(ports, step, asked, request);
    }
  }
  const verify = (asked: LogoutRequest, { headers }: FastifyRequest): Promise<LogoutStep> =>
    verifyLogout(ports, asked, headers.cookie);

  bindPage(routes, signOutForClientEndpoint, async ({ query }, caller, request) => {
    const asked = requestOf(query);
    return show(await verify(asked, request), asked, caller, request);
  });
  bindPage(routes, sendSignOutForClientEndpoint, async ({ body }, caller, request) => {
    const asked = requestOf(body);
    const step = await verify(asked, request);
    return step.kind === 'signed-out' ? goTo(pathWithoutToken(step, asked)) : show(step, asked, caller, request);
  });
  bindPage(routes, confirmSignOutEndpoint, async ({ body }, caller, request) => {
    if (!isOwnForm(ports, request, body.form_token)) return expiredForm();
    const asked = requestOf(body);
    const step = await verify(asked, request);
    return show(step.kind === 'ask' ? { ...step, kind: 'sign-out' } : step, asked, caller, request);
  });
}
