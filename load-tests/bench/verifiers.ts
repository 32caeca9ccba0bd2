import type { Bench, BenchContext } from '../lib/bench.ts';
import { startBenchIssuer } from '../lib/bench-issuer.ts';
import type { Figure } from '../lib/figure.ts';
import { alternateSpeeds, type RawSpeed, ratio, rawSpeed, type Speed } from '../lib/pairs.ts';
import { startVerifier, type VerifierLanguage } from '../lib/verifier-process.ts';

const LIVE_REVOCATIONS = 100_000;
const WARM_UP_SECONDS = 2;

type Memory = { readonly entries: number; readonly bytes: number };

/** In new processes, which hold nothing else. */
async function memoryOf(context: BenchContext, language: VerifierLanguage) {
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

type Promised = {
  readonly about: string;
  readonly limit: string;
  /** The names of the figures for tokens that its verifier has never seen, and for those that it has. */
  readonly fresh: Pick<Figure, 'name' | 'target'> & { readonly isCost?: boolean };
  readonly repeated: Pick<Figure, 'name' | 'target'>;
};

const verifierBench = (language: VerifierLanguage, { about, limit, fresh, repeated }: Promised): Bench => ({
  name: `verifier-${language}`,
  about: `${about}, and the memory of its revocations`,
  limit,
  async run(context) {
    const issuer = await startBenchIssuer();
    context.onClose(issuer.close);
    const worker = await startVerifier(context, language);
    const measure = async (operation: string, seconds = context.seconds): Promise<Speed> =>
      rawSpeed(await worker.ask<RawSpeed>({ operation, issuer: issuer.url, seconds }));
    for (const operation of ['raw', 'fresh', 'repeated']) await measure(operation, WARM_UP_SECONDS);
    const pairs = await alternateSpeeds(context, {
      raw: () => measure('raw'),
      fresh: () => measure('fresh'),
      repeated: () => measure('repeated'),
    });
    await worker.close();
    const memory = await memoryOf(context, language);
    const unit = 'ratio by CPU time';
    return [
      ratio(pairs, { ...fresh, unit, of: 'fresh', to: 'raw' }),
      ratio(pairs, { ...repeated, unit, of: 'repeated', to: 'raw' }),
      {
        ...{ name: 'verifier package, heap of 100,000 live revocations', unit: 'MB', value: memory.heap / 1e6 },
        ...{ target: { atMost: 50 }, measured: memory },
        detail: `${(memory.heap / LIVE_REVOCATIONS).toFixed(0)} bytes a revocation; reading them, the process grew by ${(memory.resident / 1e6).toFixed(0)} MB`,
      },
    ];
  },
});

export const verifiers: readonly Bench[] = [
  verifierBench('typescript', {
    about: 'the TypeScript verifier package against raw jose',
    limit: 'RSA verification in one process',
    fresh: { name: 'verifier package, never-seen tokens ÷ jose jwtVerify (RS256)', target: { atLeast: 0.8 } },
    repeated: { name: 'verifier package, repeated tokens ÷ jose jwtVerify (RS256)', target: { atLeast: 20 } },
  }),
  verifierBench('python', {
    about: 'the Python verifier package against raw PyJWT',
    limit: 'the interpreter; PyJWT 2.15 also checks each character of a token in Python',
    fresh: { name: 'CPU time of a never-seen token ÷ jwt.decode (RS256)', target: { atMost: 1.3 }, isCost: true },
    repeated: { name: 'verifier package, repeated tokens ÷ jwt.decode (RS256)' },
  }),
  verifierBench('go', {
    about: 'the Go verifier package against raw RSA verification and JSON',
    limit: 'RSA verification in one process',
    fresh: {
      name: 'CPU time of a never-seen token ÷ rsa.VerifyPKCS1v15 and json.Unmarshal (RS256)',
      ...{ target: { atMost: 1.2 }, isCost: true },
    },
    repeated: { name: 'verifier package, repeated tokens ÷ rsa.VerifyPKCS1v15 and json.Unmarshal (RS256)' },
  }),
];
