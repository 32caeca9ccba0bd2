// For tests only: a log that says nothing.
import type { Log } from '../services/domain/ports.ts';

export const quietLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
