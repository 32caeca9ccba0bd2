import { createCountSummary } from '#services/core/audit/summarise-counts.ts';
import type { Ports } from '#services/core/ports.ts';
import { tokensValidated } from '../audit-events.ts';
import type { HasValidationCounts } from './validation-counts.ts';

/** Counts of validated tokens, by result and reason. */
export const createValidationSummary = (ports: Pick<Ports, 'sql' | 'log'> & HasValidationCounts) =>
  createCountSummary(ports, 'validation-summary', tokensValidated, ports.validationCounts);
