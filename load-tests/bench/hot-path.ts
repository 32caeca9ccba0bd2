import { validate as validateOnce } from '../lib/api-client.ts';
import type { Bench, BenchContext } from '../lib/bench.ts';
import { alternateSpeeds, ratio } from '../lib/pairs.ts';
import type { Product } from '../lib/product.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import {
  CONNECTIONS,
  fill,
  fillTokens,
  measureClosed,
  measureOnce,
  raw,
  type Target,
  targetOf,
  warmUp,
} from './setup.ts';

const API_CORE = 'one core: the event loop of the API process';
const FEW_CONNECTIONS = 16;
const FRESH_TOKENS_PER_SECOND = 4_000;
const WARM_UP_TOKENS = 3_000;

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

/** Tokens of a thousand sign-ins, asked again and again. */
export const validateRepeated: Bench = {
  name: 'validate',
  about: 'POST /v1/tokens/validate, repeated tokens, against bare Fastify routes',
  limit: API_CORE,
  async run(context) {
    const product = await context.product();
    const stock = 'validated';
    await fillTokens(context, product, stock);
    const [token] = await context.generator().take(stock);
    const targets = {
      checking: await bareRoute(context, product.api, token!),
      plain: await bareRoute(context, product.api, token!, false),
      ours: targetOf(product),
    };
    const work = { kind: 'validate', stock } as const;
    for (const target of Object.values(targets)) await warmUp(context, target, work);
    const figuresAt = async (connections: number) => {
      const of = (target: Target) => () => measureClosed(context, target, work, connections);
      const { checking, plain, ours } = targets;
      const pairs = await alternateSpeeds(context, { checking: of(checking), plain: of(plain), ours: of(ours) });
      return [
        ratio(pairs, {
          name: `validate, repeated tokens ÷ bare route that checks, ${connections} connections`,
          ...{ of: 'ours', to: 'checking' },
          ...(connections === CONNECTIONS ? { target: { atLeast: 0.75 } } : {}),
        }),
        ratio(pairs, {
          name: `validate, repeated tokens ÷ plain bare route, ${connections} connections`,
          ...{ of: 'ours', to: 'plain', target: { atLeast: 0.55 } },
        }),
      ];
    };
    return [...(await figuresAt(CONNECTIONS)), ...(await figuresAt(FEW_CONNECTIONS))];
  },
};

/** Tokens that no request has shown before. */
export const validateFresh: Bench = {
  name: 'validate-fresh',
  about: 'POST /v1/tokens/validate, never-seen RS256 tokens, against bare route plus raw verification',
  limit: 'RSA verification on the event loop of the API process',
  async run(context) {
    const product = await context.product();
    const target = targetOf(product);
    const mint = (stock: string, count: number) =>
      fill(context, product, count, {
        ...{ kind: 'client_credentials', client: product.credentials.client, collect: stock },
      });
    await mint('known', WARM_UP_TOKENS);
    const [token] = await context.generator().take('known');
    const bare = await bareRoute(context, product.api, token!);
    const crypto = context.baseline('raw-crypto.ts');
    const repeat = { kind: 'validate', stock: 'known' } as const;
    for (const each of [bare, target]) await warmUp(context, each, repeat);
    // The bytes that its signature covers.
    const bytes = token!.lastIndexOf('.');
    const { seconds } = context;
    const freshOnes = async (count: number) => {
      await mint('fresh', count);
      return measureOnce(context, target, { kind: 'validate', stock: 'fresh', once: true });
    };
    const pairs = await alternateSpeeds(context, {
      bare: () => measureClosed(context, bare, repeat),
      verify: () => raw(crypto, { operation: 'rs256-verify', seconds, bytes, inFlight: 1 }),
      ours: async () => {
        // The first ones warm the path that verifies, as repeated ones cannot.
        await freshOnes(WARM_UP_TOKENS);
        return freshOnes(FRESH_TOKENS_PER_SECOND * seconds);
      },
    });
    return [
      ratio(pairs, {
        name: 'validate, never-seen RS256 tokens ÷ ceiling 1/(1/bare + 1/verify)',
        ...{ of: 'ours', to: 'verify', target: { atLeast: 0.8 } },
        value: ({ bare: http, verify, ours }) => ours.perCpuSecond * (1 / http.perCpuSecond + 1 / verify.perCpuSecond),
      }),
    ];
  },
};

/** The same tokens at both endpoints: introspection also authenticates its client and parses a form. */
export const introspect: Bench = {
  name: 'introspect',
  about: 'POST /oauth2/introspect against POST /v1/tokens/validate, repeated tokens',
  limit: API_CORE,
  async run(context) {
    const product = await context.product();
    const stock = 'introspected';
    await fillTokens(context, product, stock);
    const target = targetOf(product);
    const works = {
      validate: { kind: 'validate', stock },
      introspect: { kind: 'introspect', stock, client: product.credentials.client },
    } as const;
    for (const work of Object.values(works)) await warmUp(context, target, work);
    const pairs = await alternateSpeeds(context, {
      validate: () => measureClosed(context, target, works.validate),
      introspect: () => measureClosed(context, target, works.introspect),
    });
    return [
      ratio(pairs, {
        ...{ name: "introspection's cost ÷ validate's", unit: 'CPU time a request', target: { atMost: 1.4 } },
        ...{ of: 'introspect', to: 'validate', isCost: true },
      }),
    ];
  },
};

/** The same route of three starts of the product, side by side: no telemetry, 1 % sampled, everything sampled. */
export const tracing: Bench = {
  name: 'tracing',
  about: 'validate with spans exported over OTLP at 1 % and at 100 %, against none',
  limit: 'encoding spans on the event loop of the API process',
  async run(context) {
    const endpoint = await context.baseline('otlp-sink.ts').ask<string>({});
    const sampled = (ratioOfTraces: string) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: ratioOfTraces,
      WORKER_COPIES: '0',
    });
    const start = async (name: string, settings: Readonly<Record<string, string>>) => {
      const product = await context.start(settings);
      await fillTokens(context, product, name);
      const [target, work] = [targetOf(product), { kind: 'validate', stock: name } as const];
      await warmUp(context, target, work);
      return { product, measure: () => measureClosed(context, target, work) };
    };
    const none = await start('none', { WORKER_COPIES: '0' });
    const one = await start('one', sampled('0.01'));
    const all = await start('all', sampled('1'));
    const pairs = await alternateSpeeds(context, { none: none.measure, one: one.measure, all: all.measure });
    const figure = async (of: 'one' | 'all', part: string, atLeast: number, { metrics }: Product) => {
      const page = await (await fetch(metrics)).text();
      const spans = ['exported', 'dropped', 'failed'].map(
        (outcome) =>
          `${totalOf(page, 'sallyport_telemetry_spans_total', new RegExp(`outcome="${outcome}"`))} ${outcome}`,
      );
      const figured = ratio(pairs, {
        name: `validate, ${part} of requests traced ÷ none`,
        ...{ of, to: 'none', target: { atLeast } },
      });
      return { ...figured, detail: `${figured.detail}; spans: ${spans.join(', ')}` };
    };
    return [await figure('one', '1 %', 0.9, one.product), await figure('all', '100 %', 0.65, all.product)];
  },
};
