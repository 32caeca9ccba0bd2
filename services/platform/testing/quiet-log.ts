// For tests only: a log that says nothing.
import type { Log } from '../../domain/ports.ts';

export const quietLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
