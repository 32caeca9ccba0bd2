import type { LegacySystemAdapter } from './adapter.ts';

/** Every kind of system that users can come from, and go back to. */
export const adapters: readonly LegacySystemAdapter[] = [];
