import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import type { Clock, Random } from '../../domain/ports.ts';

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

export const systemRandom: Random = { bytes: (count) => randomBytes(count), uuid: () => v7() };
