// For tests only: a log that says nothing.
import type { Log } from '../services/domain/ports.ts';

export const quietLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A log whose error messages can be read. */
export const errorsTo = (errors: string[]): Log => ({
  ...quietLog,
  error: (_fields, message) => void errors.push(message),
});
