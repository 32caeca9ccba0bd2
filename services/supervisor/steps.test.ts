import { describe, expect, test } from 'vitest';
import { defineError } from '../platform/define/error.ts';
import { runStep } from './steps.ts';

const sample = { status: 503, title: 'A sample', cause: 'The test.', fix: 'None.' };
const passing = defineError({ ...sample, code: 'sample_passing', retryable: true });
const lasting = defineError({ ...sample, code: 'sample_lasting', retryable: false });

/** Runs a step that throws these errors, one each time, before it succeeds. */
async function runFailing(errors: readonly Error[], isWanted = true): Promise<{ runs: number; log: string[] }> {
  let runs = 0;
  const log: string[] = [];
  const run = async (): Promise<void> => {
    runs += 1;
    const err = errors[runs - 1];
    if (err) throw err;
  };
  const input = { databaseUrl: '', redisUrl: '', dataDir: '', log: (text: string) => void log.push(text) };
  await runStep({ name: 'the sample', run }, input, () => isWanted, 1).catch((err: unknown) => {
    throw Object.assign(err as Error, { runs });
  });
  return { runs, log };
}

describe('a preparation step', () => {
  test('is tried again, said aloud, while its failure may pass', async () => {
    const { runs, log } = await runFailing([passing(), passing()]);
    expect(runs).toBe(3);
    expect(log).toEqual(Array(2).fill('sample_passing while waiting for the sample; trying again'));
  });

  test('is given up after five times', async () => {
    await expect(runFailing(Array.from({ length: 9 }, () => passing()))).rejects.toMatchObject({ runs: 5 });
  });

  test.each([lasting(), new Error('plain')])('is not tried again after %s', async (err) => {
    await expect(runFailing([err])).rejects.toMatchObject({ runs: 1 });
  });

  test('is not tried again once a stop was asked for', async () => {
    await expect(runFailing([passing()], false)).rejects.toMatchObject({ runs: 1 });
  });
});
