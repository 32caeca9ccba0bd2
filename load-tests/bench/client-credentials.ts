import { generateKeyPairSync } from 'node:crypto';
import { clientToken, registerClient, signIn } from '../lib/api-client.ts';
import type { Bench, Figure } from '../lib/bench.ts';
import type { Product } from '../lib/product.ts';
import { alternate, compared, middleSpeed } from '../lib/rounds.ts';
import { measureClosed, productSpeed, ratioDetail, raw, targetOf, warmUp } from './setup.ts';

const CONNECTIONS = 64;
/** A token may cost at most 1.1 times what it costs at oidc-provider. */
const PEER_AT_LEAST = 0.91;
/** As many signatures as Node's pool works on at once. */
const SIGNATURES_IN_FLIGHT = 4;

/** ES256: what a commit costs does not hide behind a signature five times its price. */
export const clientGroupCommit: Bench = {
  name: 'client-group-commit',
  about: 'client credentials with ES256 keys: shared commits against one statement a request',
  async run(context) {
    const shared = await context.start({ JWT_ALGORITHM: 'ES256' });
    const single = await context.start({ JWT_ALGORITHM: 'ES256', GROUP_COMMIT: 'false' });
    const sideOf = (product: Product) => ({
      target: targetOf(product),
      workload: { kind: 'client_credentials', client: product.credentials.client } as const,
    });
    const [ours, base] = [sideOf(shared), sideOf(single)];
    for (const { target, workload } of [ours, base]) await warmUp(context, target, workload, CONNECTIONS);
    const rounds = await alternate(
      context.pairs,
      {
        single: () => measureClosed(context, base.target, base.workload, CONNECTIONS),
        shared: () => measureClosed(context, ours.target, ours.workload, CONNECTIONS),
      },
      (round, { shared: one, single: other }) => context.say(`round ${round}: ${ratioDetail(one, other)}`),
    );
    await shared.stop();
    await single.stop();
    return [
      {
        name: 'client credentials (ES256) with group commit ÷ without',
        unit: 'per CPU-second',
        ...compared(rounds, (round) => round.shared.perCpuSecond / round.single.perCpuSecond),
        measured: { connections: CONNECTIONS, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'shared'), middleSpeed(rounds, 'single')),
      },
    ];
  },
};

/** Of raw signing, by connections: with few, a batch of audit rows is smaller. */
const targets = [
  { connections: 16, atLeast: 0.42 },
  { connections: 64, atLeast: 0.5 },
] as const;

export const clientCredentials: Bench = {
  name: 'client-credentials',
  about: 'POST /oauth2/token, client credentials, against raw RS256 signing',
  async run(context) {
    const product = await context.product();
    const { client } = product.credentials;
    const bytes = (await clientToken(product.api, client)).lastIndexOf('.');
    const target = targetOf(product);
    const workload = { kind: 'client_credentials', client } as const;
    await warmUp(context, target, workload, CONNECTIONS);
    const crypto = context.baseline('raw-crypto.ts');
    const figures: Figure[] = [];
    for (const { connections: callers, atLeast } of targets) {
      const rounds = await alternate(
        context.pairs,
        {
          sign: () =>
            raw(crypto, { operation: 'rs256-sign', seconds: context.seconds, bytes, inFlight: SIGNATURES_IN_FLIGHT }),
          ours: () => measureClosed(context, target, workload, callers),
        },
        (round, { sign, ours }) => context.say(`round ${round}: ${ratioDetail(ours, sign)}`),
      );
      figures.push({
        name: `client credentials ÷ raw RS256 signing, ${callers} connections`,
        unit: 'per CPU-second',
        ...compared(rounds, ({ sign, ours }) => ours.perCpuSecond / sign.perCpuSecond),
        target: { atLeast },
        measured: { connections: callers, bytes, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'sign')),
      });
    }
    return figures;
  },
};

/** ES256 signs the tokens as well: an assertion is weighed against the cheapest token. */
export const clientAssertions: Bench = {
  name: 'client-assertions',
  about: 'client credentials by private_key_jwt (ES256) against client_secret_basic',
  async run(context) {
    const product = await context.start({ JWT_ALGORITHM: 'ES256' });
    const { api, credentials } = product;
    const { access_token: bearer } = (await signIn(api, credentials.admin)).tokens;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const kid = 'bench';
    const registration = { name: 'Bench', grant_types: ['client_credentials'], credential_scopes: ['tokens:read'] };
    const client = await registerClient(api, bearer, registration);
    const signer = await registerClient(api, bearer, {
      ...registration,
      auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid }] },
    });
    const target = targetOf(product);
    const bySecret = { kind: 'client_credentials', client } as const;
    const byAssertion = {
      kind: 'client_assertion',
      clientId: signer.client_id,
      issuer: api,
      key: { ...privateKey.export({ format: 'jwk' }), kid },
    } as const;
    for (const workload of [bySecret, byAssertion]) await warmUp(context, target, workload, CONNECTIONS);
    const rounds = await alternate(
      context.pairs,
      {
        secret: () => measureClosed(context, target, bySecret, CONNECTIONS),
        assertion: () => measureClosed(context, target, byAssertion, CONNECTIONS),
      },
      (round, { secret, assertion }) => context.say(`round ${round}: ${ratioDetail(assertion, secret)}`),
    );
    await product.stop();
    return [
      {
        name: 'token request by private_key_jwt ÷ by client_secret_basic, ES256',
        unit: 'CPU a request',
        ...compared(rounds, (round) => round.secret.perCpuSecond / round.assertion.perCpuSecond),
        target: { atMost: 1.3 },
        measured: { connections: CONNECTIONS, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'assertion'), middleSpeed(rounds, 'secret')),
      },
    ];
  },
};

/** Both sign a JWT; oidc-provider stores nothing, and the product records an audit event. */
export const clientPeer: Bench = {
  name: 'client-credentials-peer',
  about: 'POST /oauth2/token, client credentials, against oidc-provider',
  async run(context) {
    const figures: Figure[] = [];
    for (const algorithm of ['RS256', 'ES256'] as const) {
      const product = await context.start({ JWT_ALGORITHM: algorithm });
      const { client } = product.credentials;
      const provider = context.baseline('oidc-provider.ts', { NODE_ENV: 'production' });
      const { api } = await provider.ask<{ api: string }>({ client, algorithm });
      const peer = { api, pid: provider.pid, productPids: [provider.pid] };
      const ours = targetOf(product);
      const workload = { kind: 'client_credentials', client } as const;
      for (const target of [peer, ours]) await warmUp(context, target, workload, CONNECTIONS);
      for (const { connections: callers } of targets) {
        const rounds = await alternate(
          context.pairs,
          {
            peer: () => measureClosed(context, peer, workload, callers),
            ours: () => measureClosed(context, ours, workload, callers),
          },
          (round, { peer: base, ours: us }) => context.say(`round ${round}: ${ratioDetail(us, base)}`),
        );
        figures.push({
          name: `client credentials (${algorithm}) ÷ oidc-provider, ${callers} connections`,
          unit: 'per CPU-second of the whole product',
          ...compared(rounds, (round) => productSpeed(round.ours) / productSpeed(round.peer)),
          target: { atLeast: PEER_AT_LEAST },
          measured: { connections: callers, rounds },
          detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'peer')),
        });
      }
      await product.stop();
    }
    return figures;
  },
};
