import type { Ports } from '../ports.ts';
import { deleteOldCheckpoints } from './checkpoints.store.ts';

/**
 * Of the checkpoints of each hour that is over a week old keeps the last, and every one that proves a fork. Any proof
 * can be made anew against a later checkpoint, so nothing becomes unprovable.
 * @returns how many were deleted
 */
export const thinCheckpoints = ({ sql }: Pick<Ports, 'sql'>): Promise<number> => deleteOldCheckpoints(sql);
