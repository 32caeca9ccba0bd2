import type { Bench } from '../lib/bench.ts';
import type { Product } from '../lib/product.ts';
import { alternate, medianOf, middleSpeed, type Speed } from '../lib/rounds.ts';
import { demoUserId, fill, measureClosed, ratioDetail, warmUp } from './setup.ts';

const CONNECTIONS = 64;
const REPEATED_TOKENS = 1_000;

type Sink = {
  readonly endpoint: string;
  readonly bytes: number;
};

/** What became of the sampled spans of a product, in words. */
async function spansOf({ metrics }: Product): Promise<string> {
  const text = await (await fetch(metrics)).text();
  const count = (outcome: string): number =>
    text
      .split('\n')
      .filter((line) => line.startsWith('sallyport_telemetry_spans_total{') && line.includes(`outcome="${outcome}"`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  return `${count('exported')} spans exported, ${count('dropped')} dropped, ${count('failed')} failed`;
}

/** The same route of three starts of the product, side by side: no telemetry, 1 % sampled, everything sampled. */
export const tracing: Bench = {
  name: 'tracing',
  about: 'validate with spans exported over OTLP at 1 % and at 100 %, against none',
  async run(context) {
    const sink = context.baseline('otlp-sink.ts');
    const { endpoint } = await sink.ask<Sink>({});
    const sampled = (ratio: string) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: ratio,
      WORKER_COPIES: '0',
    });
    const products = {
      none: await context.start({ WORKER_COPIES: '0' }),
      one: await context.start(sampled('0.01')),
      all: await context.start(sampled('1')),
    };
    const speed = async (name: keyof typeof products): Promise<() => Promise<Speed>> => {
      const product = products[name];
      const client = product.credentials.client;
      const userId = await demoUserId(product);
      const issue = { kind: 'issue', client, userId, collect: name, member: 'access_token' } as const;
      await fill(context, name, REPEATED_TOKENS, issue, { product });
      const target = { api: product.api, pid: product.apiPid };
      const workload = { kind: 'validate', stock: name } as const;
      await warmUp(context, target, workload, CONNECTIONS);
      return () => measureClosed(context, target, workload, CONNECTIONS);
    };
    const cases = { none: await speed('none'), one: await speed('one'), all: await speed('all') };
    const rounds = await alternate(context.rounds, cases, (round, { none, one, all }) =>
      context.say(`round ${round}: 1 % ${ratioDetail(one, none)}; 100 % ${ratioDetail(all, none)}`),
    );
    const figure = (name: 'one' | 'all', title: string, atLeast: number, spans: string) => ({
      name: `validate, ${title} of requests traced ÷ none`,
      unit: 'per CPU-second',
      value: medianOf(rounds, (round) => round[name].perCpuSecond / round.none.perCpuSecond),
      target: { atLeast },
      measured: { connections: CONNECTIONS, tokens: REPEATED_TOKENS, rounds, spans },
      detail: `${ratioDetail(middleSpeed(rounds, name), middleSpeed(rounds, 'none'))}; ${spans}`,
    });
    return [
      figure('one', '1 %', 0.9, await spansOf(products.one)),
      figure('all', '100 %', 0.65, await spansOf(products.all)),
    ];
  },
};
