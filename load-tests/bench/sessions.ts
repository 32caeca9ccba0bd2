import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { pairsOf, seedUsers } from '../lib/pool.ts';
import { alternate, medianOf, middleSpeed } from '../lib/rounds.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';
import { measureClosed, ratioDetail, type Target, targetOf, warmUp } from './setup.ts';

const FEW = 100;
const MANY = 10_000;
const CONNECTIONS = 16;
const LOGIN_CONNECTIONS = 4;
const LOGIN_SECONDS = 8;
const AT_LEAST = 0.9;

type Operation = 'validate' | 'refresh' | 'login';
type Side = { readonly target: Target; readonly workloads: Readonly<Record<Operation, WorkloadSpec>> };

/** A product on which so many test users are signed in, each with a live pair. */
async function signedIn(context: BenchContext, users: number): Promise<Side> {
  const product = await context.start();
  const seeded = await seedUsers(product.dataDir, users, context.say);
  const pairs = await pairsOf(product.api, seeded.users);
  const [tokens, families, emails] = [`tokens-${users}`, `families-${users}`, `emails-${users}`];
  const generator = context.generator();
  await generator.put(
    tokens,
    pairs.map(({ access_token }) => access_token),
  );
  await generator.put(
    families,
    pairs.map(({ refresh_token }) => refresh_token),
  );
  await generator.put(
    emails,
    pairs.map(({ email }) => email),
  );
  return {
    target: targetOf(product),
    workloads: {
      validate: { kind: 'validate', stock: tokens },
      refresh: { kind: 'refresh', stock: families },
      login: { kind: 'login', emails, password: seeded.password },
    },
  };
}

/** The same work with many and with few users signed in, on two starts of the product. */
export const sessions: Bench = {
  name: 'sessions',
  about: `validate, refresh and login with ${MANY} users signed in, against ${FEW}`,
  async run(context) {
    const [few, many] = [await signedIn(context, FEW), await signedIn(context, MANY)];
    const measured = (operation: Operation) => {
      const isLogin = operation === 'login';
      const seconds = isLogin ? Math.max(LOGIN_SECONDS, context.seconds) : context.seconds;
      const of = ({ target, workloads }: Side) =>
        measureClosed(context, target, workloads[operation], isLogin ? LOGIN_CONNECTIONS : CONNECTIONS, seconds);
      return alternate(
        context.rounds,
        { few: () => of(few), many: () => of(many) },
        (round, { many: ours, few: base }) => context.say(`${operation}, round ${round}: ${ratioDetail(ours, base)}`),
      );
    };
    for (const { target, workloads } of [few, many]) await warmUp(context, target, workloads.validate, CONNECTIONS);
    const figures: Figure[] = [];
    for (const operation of ['validate', 'refresh', 'login'] as const) {
      const rounds = await measured(operation);
      figures.push({
        name: `${operation}, ${MANY} users signed in ÷ ${FEW}`,
        unit: 'per CPU-second',
        value: medianOf(rounds, (round) => round.many.perCpuSecond / round.few.perCpuSecond),
        target: { atLeast: AT_LEAST },
        measured: { rounds },
        detail: ratioDetail(middleSpeed(rounds, 'many'), middleSpeed(rounds, 'few')),
      });
    }
    return figures;
  },
};
