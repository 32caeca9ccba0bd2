import { setTimeout as sleep } from 'node:timers/promises';
import { isAppError } from '../platform/define/error.ts';
import { prepare } from '../platform/local/prepare.ts';

/** What a preparation step is given; `log` takes talk for people. */
export interface PrepareInput {
  databaseUrl: string;
  redisUrl: string;
  dataDir: string;
  log: (text: string) => void;
}

/** A step between "stores are up" and "children start"; must be safe to run twice and at once in two starts. */
export interface PreparationStep {
  /** What a reader waits for, as in "waiting for …". */
  name: string;
  run: (input: PrepareInput) => Promise<unknown>;
}

/** The steps of a start, in order: the one place to add to. */
export const preparationSteps: readonly PreparationStep[] = [
  { name: 'the database to be migrated, given keys and seeded', run: prepare },
];

const attempts = 5;
const betweenAttemptsMs = 1_000;

/** Whether the error says of itself that trying again may help: a store slow to answer on a busy machine. */
const isWorthAnotherTry = (err: unknown): boolean => isAppError(err) && err.definition.retryable;

/** Runs one step, again after a pause while its failure may pass; `isWanted` false ends the trying. */
export async function runStep(
  step: PreparationStep,
  input: PrepareInput,
  isWanted: () => boolean,
  pauseMs = betweenAttemptsMs,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await step.run(input);
      return;
    } catch (err) {
      if (attempt >= attempts || !isWanted() || !isWorthAnotherTry(err)) throw err;
      input.log(`${(err as Error).message} while waiting for ${step.name}; trying again`);
      await sleep(pauseMs);
    }
  }
}
