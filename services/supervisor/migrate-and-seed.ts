import { prepare } from '../migrate/prepare.ts';
import { directVariableOf } from '../platform/process/probe-store.ts';
import type { OwnLog } from '../platform/process/store-trouble.ts';
import { waitForStore } from '../platform/process/store-wait.ts';

/** The input of a preparation step; `log` takes progress messages for operators. */
type PrepareInput = {
  databaseUrl: string;
  /** Of the pooler in front of it, if there is one. */
  pooledUrl?: string | undefined;
  redisUrl: string;
  dataDir: string;
  log: (text: string) => void;
};

/** A step between "stores are up" and "children start"; must be safe to run twice, also at once in two starts. */
export type PreparationStep = {
  /** What the operator waits for, as in "waiting for …". */
  name: string;
  run: (input: PrepareInput) => Promise<unknown>;
};

/** The steps of a start, in order: the one place to add to. */
export const preparationSteps: readonly PreparationStep[] = [
  { name: 'the database to be migrated, given keys and seeded', run: prepare },
];

/** Runs one step, and retries it while the database is away or slow; `isWanted` false ends the retries. */
export function runStep(
  step: PreparationStep,
  input: PrepareInput,
  waitSeconds: number,
  isWanted: () => boolean,
  ownLog?: OwnLog,
): Promise<unknown> {
  const wait = {
    store: 'PostgreSQL',
    url: input.databaseUrl,
    variable: ownLog ?? directVariableOf(input.pooledUrl),
    waitSeconds,
    say: input.log,
    isWanted,
  } as const;
  return waitForStore(() => step.run(input), wait);
}
