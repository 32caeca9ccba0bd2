import { answerSecondFactor } from '../../domain/identity/factors/answer-second-factor.ts';
import { confirmTotpEnrolment, enrolTotp } from '../../domain/identity/factors/enrol-totp.ts';
import { preparePasskey, registerPasskey } from '../../domain/identity/factors/register-passkey.ts';
import { removePasskey, removeTotpFactor } from '../../domain/identity/factors/remove-factor.ts';
import { renewRecoveryCodes } from '../../domain/identity/factors/renew-recovery-codes.ts';
import { askForPasskey, signInWithPasskey } from '../../domain/identity/factors/sign-in-with-passkey.ts';
import { stepUp } from '../../domain/identity/factors/step-up.ts';

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
