import { setTimeout as sleep } from 'node:timers/promises';
import { WAYS_DOWN } from '../load/hand-offs.ts';
import { type Fault, fault } from './fault.ts';

const DOWN_MS = 12_000;

/** Hand-offs wait meanwhile. */
export const receiverFaults: readonly Fault[] = WAYS_DOWN.map((how) =>
  fault(`receiver-${how}`, async ({ receiver }) => {
    receiver.breakDown(how);
    await sleep(DOWN_MS);
    receiver.restore();
    return `for ${DOWN_MS} ms`;
  }),
);
