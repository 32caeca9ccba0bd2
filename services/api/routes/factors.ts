import { clientSignIn } from '#services/core/identity/better-auth-client/client-views.ts';
import {
  answerSecondFactorEndpoint,
  confirmTotpEndpoint,
  enrolTotpEndpoint,
  offerOwedFactorEndpoint,
  removeTotpEndpoint,
  stepUpEndpoint,
} from '#services/core/identity/contracts/factors-contract.ts';
import {
  askForPasskeyEndpoint,
  registerPasskeyEndpoint,
  removePasskeyEndpoint,
  signInWithPasskeyEndpoint,
} from '#services/core/identity/contracts/passkeys-contract.ts';
import { answerSecondFactor } from '#services/core/identity/factors/answer-second-factor.ts';
import { offerOwedFactor } from '#services/core/identity/factors/enrol-owed-factor.ts';
import { confirmTotpEnrolment, enrolTotp } from '#services/core/identity/factors/enrol-totp.ts';
import { registerPasskey } from '#services/core/identity/factors/register-passkey.ts';
import { removePasskey, removeTotpFactor } from '#services/core/identity/factors/remove-factor.ts';
import { askForPasskey, signInWithPasskey } from '#services/core/identity/factors/sign-in-with-passkey.ts';
import { stepUp } from '#services/core/identity/factors/step-up.ts';
import { verifySentPassword } from '#services/core/identity/factors/verify-own-password.ts';
import { assertOwnPage } from '#services/core/identity/sessions/csrf.ts';
import type { SignInAnswer } from '#services/core/identity/sessions/open-session.ts';
import type { SignInPorts } from '#services/core/identity/sign-in/sign-in.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';

const opened = ({ body, setCookie }: SignInAnswer): Answer => answer(200, body, { 'set-cookie': setCookie });

export function factorsRoutes(routes: RouteContext, deps: SignInPorts): void {
  bind(routes, answerSecondFactorEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    const { recovery_code: recoveryCode, ...rest } = body;
    return opened(await answerSecondFactor(deps, { ...rest, recoveryCode, cookie: headers.cookie, signal }, caller));
  });
  bind(routes, offerOwedFactorEndpoint, async ({ body }, _caller, { headers }) => {
    assertOwnPage(deps, headers);
    const { totpUri, recoveryCodes } = await offerOwedFactor(deps, body);
    return { totp_uri: totpUri, recovery_codes: recoveryCodes };
  });
  bind(routes, stepUpEndpoint, async ({ body }, caller, { headers, signal }) => {
    const { recovery_code: recoveryCode, ...rest } = body;
    return opened(await stepUp(deps, { ...rest, recoveryCode, cookie: headers.cookie, signal }, caller));
  });
  bind(routes, enrolTotpEndpoint, async ({ body }, caller, { headers, signal }) => {
    const { totpUri, recoveryCodes } = await enrolTotp(deps, { ...body, cookie: headers.cookie, signal }, caller);
    return {
      method: 'totp',
      totpURI: totpUri,
      backupCodes: recoveryCodes,
      totp_uri: totpUri,
      recovery_codes: recoveryCodes,
    };
  });
  bind(routes, confirmTotpEndpoint, async ({ body }, caller, { headers, signal }) =>
    opened(await confirmTotpEnrolment(deps, { ...body, cookie: headers.cookie, signal }, caller)),
  );
  bind(routes, removeTotpEndpoint, async ({ body }, caller, { headers, signal }) => {
    await verifySentPassword(deps, { password: body?.password, cookie: headers.cookie, signal }, caller);
    const made = await removeTotpFactor(deps, { cookie: headers.cookie, signal }, caller);
    return answer(200, { ...clientSignIn(made), status: true }, { 'set-cookie': made.setCookie });
  });
  bind(routes, registerPasskeyEndpoint, async ({ body }, caller, { headers, signal }) => {
    const made = await registerPasskey(deps, { ...body, cookie: headers.cookie, signal }, caller);
    const { body: signedIn, setCookie } = made.signedIn;
    const whole = { ...signedIn, passkey_id: made.passkeyId, recovery_codes: made.recoveryCodes };
    return answer(201, whole, { 'set-cookie': setCookie });
  });
  bind(routes, askForPasskeyEndpoint, (_input, _caller, { headers }) => {
    assertOwnPage(deps, headers);
    return askForPasskey(deps);
  });
  bind(routes, signInWithPasskeyEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    return opened(await signInWithPasskey(deps, { ...body, cookie: headers.cookie, signal }, caller));
  });
  bind(routes, removePasskeyEndpoint, async ({ params }, caller, { headers, signal }) =>
    opened(await removePasskey(deps, { ...params, cookie: headers.cookie, signal }, caller)),
  );
}
