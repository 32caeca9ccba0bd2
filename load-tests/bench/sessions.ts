import type { Bench, BenchContext } from '../lib/bench.ts';
import type { Figure } from '../lib/figure.ts';
import { alternateSpeeds, ratio } from '../lib/pairs.ts';
import { pairsOf, seedUsers } from '../lib/pool.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';
import { measureClosed, type Target, targetOf, warmUp } from './setup.ts';

const FEW = 100;
const MANY = 10_000;
const CONNECTIONS = { validate: 16, refresh: 16, login: 4 };
const LOGIN_SECONDS = 8;

type Operation = keyof typeof CONNECTIONS;
type Side = { readonly target: Target; readonly works: Readonly<Record<Operation, WorkloadSpec>> };

/** A product on which so many test users are signed in, each with a live pair. */
async function signedIn(context: BenchContext, users: number): Promise<Side> {
  const product = await context.start();
  const seeded = await seedUsers(product.dataDir, users, context.say);
  const pairs = await pairsOf(product.api, seeded.users);
  const put = async (member: 'access_token' | 'refresh_token' | 'email'): Promise<string> => {
    const items = pairs.map((pair) => pair[member]);
    await context.generator().put(`${member} of ${users}`, items);
    return `${member} of ${users}`;
  };
  return {
    target: targetOf(product),
    works: {
      validate: { kind: 'validate', stock: await put('access_token') },
      refresh: { kind: 'refresh', stock: await put('refresh_token') },
      login: { kind: 'login', emails: await put('email'), password: seeded.password },
    },
  };
}

/** The same work with many and with few users signed in, on two starts of the product. */
export const sessions: Bench = {
  name: 'sessions',
  about: `validate, refresh and login with ${MANY} users signed in, against ${FEW}`,
  limit: 'the same as each operation alone',
  async run(context) {
    const [few, many] = [await signedIn(context, FEW), await signedIn(context, MANY)];
    for (const { target, works } of [few, many]) await warmUp(context, target, works.validate);
    const figures: Figure[] = [];
    for (const operation of ['validate', 'refresh', 'login'] as const) {
      const seconds = operation === 'login' ? Math.max(LOGIN_SECONDS, context.seconds) : context.seconds;
      const of =
        ({ target, works }: Side) =>
        () =>
          measureClosed(context, target, works[operation], CONNECTIONS[operation], seconds);
      const pairs = await alternateSpeeds(context, { few: of(few), many: of(many) });
      const name = `${operation}, ${MANY} users signed in ÷ ${FEW}`;
      figures.push(ratio(pairs, { name, of: 'many', to: 'few', target: { atLeast: 0.9 } }));
    }
    return figures;
  },
};
