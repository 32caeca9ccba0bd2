import type { Tx } from '../ports.ts';
import { type LockedAgent, lockAgentRow } from './locked-agents.store.ts';

/**
 * The agent and its owner as their rows say now, kept as they are until commit: for decisions that must not rest on what
 * this copy remembers. Call it before anything that locks other rows. Undefined for a client that is no agent.
 */
export const lockAgent = (tx: Tx, clientId: string): Promise<LockedAgent | undefined> => lockAgentRow(tx, clientId);
