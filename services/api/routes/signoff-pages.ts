import type { FastifyRequest } from 'fastify';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import { type UserCaller, userOf } from '#services/core/authority/callers.ts';
import { assertRecentSignIn, type HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import { sessionCaller } from '#services/core/identity/sessions/read-session.ts';
import { safeNext } from '#services/core/oauth/authorize/next-path.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { Answer } from '#services/core/shared/answer.ts';
import { signOffPage, signOffsPage } from '#services/pages/signoff-pages.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import type { SignOffView } from '#services/wings/signoff/contract.ts';
import { decideSignOff, type HasPingWake } from '#services/wings/signoff/decide-signoff.ts';
import {
  sendSignOffEndpoint,
  showSignOffEndpoint,
  showSignOffsEndpoint,
} from '#services/wings/signoff/pages-contract.ts';
import { signoffsApprove, signoffsRead } from '#services/wings/signoff/permissions.ts';
import { readSignOffNames } from '#services/wings/signoff/read-names.ts';
import { listSignOffs, readSignOff } from '#services/wings/signoff/read-signoff.ts';
import { bind, type RouteContext } from '../bind.ts';
import { asPage, expiredForm, goTo, type HasForms, isOwnForm, showPage, tieForm } from '../requests/browser-form.ts';

type SignOffPagesPorts = Pick<Ports, 'sql' | 'transact'> & HasForms & HasAccess & HasStepUp & HasPingWake;

/** Sign-offs on one page; people decide the newest first. */
const LISTED = 50;

/** Binds the form to the sign-off and to the arguments that the page shows. */
const aboutOf = (signOffId: string, argumentsSha256: string): string => `${signOffId} ${argumentsSha256}`;

/** Whether the sign-in of this browser is recent and strong enough to decide. */
function isFresh({ stepUp }: HasStepUp, person: UserCaller): boolean {
  try {
    assertRecentSignIn(person, stepUp, { usesPermission: true });
    return true;
  } catch (err) {
    if (isAppError(err)) return false;
    throw err;
  }
}

const rolesFor = (person: UserCaller, { waiting_for: waiting, decisions }: SignOffView) =>
  decisions.some(({ user_id: userId }) => userId === person.userId)
    ? []
    : waiting.filter((role) => person.roles?.includes(role) === true);

/** The queue of sign-offs and the page of one, as plain HTML that works without script. */
export function signOffPagesRoutes(routes: RouteContext, ports: SignOffPagesPorts): void {
  /** Shows a page to a signed-in person with the permission; sends others to sign in. */
  const forPerson = (
    request: FastifyRequest,
    caller: Caller,
    permission: string,
    show: (person: UserCaller) => Promise<Answer>,
  ): Promise<Answer> =>
    asPage(async () => {
      const found = await sessionCaller(ports, request.headers.cookie, caller.request);
      const person = found && userOf(found);
      if (person === null) return goTo(`/login?${new URLSearchParams({ next: safeNext(request.url) })}`);
      if (!person.permissions.has(permission)) throw permissionMissing();
      return show(person);
    });

  bind(routes, showSignOffsEndpoint, (_input, caller, request) =>
    forPerson(request, caller, signoffsRead.name, async () => {
      const { signoffs } = await listSignOffs(ports, { state: 'pending', limit: LISTED });
      return showPage(200, signOffsPage(signoffs, await readSignOffNames(ports, signoffs)));
    }),
  );
  bind(routes, showSignOffEndpoint, ({ params }, caller, request) =>
    forPerson(request, caller, signoffsRead.name, async (person) => {
      const signOff = await readSignOff(ports, params, person);
      const { token, setCookie } = tieForm(ports, request, aboutOf(signOff.signoff_id, signOff.arguments_sha256));
      const page = signOffPage({
        formToken: token,
        signOff,
        names: await readSignOffNames(ports, [signOff]),
        userId: person.userId,
        roles: rolesFor(person, signOff),
        isFresh: isFresh(ports, person),
      });
      return showPage(200, page, { setCookie });
    }),
  );
  bind(routes, sendSignOffEndpoint, ({ params, body }, caller, request) =>
    forPerson(request, caller, signoffsApprove.name, async (person) => {
      const { form_token: formToken, comment, ...decided } = body;
      const about = aboutOf(params.signoff_id, decided.arguments_sha256);
      if (!isOwnForm(ports, request, formToken, about)) return expiredForm();
      await decideSignOff(ports, { ...params, ...decided, comment: comment === '' ? undefined : comment }, person);
      return goTo(`/signoff/${params.signoff_id}`);
    }),
  );
}
