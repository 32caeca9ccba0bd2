import { loginLocked } from '#services/domain/identity/errors.ts';
import { ASK_AGAIN_SECONDS } from '#services/domain/identity/sign-in/sign-in-counters.ts';
import type { AppError } from '#services/platform/define/error.ts';

/** What the user of a page can do next; the `fix` of an error is for developers. */
const ADVICE: Readonly<Record<string, string>> = {
  login_refused: 'Check the e-mail address and the password, and try again.',
  login_locked:
    'You can use a passkey, sign in on a device where you have signed in before, ask for an unlock mail at /account/unlock, or reset your password.',
  second_factor_refused: 'Wait until your app shows the next code and enter it, or use a recovery code.',
  second_factor_locked: 'You can use a recovery code or a passkey.',
  challenge_over: 'Sign in again.',
  passkey_refused: 'Try another passkey, or sign in with your password.',
  social_sign_in_refused: 'Start again in this browser.',
  social_provider_unavailable: 'You can also sign in another way.',
  social_email_unproven: 'Verify your address with that provider, or sign in another way.',
  social_account_taken: 'Sign in to that other account, or unlink the provider there first.',
};

const TITLES: Readonly<Record<string, string>> = {
  second_factor_refused: 'This code is wrong, or was used before',
  challenge_over: 'This sign-in took too long or had too many wrong codes',
  passkey_refused: 'This service does not accept this passkey',
  request_invalid: 'The server could not read this request',
};

/** @example waitText(600) // 'in 10 minutes' */
export function waitText(seconds: number): string {
  const [count, unit] =
    seconds < 90
      ? [Math.max(1, Math.ceil(seconds)), 'second']
      : seconds < 7_200
        ? [Math.ceil(seconds / 60), 'minute']
        : [Math.ceil(seconds / 3_600), 'hour'];
  return `in ${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** What went wrong, in one phrase. */
export const problemTitle = ({ code, definition }: AppError): string => TITLES[code] ?? definition.title;

/** What to do next, in full sentences; never reveals whether an account exists. */
export function problemAdvice({ code, definition, options }: AppError): string {
  const { retryAfterSeconds } = options;
  const waits = definition.status === 429 || definition.status === 503;
  const isForGood = code === loginLocked.definition.code && (retryAfterSeconds ?? 0) >= ASK_AGAIN_SECONDS;
  const again = waits && !isForGood ? `Try again ${waitText(retryAfterSeconds ?? 1)}.` : '';
  const advice = ADVICE[code] ?? (waits ? '' : 'Go back and try again.');
  return `${again} ${advice}`.trim();
}

/** Title and advice in one text, for a form that is shown again after it failed. */
export const problemText = (error: AppError): string => `${problemTitle(error)}. ${problemAdvice(error)}`;
