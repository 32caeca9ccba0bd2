import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Something that must be green before the next one begins. */
export type GateStep = {
  readonly name: string;
  /** @throws the reason why the release stops here */
  run(): Promise<void>;
};

export type StepResult = { readonly name: string; readonly seconds: number; readonly failure?: string };

/** Runs a command with the output of this process. @throws if it ends with anything but 0 */
export async function runCommand(
  command: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const child = spawn(command, args, {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
    // A whole command line, as an operator gives it, has no arguments beside it.
    shell: args.length === 0,
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${signal ?? code}`);
}

/** Runs the steps in order until one fails: those after it do not run. */
export async function runSteps(steps: readonly GateStep[], say: (text: string) => void): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const { name, run } of steps) {
    const startedAt = performance.now();
    const seconds = (): number => Math.round(performance.now() - startedAt) / 1_000;
    say(`${name} …`);
    try {
      await run();
      results.push({ name, seconds: seconds() });
    } catch (err) {
      results.push({ name, seconds: seconds(), failure: (err as Error).message });
      say(`BLOCKED by ${name}: ${(err as Error).message}`);
      break;
    }
  }
  return results;
}
