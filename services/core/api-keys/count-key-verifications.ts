import { createCountSummary } from '../audit/summarise-counts.ts';
import type { Ports } from '../ports.ts';
import { apiKeysVerified } from './audit-events.ts';
import { KEY_REFUSALS } from './key-refusal-shapes.ts';

export type KeyOutcome = 'active' | (typeof KEY_REFUSALS)[number];

/** How many keys this copy has verified for other services since its start, by result. */
type KeyVerifications = Record<KeyOutcome, number>;
export type HasKeyVerifications = { readonly keyVerifications: KeyVerifications };

export const createKeyVerifications = (): KeyVerifications =>
  Object.fromEntries(['active', ...KEY_REFUSALS].map((decision) => [decision, 0])) as KeyVerifications;

export const createKeySummary = (ports: Pick<Ports, 'sql' | 'log'> & HasKeyVerifications) =>
  createCountSummary(ports, 'key-verification-summary', apiKeysVerified, ports.keyVerifications);
