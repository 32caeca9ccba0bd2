import type { Bench } from '../lib/bench.ts';
import { requireClean } from '../lib/generator.ts';
import { alternate, medianOf, middleSpeed, type Speed, speedOf } from '../lib/rounds.ts';
import { demoUserId, fill, measureClosed, ratioDetail, warmUp } from './setup.ts';

const CONNECTIONS = 64;
const REPEATED_TOKENS = 1_000;
const FRESH_TOKENS_PER_SECOND = 2_000;

/** The same RS256 tokens at two starts of the product: RS256 keys only, and ES256 keys beside them. */
export const validateAlgorithms: Bench = {
  name: 'validate-algorithms',
  about: 'validate where keys of two algorithms sign, against one',
  async run(context) {
    const products = {
      one: await context.start({ WORKER_COPIES: '0' }),
      two: await context.start({ WORKER_COPIES: '0', JWT_ADDITIONAL_ALGORITHMS: 'ES256' }),
    };
    const generator = context.generator();
    const count = FRESH_TOKENS_PER_SECOND * context.seconds;
    const casesOf = async (name: keyof typeof products) => {
      const product = products[name];
      const { client } = product.credentials;
      const target = { api: product.api, pid: product.apiPid };
      const userId = await demoUserId(product);
      const issue = { kind: 'issue', client, userId, collect: name, member: 'access_token' } as const;
      await fill(context, name, REPEATED_TOKENS, issue, { product });
      const workload = { kind: 'validate', stock: name } as const;
      await warmUp(context, target, workload, CONNECTIONS);
      const fresh = async (): Promise<Speed> => {
        const stock = `never seen by ${name}`;
        await fill(context, stock, count, { kind: 'client_credentials', client, collect: stock }, { product });
        const once = { kind: 'validate', stock, once: true } as const;
        const streams = [
          { name: 'fresh', api: target.api, workload: once, arrival: { kind: 'closed', connections: CONNECTIONS } },
        ] as const;
        const result = await generator.run({ warmUpSeconds: 0, seconds: 120, pid: target.pid, streams });
        await generator.put(stock, []);
        return speedOf(requireClean(result));
      };
      await fresh();
      return { repeated: () => measureClosed(context, target, workload, CONNECTIONS), fresh };
    };
    const [one, two] = [await casesOf('one'), await casesOf('two')];
    const figure = async (kind: keyof typeof one, title: string) => {
      const cases = { one: one[kind], two: two[kind] };
      const rounds = await alternate(context.rounds, cases, (round, speeds) =>
        context.say(`round ${round}, ${title}: ${ratioDetail(speeds.two, speeds.one)}`),
      );
      return {
        name: `validate, ${title} RS256 tokens, ES256 keys beside the RS256 keys ÷ RS256 keys only`,
        unit: 'per CPU-second',
        value: medianOf(rounds, (round) => round.two.perCpuSecond / round.one.perCpuSecond),
        target: { atLeast: 0.98 },
        measured: { connections: CONNECTIONS, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'two'), middleSpeed(rounds, 'one')),
      };
    };
    return [await figure('repeated', 'repeated'), await figure('fresh', 'never-seen')];
  },
};
