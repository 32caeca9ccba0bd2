import type { RawSpeed } from '../baselines/raw-crypto.ts';
import type { MemoryMeasured } from '../baselines/verifier-typescript.ts';
import type { Bench, Figure } from '../lib/bench.ts';
import { alternate, medianOf, middleSpeed, type Speed, speed } from '../lib/rounds.ts';
import { ratioDetail } from './setup.ts';

const LIVE_REVOCATIONS = 100_000;

export const verifierTypescript: Bench = {
  name: 'verifier-typescript',
  about: 'the TypeScript verifier package against raw jose, and the memory of its revocations',
  async run(context) {
    const worker = context.baseline('verifier-typescript.ts');
    const measure = async (operation: string, seconds = context.seconds): Promise<Speed> => {
      const { operations, seconds: took, cpuSeconds } = await worker.ask<RawSpeed>({ operation, seconds });
      return speed(operations, took, cpuSeconds);
    };
    for (const operation of ['jose', 'fresh', 'repeated']) await measure(operation, 2);
    const rounds = await alternate(context.rounds, {
      jose: () => measure('jose'),
      fresh: () => measure('fresh'),
      repeated: () => measure('repeated'),
    });
    // In a new process, whose heap holds nothing else.
    const memory = await context
      .baseline('verifier-typescript.ts')
      .ask<MemoryMeasured>({ operation: 'memory', entries: LIVE_REVOCATIONS });
    const ratio = (name: string, of: 'fresh' | 'repeated', atLeast: number): Figure => ({
      name,
      unit: 'ratio per CPU-second',
      value: medianOf(rounds, (round) => round[of].perCpuSecond / round.jose.perCpuSecond),
      target: { atLeast },
      measured: rounds,
      detail: ratioDetail(middleSpeed(rounds, of), middleSpeed(rounds, 'jose')),
    });
    return [
      ratio('verifier package, never-seen tokens ÷ jose jwtVerify (RS256)', 'fresh', 0.8),
      ratio('verifier package, repeated tokens ÷ jose jwtVerify (RS256)', 'repeated', 20),
      {
        name: 'verifier package, heap of 100,000 live revocations',
        unit: 'MB',
        value: memory.heapBytes / 1e6,
        target: { atMost: 50 },
        measured: memory,
        detail: `${(memory.heapBytes / memory.entries).toFixed(0)} bytes a revocation`,
      },
    ];
  },
};
