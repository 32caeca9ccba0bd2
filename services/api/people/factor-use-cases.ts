import { answerSecondFactor } from '#services/domain/identity/factors/answer-second-factor.ts';
import { confirmTotpEnrolment, enrolTotp } from '#services/domain/identity/factors/enrol-totp.ts';
import { preparePasskey, registerPasskey } from '#services/domain/identity/factors/register-passkey.ts';
import { removePasskey, removeTotpFactor } from '#services/domain/identity/factors/remove-factor.ts';
import { renewRecoveryCodes } from '#services/domain/identity/factors/renew-recovery-codes.ts';
import { askForPasskey, signInWithPasskey } from '#services/domain/identity/factors/sign-in-with-passkey.ts';
import { stepUp } from '#services/domain/identity/factors/step-up.ts';

/** Second factors, passkeys and the step-up to a fresh login. */
export const factorUseCases = {
  answerSecondFactor,
  stepUp,
  enrolTotp,
  confirmTotpEnrolment,
  removeTotpFactor,
  renewRecoveryCodes,
  preparePasskey,
  registerPasskey,
  removePasskey,
  askForPasskey,
  signInWithPasskey,
} as const;
