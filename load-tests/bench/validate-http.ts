import { validate as validateOnce } from '../lib/api-client.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { requireClean } from '../lib/generator.ts';
import { alternate, compared, medianOf, middleSpeed, type Speed, speedOf } from '../lib/rounds.ts';
import {
  demoUserId,
  fill,
  measureClosed,
  ratioDetail,
  raw,
  speedDetail,
  type Target,
  targetOf,
  warmUp,
} from './setup.ts';

const CONNECTIONS = 64;
const FEW_CONNECTIONS = 16;
const PLAIN_AT_LEAST = 0.55;
const REPEATED_TOKENS = 1_000;
const FRESH_TOKENS_PER_SECOND = 4_000;
const WARM_UP_TOKENS = 3_000;

/** Bytes that a token's signature covers. */
const signedBytes = (token: string): number => token.lastIndexOf('.');

/**
 * A bare route that answers as the product does for this token; resolves to its address and pid.
 * @param isChecking validates the body and serialises the answer by schemas, as the product does
 */
async function bareRoute(context: BenchContext, api: string, token: string, isChecking = true): Promise<Target> {
  const answer = await validateOnce(api, token);
  if (!answer.active) throw new Error(`the product refuses its own token: ${answer.reason}`);
  const bare = context.baseline('bare-route.ts');
  return { api: await bare.ask<string>({ answer, isChecking }), pid: bare.pid };
}

/** Tokens of a thousand logins, asked again and again. */
async function repeated(context: BenchContext): Promise<readonly Figure[]> {
  const product = await context.product();
  const generator = context.generator();
  await fill(context, 'users', REPEATED_TOKENS, {
    kind: 'issue',
    client: product.credentials.client,
    userId: await demoUserId(product),
    collect: 'users',
    member: 'access_token',
  });
  const [token] = await generator.take('users');
  const checking = await bareRoute(context, product.api, token!);
  const plain = await bareRoute(context, product.api, token!, false);
  const ours = targetOf(product);
  const workload = { kind: 'validate', stock: 'users' } as const;
  for (const target of [checking, plain, ours]) await warmUp(context, target, workload, CONNECTIONS);
  const figures: Figure[] = [];
  for (const connections of [CONNECTIONS, FEW_CONNECTIONS]) {
    const rounds = await alternate(
      context.pairs,
      {
        checking: () => measureClosed(context, checking, workload, connections),
        plain: () => measureClosed(context, plain, workload, connections),
        ours: () => measureClosed(context, ours, workload, connections),
      },
      (round, { checking: base, ours: us }) => context.say(`round ${round}: ${ratioDetail(us, base)}`),
    );
    const measured = { connections, tokens: REPEATED_TOKENS, bytes: token!.length, rounds };
    figures.push(
      {
        name: `validate, repeated tokens ÷ bare route that checks, ${connections} connections`,
        unit: 'per CPU-second',
        ...compared(rounds, (round) => round.ours.perCpuSecond / round.checking.perCpuSecond),
        ...(connections === CONNECTIONS ? { target: { atLeast: 0.75 } } : {}),
        measured,
        detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'checking')),
      },
      {
        name: `validate, repeated tokens ÷ plain bare route, ${connections} connections`,
        unit: 'per CPU-second',
        ...compared(rounds, (round) => round.ours.perCpuSecond / round.plain.perCpuSecond),
        target: { atLeast: PLAIN_AT_LEAST },
        measured: {},
        detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'plain')),
      },
    );
  }
  return figures;
}

/** Tokens that no request has shown before. */
async function fresh(context: BenchContext): Promise<readonly Figure[]> {
  const product = await context.product();
  const generator = context.generator();
  const ours = targetOf(product);
  const mint = { kind: 'client_credentials', client: product.credentials.client } as const;
  await fill(context, 'known', REPEATED_TOKENS, { ...mint, collect: 'known' });
  const [token] = await generator.take('known');
  const bare = await bareRoute(context, product.api, token!);
  const crypto = context.baseline('raw-crypto.ts');
  const repeat = { kind: 'validate', stock: 'known' } as const;
  for (const target of [bare, ours]) await warmUp(context, target, repeat, CONNECTIONS);
  const count = FRESH_TOKENS_PER_SECOND * context.seconds;
  let minted = 0;
  const freshOnes = async (stock: string, tokens: number): Promise<Speed> => {
    await fill(context, stock, tokens, { ...mint, collect: stock });
    const workload = { kind: 'validate', stock, once: true } as const;
    const result = await generator.run({
      warmUpSeconds: 0,
      seconds: 120,
      pid: ours.pid,
      productPids: ours.productPids ?? [],
      streams: [{ name: 'fresh', api: ours.api, workload, arrival: { kind: 'closed', connections: CONNECTIONS } }],
    });
    await generator.put(stock, []);
    return speedOf(requireClean(result));
  };

  const rounds = await alternate(
    context.pairs,
    {
      bare: () => measureClosed(context, bare, repeat, CONNECTIONS),
      verify: () =>
        raw(crypto, { operation: 'rs256-verify', seconds: context.seconds, bytes: signedBytes(token!), inFlight: 1 }),
      ours: async () => {
        minted += 1;
        context.say(`minting ${count} tokens`);
        // The first ones warm the path that verifies, as repeated ones cannot.
        await freshOnes(`warm-up-${minted}`, WARM_UP_TOKENS);
        return freshOnes(`fresh-${minted}`, count);
      },
    },
    (round, { bare: base, verify, ours: us }) =>
      context.say(
        `round ${round}: bare ${base.perCpuSecond.toFixed(0)}, verify ${verify.perCpuSecond.toFixed(0)}, ours ${us.perCpuSecond.toFixed(0)} a CPU-second`,
      ),
  );
  const ceiling = (round: { bare: Speed; verify: Speed }): number =>
    1 / (1 / round.bare.perCpuSecond + 1 / round.verify.perCpuSecond);
  return [
    {
      name: 'validate, never-seen RS256 tokens ÷ ceiling 1/(1/bare + 1/verify)',
      unit: 'per CPU-second',
      ...compared(rounds, (round) => round.ours.perCpuSecond / ceiling(round)),
      target: { atLeast: 0.8 },
      measured: { connections: CONNECTIONS, tokensPerRound: count, bytes: token!.length, rounds },
      detail: `${speedDetail(middleSpeed(rounds, 'ours'))} against ${medianOf(rounds, ceiling).toFixed(0)} a CPU-s`,
    },
  ];
}

export const validateRepeated: Bench = {
  name: 'validate',
  about: 'POST /v1/tokens/validate, repeated tokens, against bare Fastify routes',
  run: repeated,
};

export const validateFresh: Bench = {
  name: 'validate-fresh',
  about: 'POST /v1/tokens/validate, never-seen RS256 tokens, against bare route plus raw verification',
  run: fresh,
};
