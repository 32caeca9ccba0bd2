import { describe, expect, test } from 'vitest';
import { storeUnavailable } from '../platform/errors.ts';
import { runStep } from './migrate-and-seed.ts';

/** Runs a step that throws these errors, one per call, before it succeeds. */
async function runFailing(errors: readonly Error[], isWanted = true): Promise<{ runs: number; log: string[] }> {
  let runs = 0;
  const log: string[] = [];
  const run = async (): Promise<void> => {
    runs += 1;
    const err = errors[runs - 1];
    if (err) throw err;
  };
  const input = {
    databaseUrl: 'postgres://u:hidden-word@db/d',
    redisUrl: '',
    dataDir: '',
    log: (text: string) => void log.push(text),
  };
  await runStep({ name: 'the sample', run }, input, 30, () => isWanted).catch((err: unknown) => {
    throw Object.assign(err as Error, { runs });
  });
  return { runs, log };
}

const slow = (): Error => storeUnavailable({ cause: new Error('timeout exceeded when trying to connect') });

describe('a preparation step', () => {
  test('is retried while the database is slow, and the log names its host and port', async () => {
    const { runs, log } = await runFailing([slow(), slow()]);
    expect(runs).toBe(3);
    expect(log).toEqual([
      'PostgreSQL at db:5432 does not answer: timed out; retrying for up to 30 s (fix: check that it runs and is not overloaded, and check host and port in DATABASE_URL)',
    ]);
  });

  test('is not retried after a failure of its own', () =>
    expect(runFailing([new Error('plain')])).rejects.toMatchObject({ runs: 1 }));

  test('is not retried once a stop was requested', () =>
    expect(runFailing([slow()], false)).rejects.toMatchObject({ runs: 1 }));
});
