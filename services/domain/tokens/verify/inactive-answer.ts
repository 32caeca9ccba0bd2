import { inactiveReasons } from '#observability/metrics/tokens.ts';
import type { InactiveReason } from './verdict-shapes.ts';

const answers = Object.fromEntries(
  inactiveReasons.map((reason) => [reason, `{"active":false,"reason":"${reason}"}`]),
) as Readonly<Record<InactiveReason, string>>;

/** The validate answer for a token that is not active, ready to send. */
export const inactiveAnswer = (reason: InactiveReason): string => answers[reason];
