import { inactiveReasons } from '#observability/metrics/tokens.ts';
import type { InactiveReason } from './validation-shapes.ts';

const answers = Object.fromEntries(
  inactiveReasons.map((reason) => [reason, `{"active":false,"reason":"${reason}"}`]),
) as Readonly<Record<InactiveReason, string>>;

/** The validate response for an inactive token, as JSON text. */
export const inactiveAnswer = (reason: InactiveReason): string => answers[reason];
