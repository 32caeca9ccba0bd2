import { newApiKey } from '../lib/api-client.ts';
import type { Bench } from '../lib/bench.ts';
import { alternate, medianOf, middleSpeed } from '../lib/rounds.ts';
import { demoUserId, fill, measureClosed, ratioDetail, targetOf, warmUp } from './setup.ts';

const CONNECTIONS = 64;
const TOKENS = 1_000;
/** An owner can have fifty keys. */
const KEYS = 40;

/** A token that was verified before is found in memory as it was answered; of a key the secret is hashed each time. */
export const verifyKey: Bench = {
  name: 'verify-key',
  about: 'POST /v1/api-keys/verify against POST /v1/tokens/validate, repeated tokens',
  async run(context) {
    const product = await context.product();
    const { client } = product.credentials;
    const [tokens, keys] = ['compared with keys', 'keys'];
    await fill(context, tokens, TOKENS, {
      kind: 'issue',
      client,
      userId: await demoUserId(product),
      collect: tokens,
      member: 'access_token',
    });
    const secrets: string[] = [];
    while (secrets.length < KEYS) secrets.push(await newApiKey(product.api, client));
    await context.generator().put(keys, secrets);
    const target = targetOf(product);
    const validation = { kind: 'validate', stock: tokens } as const;
    const verification = { kind: 'verify_key', stock: keys } as const;
    for (const workload of [validation, verification]) await warmUp(context, target, workload, CONNECTIONS);
    const rounds = await alternate(
      context.rounds,
      {
        validate: () => measureClosed(context, target, validation, CONNECTIONS),
        verify: () => measureClosed(context, target, verification, CONNECTIONS),
      },
      (round, { verify: ours, validate: base }) => context.say(`round ${round}: ${ratioDetail(ours, base)}`),
    );
    return [
      {
        name: 'verifying an API key ÷ validating a token',
        unit: 'per CPU-second',
        value: medianOf(rounds, ({ verify: ours, validate: base }) => ours.perCpuSecond / base.perCpuSecond),
        target: { atLeast: 0.8 },
        measured: { connections: CONNECTIONS, tokens: TOKENS, keys: KEYS, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'verify'), middleSpeed(rounds, 'validate')),
      },
    ];
  },
};
