import type { RawSpeed } from '../baselines/raw-crypto.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { startBenchIssuer } from '../lib/bench-issuer.ts';
import { alternate, medianOf, middleSpeed, type Speed, speed } from '../lib/rounds.ts';
import { startVerifier, type VerifierLanguage } from '../lib/verifier-process.ts';
import { ratioDetail } from './setup.ts';

const LIVE_REVOCATIONS = 100_000;
const WARM_UP_SECONDS = 2;

type Memory = { readonly entries: number; readonly bytes: number };

/** In new processes, which hold nothing else. */
async function memoryOf(
  context: BenchContext,
  language: VerifierLanguage,
): Promise<{ heap: number; resident: number }> {
  const issuer = await startBenchIssuer({ revocations: LIVE_REVOCATIONS });
  const measure = async (operation: 'memory' | 'resident'): Promise<number> => {
    const worker = await startVerifier(context, language);
    const { entries, bytes } = await worker.ask<Memory>({ operation, issuer: issuer.url });
    await worker.close();
    if (entries !== LIVE_REVOCATIONS) throw new Error(`${entries} of ${LIVE_REVOCATIONS} revocations are in memory`);
    return bytes;
  };
  try {
    return { heap: await measure('memory'), resident: await measure('resident') };
  } finally {
    issuer.close();
  }
}

type Ratio = {
  readonly name: string;
  readonly target?: Figure['target'];
  /** From the tokens per CPU-second of subject and baseline. */
  readonly value: (ours: number, base: number) => number;
};

/** What a language promises for tokens that its verifier has never seen, and for those that it has. */
type Promised = { readonly about: string; readonly fresh: Ratio; readonly repeated: Ratio };

const verifierBench = (language: VerifierLanguage, { about, fresh, repeated }: Promised): Bench => ({
  name: `verifier-${language}`,
  about: `${about}, and the memory of its revocations`,
  async run(context) {
    const issuer = await startBenchIssuer();
    context.onClose(issuer.close);
    const worker = await startVerifier(context, language);
    const measure = async (operation: string, seconds = context.seconds): Promise<Speed> => {
      const ran = await worker.ask<RawSpeed>({ operation, issuer: issuer.url, seconds });
      return speed(ran.operations, ran.seconds, ran.cpuSeconds);
    };
    for (const operation of ['raw', 'fresh', 'repeated']) await measure(operation, WARM_UP_SECONDS);
    const rounds = await alternate(
      context.rounds,
      {
        raw: () => measure('raw'),
        fresh: () => measure('fresh'),
        repeated: () => measure('repeated'),
      },
      (round) => context.say(`round ${round} of ${context.rounds}`),
    );
    await worker.close();
    const memory = await memoryOf(context, language);
    const ratio = (of: 'fresh' | 'repeated', { name, target, value }: Ratio): Figure => ({
      name,
      unit: 'ratio by CPU time',
      value: medianOf(rounds, (round) => value(round[of].perCpuSecond, round.raw.perCpuSecond)),
      ...(target === undefined ? {} : { target }),
      measured: rounds,
      detail: ratioDetail(middleSpeed(rounds, of), middleSpeed(rounds, 'raw')),
    });
    return [
      ratio('fresh', fresh),
      ratio('repeated', repeated),
      {
        name: 'verifier package, heap of 100,000 live revocations',
        unit: 'MB',
        value: memory.heap / 1e6,
        target: { atMost: 50 },
        measured: memory,
        detail: `${(memory.heap / LIVE_REVOCATIONS).toFixed(0)} bytes a revocation; reading them, the process grew by ${(memory.resident / 1e6).toFixed(0)} MB`,
      },
    ];
  },
});

const throughput = (ours: number, base: number): number => ours / base;
const cost = (ours: number, base: number): number => base / ours;

export const verifierTypescript = verifierBench('typescript', {
  about: 'the TypeScript verifier package against raw jose',
  fresh: {
    name: 'verifier package, never-seen tokens ÷ jose jwtVerify (RS256)',
    target: { atLeast: 0.8 },
    value: throughput,
  },
  repeated: {
    name: 'verifier package, repeated tokens ÷ jose jwtVerify (RS256)',
    target: { atLeast: 20 },
    value: throughput,
  },
});

export const verifierPython = verifierBench('python', {
  about: 'the Python verifier package against raw PyJWT',
  fresh: { name: 'CPU time of a never-seen token ÷ jwt.decode (RS256)', target: { atMost: 1.3 }, value: cost },
  repeated: { name: 'verifier package, repeated tokens ÷ jwt.decode (RS256)', value: throughput },
});

export const verifierGo = verifierBench('go', {
  about: 'the Go verifier package against raw RSA verification and JSON',
  fresh: {
    name: 'CPU time of a never-seen token ÷ rsa.VerifyPKCS1v15 and json.Unmarshal (RS256)',
    target: { atMost: 1.2 },
    value: cost,
  },
  repeated: {
    name: 'verifier package, repeated tokens ÷ rsa.VerifyPKCS1v15 and json.Unmarshal (RS256)',
    value: throughput,
  },
});
