import { advanceKeyRing } from '#services/domain/keys/advance-key-ring.ts';
import { advanceKeyRingJob } from '../contracts/keys.ts';
import { fenced, run } from './run.ts';

export const keysProcessors = [
  run(advanceKeyRingJob, (ports, _payload, { fence, caller }) => advanceKeyRing(fenced(ports, fence), caller)),
];
