import type { LegacySystemAdapter } from './adapter.ts';
import { betterAuthAdapter } from './better-auth.ts';
import { clerkAdapter } from './clerk.ts';
import { csvAdapter, ndjsonAdapter } from './generic.ts';
import { mongoAdapter } from './mongo.ts';

/** Every kind of system that users can come from, and go back to. */
export const adapters: readonly LegacySystemAdapter[] = [
  betterAuthAdapter,
  clerkAdapter,
  csvAdapter,
  mongoAdapter,
  ndjsonAdapter,
];

export const findAdapter = (kind: string): LegacySystemAdapter | undefined =>
  adapters.find((adapter) => adapter.kind === kind);
