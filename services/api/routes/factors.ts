import {
  answerSecondFactorEndpoint,
  confirmTotpEndpoint,
  enrolTotpEndpoint,
  listFactorsEndpoint,
  removeTotpEndpoint,
  renewRecoveryCodesEndpoint,
  stepUpEndpoint,
} from '#services/domain/identity/factors/factors-contract.ts';
import { listFactors, listPasskeys, renamePasskey } from '#services/domain/identity/factors/own-factors.ts';
import {
  askForPasskeyEndpoint,
  listPasskeysEndpoint,
  preparePasskeyEndpoint,
  registerPasskeyEndpoint,
  removePasskeyEndpoint,
  renamePasskeyEndpoint,
  signInWithPasskeyEndpoint,
} from '#services/domain/identity/factors/passkeys-contract.ts';
import { assertOwnPage } from '#services/domain/identity/sessions/csrf.ts';
import type { LoginAnswer } from '#services/domain/identity/sessions/open-session.ts';
import { type Answer, answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { type People, type PeoplePorts, peopleHere } from '../people/people.ts';

const opened = ({ body, setCookie }: LoginAnswer): Answer => answer(200, body, { 'set-cookie': setCookie });

/** Second factors, passkeys and the step-up to a fresh login. */
export function factorsRoutes(routes: RouteContext, deps: PeoplePorts, people: People = peopleHere(deps)): void {
  bind(routes, answerSecondFactorEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    const { recovery_code: recoveryCode, ...rest } = body;
    return opened(await people.answerSecondFactor({ ...rest, recoveryCode, cookie: headers.cookie, signal }, caller));
  });
  bind(routes, stepUpEndpoint, async ({ body }, caller, { headers, signal }) => {
    const { recovery_code: recoveryCode, ...rest } = body;
    return opened(await people.stepUp({ ...rest, recoveryCode, cookie: headers.cookie, signal }, caller));
  });
  bind(routes, listFactorsEndpoint, (_input, caller) => listFactors(deps, caller));
  bind(routes, enrolTotpEndpoint, async ({ body }, caller, { headers, signal }) => {
    const { totpUri, recoveryCodes } = await people.enrolTotp({ ...body, cookie: headers.cookie, signal }, caller);
    return { totp_uri: totpUri, recovery_codes: recoveryCodes };
  });
  bind(routes, confirmTotpEndpoint, async ({ body }, caller, { headers, signal }) =>
    opened(await people.confirmTotpEnrolment({ ...body, cookie: headers.cookie, signal }, caller)),
  );
  bind(routes, removeTotpEndpoint, async (_input, caller, { headers, signal }) =>
    opened(await people.removeTotpFactor({ cookie: headers.cookie, signal }, caller)),
  );
  bind(routes, renewRecoveryCodesEndpoint, async (_input, caller) => {
    const { recoveryCodes } = await people.renewRecoveryCodes({}, caller);
    return { recovery_codes: recoveryCodes };
  });
  bind(routes, preparePasskeyEndpoint, (_input, caller) => people.preparePasskey({}, caller));
  bind(routes, registerPasskeyEndpoint, async ({ body }, caller, { headers, signal }) => {
    const made = await people.registerPasskey({ ...body, cookie: headers.cookie, signal }, caller);
    const { body: login, setCookie } = made.login;
    const whole = { ...login, passkey_id: made.passkeyId, recovery_codes: made.recoveryCodes };
    return answer(201, whole, { 'set-cookie': setCookie });
  });
  bind(routes, askForPasskeyEndpoint, (_input, caller, { headers }) => {
    assertOwnPage(deps, headers);
    return people.askForPasskey({}, caller);
  });
  bind(routes, signInWithPasskeyEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    return opened(await people.signInWithPasskey({ ...body, cookie: headers.cookie, signal }, caller));
  });
  bind(routes, listPasskeysEndpoint, (_input, caller) => listPasskeys(deps, caller));
  bind(routes, renamePasskeyEndpoint, ({ params, body }, caller) =>
    renamePasskey(deps, { ...params, ...body }, caller),
  );
  bind(routes, removePasskeyEndpoint, async ({ params }, caller, { headers, signal }) =>
    opened(await people.removePasskey({ ...params, cookie: headers.cookie, signal }, caller)),
  );
}
