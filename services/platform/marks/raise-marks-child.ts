// One of several processes of a test: raises marks to higher and lower values in a different order.
import { createFileMarks } from './file-marks.ts';

const [, , dataDir, seedText] = process.argv;
const seed = Number(seedText);
const marks = createFileMarks(dataDir as string);
for (let turn = 0; turn < 60; turn += 1) {
  const step = (turn * 37 + seed * 11) % 60;
  const isPeak = turn === 20;
  await marks.raise({
    incarnation: 'i1',
    revocationEpoch: isPeak ? 300 + seed : step,
    beat: isPeak ? 1_000 + seed : step * 3,
  });
}
process.disconnect?.();
