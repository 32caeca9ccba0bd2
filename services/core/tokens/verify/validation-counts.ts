import { inactiveReasons } from '#observability/metrics/tokens.ts';
import type { InactiveReason } from './validation-shapes.ts';

/** How many tokens this copy has validated since its start, by result. Validation adds to it. */
type ValidationCounts = Record<'active' | InactiveReason, number>;

export type HasValidationCounts = { readonly validationCounts: ValidationCounts };

export const createValidationCounts = (): ValidationCounts =>
  Object.fromEntries(['active', ...inactiveReasons].map((result) => [result, 0])) as ValidationCounts;
