import type { Bench } from '../lib/bench.ts';
import { alternate, medianOf, middleSpeed } from '../lib/rounds.ts';
import { demoUserId, fill, measureClosed, ratioDetail, targetOf, warmUp } from './setup.ts';

const CONNECTIONS = 64;
const TOKENS = 1_000;

/** The same tokens at both endpoints: introspection also authenticates its client and parses a form. */
export const introspect: Bench = {
  name: 'introspect',
  about: 'POST /oauth2/introspect against POST /v1/tokens/validate, repeated tokens',
  async run(context) {
    const product = await context.product();
    const { client } = product.credentials;
    const stock = 'introspected';
    await fill(context, stock, TOKENS, {
      kind: 'issue',
      client,
      userId: await demoUserId(product),
      collect: stock,
      member: 'access_token',
    });
    const target = targetOf(product);
    const validation = { kind: 'validate', stock } as const;
    const introspection = { kind: 'introspect', stock, client } as const;
    for (const workload of [validation, introspection]) await warmUp(context, target, workload, CONNECTIONS);
    const rounds = await alternate(
      context.rounds,
      {
        validate: () => measureClosed(context, target, validation, CONNECTIONS),
        introspect: () => measureClosed(context, target, introspection, CONNECTIONS),
      },
      (round, { introspect: ours, validate: base }) => context.say(`round ${round}: ${ratioDetail(ours, base)}`),
    );
    return [
      {
        name: "introspection's cost ÷ validate's",
        unit: 'CPU time a request',
        value: medianOf(rounds, ({ introspect: ours, validate: base }) => base.perCpuSecond / ours.perCpuSecond),
        target: { atMost: 1.4 },
        measured: { connections: CONNECTIONS, tokens: TOKENS, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'introspect'), middleSpeed(rounds, 'validate')),
      },
    ];
  },
};
