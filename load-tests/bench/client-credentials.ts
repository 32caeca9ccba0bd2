import { clientToken } from '../lib/api-client.ts';
import type { Bench } from '../lib/bench.ts';
import { alternate, medianOf, middleSpeed } from '../lib/rounds.ts';
import { measureClosed, ratioDetail, raw, warmUp } from './setup.ts';

const connections = 64;
/** As many signatures as libuv's pool works on at once. */
const signaturesInFlight = 4;

export const clientCredentials: Bench = {
  name: 'client-credentials',
  about: 'POST /oauth2/token, client credentials, against raw RS256 signing',
  async run(context) {
    const product = await context.product();
    const { client } = product.credentials;
    const bytes = (await clientToken(product.api, client)).lastIndexOf('.');
    const target = { api: product.api, pid: product.apiPid };
    const workload = { kind: 'client_credentials', client } as const;
    await warmUp(context, target, workload, connections);
    const crypto = context.baseline('raw-crypto.ts');
    const rounds = await alternate(
      context.rounds,
      {
        sign: () =>
          raw(crypto, { operation: 'rs256-sign', seconds: context.seconds, bytes, inFlight: signaturesInFlight }),
        ours: () => measureClosed(context, target, workload, connections),
      },
      (round, { sign, ours }) => context.say(`round ${round}: ${ratioDetail(ours, sign)}`),
    );
    return [
      {
        name: 'client credentials ÷ raw RS256 signing',
        unit: 'per CPU-second',
        value: medianOf(rounds, ({ sign, ours }) => ours.perCpuSecond / sign.perCpuSecond),
        target: { atLeast: 0.6 },
        measured: { connections, bytes, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'sign')),
      },
    ];
  },
};
