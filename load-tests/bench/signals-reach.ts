import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { CAEP_EVENTS } from '#services/wings/outbound/signals/signal-shapes.ts';
import { signIn } from '../lib/api-client.ts';
import type { Bench, BenchContext } from '../lib/bench.ts';
import type { Product } from '../lib/product.ts';
import { endOnce, newReach, ofEach, shown, startFollowers, type VerifierKind } from '../lib/reach.ts';
import { demoUserId } from './setup.ts';

const SIGNALS = 120;
const UNMEASURED = 5;
const ISSUER = 'https://signals.bench.test';

const VERIFIERS: readonly VerifierKind[] = [
  ['typescript', 'sse'],
  ['typescript', 'poll'],
  ['python', 'sse'],
  ['go', 'sse'],
];

/** Another system whose signals the product accepts. Resolves to what signs a session-revoked of a user. */
async function startTransmitter(context: BenchContext, { api, credentials }: Product) {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'RS256', kid: 'bench' }] });
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(keySet);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  context.onClose(() => {
    server.closeAllConnections();
    server.close();
  });
  const { tokens } = await signIn(api, credentials.admin);
  const answer = await fetch(`${api}/v1/admin/signal-transmitters`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      issuer: ISSUER,
      own_ids: true,
      jwks_uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
      reason: 'load test',
    }),
  });
  if (answer.status !== 201) throw new Error(`the transmitter was answered ${answer.status} ${await answer.text()}`);
  return (userId: string): Promise<string> =>
    new SignJWT({
      sub_id: { format: 'iss_sub', iss: api, sub: userId },
      events: { [CAEP_EVENTS['session-revoked']]: {} },
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'bench', typ: 'secevent+jwt' })
      .setIssuer(ISSUER)
      .setAudience(api)
      .setJti(randomUUID())
      .setIssuedAt()
      .sign(privateKey);
}

async function push({ api }: Product, token: string): Promise<void> {
  const headers = { 'content-type': 'application/secevent+jwt' };
  const answer = await fetch(`${api}/ssf/events`, { method: 'POST', headers, body: token });
  if (answer.status !== 202) throw new Error(`the signal was answered ${answer.status} ${await answer.text()}`);
}

export const signalsReach: Bench = {
  name: 'signals-reach',
  about: 'from a session-revoked of another system to its refusal by four verifiers in three languages',
  async run(context) {
    const product = await context.start({ SIGNALS_PRIVATE: 'true' });
    try {
      const userId = await demoUserId(product);
      const sign = await startTransmitter(context, product);
      const followers = await startFollowers(context, product, VERIFIERS);
      const signalOnce = async (counted = newReach(followers)): Promise<void> => {
        const signal = await sign(userId);
        await endOnce(product, followers, userId, counted, () => push(product, signal));
      };
      for (let at = 0; at < UNMEASURED; at += 1) await signalOnce();
      const reach = newReach(followers);
      for (let at = 1; at <= SIGNALS; at += 1) {
        await signalOnce(reach);
        if (at % 30 === 0) context.say(`${at} of ${SIGNALS} signals: ${shown(reach.all.summary())}`);
      }
      for (const { worker } of followers) await worker.close();
      const [all, last] = [reach.all.summary(), reach.last.summary()];
      const { verifiers, p99 } = ofEach(followers, reach);
      const measured = { signals: SIGNALS, verifications: reach.verifications, all, last, verifiers };
      const target = { atMost: 1_000 };
      return [
        {
          name: 'session-revoked of another system to refusal at each of four verifiers (2 TypeScript, Python, Go)',
          ...{ unit: 'ms, p99', value: all.p99Ms, target, measured },
          detail: `${SIGNALS} signals, from the request; ${shown(all)}; p99 of each: ${p99} ms`,
        },
        {
          name: 'session-revoked of another system to refusal at the last of the four',
          ...{ unit: 'ms, p99', value: last.p99Ms, target, measured: last },
          detail: shown(last),
        },
      ];
    } finally {
      await product.stop();
    }
  },
};
