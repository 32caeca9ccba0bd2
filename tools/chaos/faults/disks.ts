import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { GuaranteeViolated } from '../cases/case.ts';
import { type Fault, fault } from './fault.ts';

const FULL_MS = 6_000;
const REFILL_MS = 100;

type Heights = { readonly beat: number; readonly logSize: number };

/** How high the two high-water marks of the data directory are. */
function heightsOf(dataDir: string): Heights {
  const read = (name: string) => JSON.parse(readFileSync(join(dataDir, name), 'utf8'));
  return { beat: read('marks.json').beat, logSize: read('audit-mark.json').size };
}

/** Files that a process writes before they take their place. Only a killed process leaves one behind. */
const unfinishedIn = (dataDir: string): string[] =>
  readdirSync(dataDir).filter((name) => /^(marks|audit-mark)\.json\..*-/.test(name));

async function promised(what: string, isSo: () => boolean): Promise<void> {
  await eventually(what, isSo).catch((err: Error) => {
    throw new GuaranteeViolated(`after the marks could not be written or were lost, ${err.message}`);
  });
}

export const diskFaults: readonly Fault[] = [
  fault('lost-marks', async ({ system: { dataDir } }) => {
    const { beat } = heightsOf(dataDir);
    rmSync(join(dataDir, 'marks.json'));
    await promised(
      'the lost high-water mark of the database back',
      () => existsSync(join(dataDir, 'marks.json')) && heightsOf(dataDir).beat >= beat,
    );
    return `marks.json at beat ${beat}`;
  }),
  fault(
    'full-data-directory',
    async ({ system: { disk, dataDir } }) => {
      if (!disk) return 'no small disk';
      const unfinished = new Set(unfinishedIn(dataDir));
      const until = performance.now() + FULL_MS;
      let begin: Heights | undefined;
      try {
        do {
          disk.fill();
          begin ??= heightsOf(dataDir);
          await sleep(REFILL_MS);
        } while (performance.now() < until);
      } finally {
        disk.empty();
      }
      const full = heightsOf(dataDir);
      const isRaised = (name: keyof Heights) => () => heightsOf(dataDir)[name] > full[name];
      await promised('the high-water mark of the database raised again', isRaised('beat'));
      await promised('the high-water mark of the log raised again', isRaised('logSize'));
      await promised('a data directory without unfinished files', () =>
        unfinishedIn(dataDir).every((name) => unfinished.has(name)),
      );
      return `both copies for ${FULL_MS} ms, in which the mark rose by ${full.beat - begin.beat}`;
    },
    { needs: 'disk' },
  ),
];
