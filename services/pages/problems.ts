import { loginLocked } from '#services/core/identity/contracts/sign-in-errors.ts';
import { ASK_AGAIN_SECONDS } from '#services/core/identity/sign-in/sign-in-counters.ts';
import type { AppError } from '#services/platform/define/error.ts';
import type { Said } from './fields.ts';
import { wordsOf } from './texts/problem-words.ts';
import { ENGLISH, fill, type Language } from './texts/texts.ts';

/** @example waitText(600) // 'in 10 minutes' */
export function waitText(seconds: number, { tag }: Pick<Language, 'tag'> = ENGLISH): string {
  const [count, unit] =
    seconds < 90
      ? ([Math.max(1, Math.ceil(seconds)), 'second'] as const)
      : seconds < 7_200
        ? ([Math.ceil(seconds / 60), 'minute'] as const)
        : ([Math.ceil(seconds / 3_600), 'hour'] as const);
  return new Intl.RelativeTimeFormat(tag, { numeric: 'always' }).format(count, unit);
}

/** What went wrong, in one phrase. */
export const problemTitle = ({ code }: AppError, { tag }: Language = ENGLISH): string => wordsOf(code, tag)[0];

/** The address to open instead; undefined for other errors. */
export const addressOf = ({ options: { members } }: AppError): string | undefined =>
  typeof members?.address === 'string' ? members.address : undefined;

/**
 * What to do next, in full sentences; never reveals whether an account exists.
 * @param comesBack the page says itself that it tries again
 */
export function problemAdvice(error: AppError, language: Language = ENGLISH, comesBack = false): string {
  const { code, definition, options } = error;
  const { retryAfterSeconds } = options;
  const waits = definition.status === 429 || definition.status === 503;
  const isForGood = code === loginLocked.definition.code && (retryAfterSeconds ?? 0) >= ASK_AGAIN_SECONDS;
  const again =
    waits && !isForGood && !comesBack
      ? fill(language.advice.tryAgain, { time: waitText(retryAfterSeconds ?? 1, language) })
      : '';
  const advice = wordsOf(code, language.tag)[1] ?? (waits ? '' : language.advice.goBack);
  return fill(`${again} ${advice}`.trim(), { address: addressOf(error) ?? '' });
}

/** Title and advice in one text, for a form that is shown again after it failed. */
export const problemText = (error: AppError, language: Language = ENGLISH): string =>
  `${problemTitle(error, language)}. ${problemAdvice(error, language)}`;

/** The same in the language of the page that shows it. */
export const saidOf =
  (error: AppError): Said =>
  ({ language }) =>
    problemText(error, language);
