// About: sdks/typescript/src/
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceKeyRingJob } from '#jobs/contracts/keys.ts';
import { spawnVerifier } from '#load-tests/lib/verifier-process.ts';
import { createVerifier } from '#sdks/typescript/src/index.ts';
import { createProducer, type Producer } from '#services/platform/queue/producer.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { claimsIn, issueFor, patiently, revoke, signUp } from '#tools/testing/flows/flows.ts';
import { startProduct } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { startOwnStores } from '#tools/testing/processes/own-stores.ts';

// A longer run by hand: ROTATION_SECONDS=10 ROTATIONS=30 npm run t -- services/api/faults/verifiers-survive
const ROTATION_SECONDS = Number(process.env.ROTATION_SECONDS ?? 3);
const ROTATIONS = Number(process.env.ROTATIONS ?? 4);
/** How long verifiers cache the key set, and how long a key is published before it signs, at least. */
const KEY_SET_SECONDS = 2;
const PAUSE_MS = 10;
const ISSUE_MS = 100;

type Feed = 'sse' | 'poll';
type State = { readonly epoch: number; readonly incarnation: string; readonly fresh: boolean };
type Verifier = {
  readonly name: string;
  codeOf(token: string): Promise<string>;
  state(): Promise<State>;
  close(): Promise<void>;
};

let producer: Producer;
let userId: string;
const verifiers: Verifier[] = [];

const follow = (feed: Feed) => {
  const { client_id: clientId, client_secret: clientSecret } = product.credentials.client;
  return { issuer: product.api, clientId, clientSecret, feed };
};

async function inProcess(feed: Feed): Promise<Verifier> {
  const verifier = createVerifier(follow(feed));
  await verifier.ready();
  return {
    name: `typescript ${feed}`,
    codeOf: async (token) => (await verifier.verify(token)).code,
    state: async () => verifier.state() as State,
    close: async () => verifier.close(),
  };
}

async function inChild(language: 'python' | 'go', feed: Feed): Promise<Verifier> {
  const child = spawnVerifier(language);
  await child.ask({ operation: 'follow', ...follow(feed) });
  return {
    name: `${language} ${feed}`,
    codeOf: async (token) => (await child.ask<{ code: string }>({ operation: 'verify', token })).code,
    state: () => child.ask<State>({ operation: 'state' }),
    close: () => child.close(),
  };
}

const stores = opened(startOwnStores);
const product = opened(() =>
  startProduct({
    stores,
    env: {
      JWT_ALGORITHM: 'ES256',
      KEY_ROTATION_DAYS: (ROTATION_SECONDS / 86_400).toFixed(9),
      KEY_PREPUBLISH_SECONDS: String(KEY_SET_SECONDS),
      JWKS_MAX_AGE_SECONDS: String(KEY_SET_SECONDS),
    },
  }),
);
beforeAll(async () => {
  producer = createProducer(stores.redisUrl, () => {});
  await producer.ready(30_000);
  userId = (await signUp(product)).id;
  // One after another, and the processes first: building the programs blocks this process.
  for (const language of ['python', 'go'] as const)
    for (const feed of ['sse', 'poll'] as const) verifiers.push(await inChild(language, feed));
  for (const feed of ['sse', 'poll'] as const) verifiers.push(await inProcess(feed));
});
afterAll(async () => {
  await Promise.all(verifiers.map((verifier) => verifier.close()));
  await producer?.close();
});

const issue = async (): Promise<string> => {
  const json = { user_id: userId };
  const answer = await patiently(() =>
    send(product.api, 'POST', '/v1/tokens', { basic: product.credentials.client, json }),
  );
  expect(answer.status, answer.text).toBe(201);
  return answer.body.access_token;
};

type Traffic = {
  /** Every answer that was wrong. */
  readonly wrong: string[];
  /** The kids of the tokens that each verifier has accepted. */
  readonly kids: ReadonlyMap<Verifier, ReadonlySet<string>>;
  /** Revokes a new token; resolves when every verifier refuses it. From then on each must keep refusing it. */
  revokeOne(): Promise<void>;
};

/**
 * While the work runs, tokens are issued and every verifier is asked without pause: about each token as soon as it is
 * issued, about older ones, and about revoked ones that it has refused before.
 */
async function underLoad(work: (traffic: Traffic) => Promise<void>): Promise<void> {
  const wrong: string[] = [];
  const valid: string[] = [await issue()];
  const kids = new Map(verifiers.map((verifier) => [verifier, new Set<string>()]));
  const refused = new Map(verifiers.map((verifier) => [verifier, [] as string[]]));
  let isOver = false;
  const issueAll = async (): Promise<void> => {
    for (; !isOver; await sleep(ISSUE_MS)) valid.push(await issue());
  };
  const ask = async (verifier: Verifier): Promise<void> => {
    let shown = 0;
    for (let at = 0; !isOver; at += 1) {
      const isNew = shown < valid.length;
      const token = (isNew ? valid[shown] : valid[at % valid.length]) as string;
      if (isNew) shown += 1;
      const { exp } = claimsIn(token);
      const code = await verifier.codeOf(token);
      if (code === 'active') kids.get(verifier)?.add(decodeProtectedHeader(token).kid as string);
      else if (exp > Date.now() / 1_000) wrong.push(`${verifier.name}: ${code} for a valid token`);
      const dead = refused.get(verifier) as string[];
      const again = dead[at % dead.length];
      if (again !== undefined && (await verifier.codeOf(again)) === 'active')
        wrong.push(`${verifier.name}: accepts a revoked token again`);
      await sleep(PAUSE_MS);
    }
  };
  const revokeOne = async (): Promise<void> => {
    const { access_token: token } = await issueFor(product, userId);
    for (const verifier of verifiers) expect(await verifier.codeOf(token), verifier.name).toBe('active');
    expect((await revoke(product, { token })).status).toBe(200);
    await Promise.all(
      verifiers.map(async (verifier) => {
        const isRefused = async () => ['revoked', 'session_ended'].includes(await verifier.codeOf(token));
        await eventually(`${verifier.name} to refuse a revoked token`, isRefused);
        refused.get(verifier)?.push(token);
      }),
    );
  };
  const loops = [issueAll(), ...verifiers.map(ask)];
  try {
    await Promise.race([work({ wrong, kids, revokeOne }), ...loops]);
  } finally {
    isOver = true;
    await Promise.allSettled(loops);
  }
  expect(wrong).toEqual([]);
}

/** Each verifier decides, by the same feed, and has read all of it. */
async function expectFresh(): Promise<State[]> {
  const states = await Promise.all(verifiers.map((verifier) => verifier.state()));
  for (const [at, { fresh }] of states.entries()) expect(fresh, verifiers[at]?.name).toBe(true);
  expect(new Set(states.map(({ incarnation }) => incarnation)).size).toBe(1);
  return states;
}

test(
  'verifiers in three languages accept every valid token while the signing key changes again and again under load',
  async () => {
    await underLoad(async ({ wrong, kids }) => {
      const haveChanged = (): boolean => [...kids.values()].every((seen) => seen.size > ROTATIONS);
      while (!haveChanged() && wrong.length === 0) {
        await producer.enqueue(advanceKeyRingJob, {}, { dedupe: 'test' });
        await sleep(500);
      }
    });
  },
  (ROTATIONS * ROTATION_SECONDS + 180) * 1_000,
);

test('while Redis is lost and after it is back, empty, they accept valid tokens, learn of revocations and never accept a revoked token again', async () => {
  const before = await expectFresh();
  await underLoad(async ({ revokeOne }) => {
    await revokeOne();
    await stores.end('redis', 'SIGKILL');
    await revokeOne();
    await sleep(2_000);
    await revokeOne();
    await stores.revive('redis');
    await revokeOne();
    await producer.ready(30_000);
    await revokeOne();
  });
  const after = await expectFresh();
  for (const [at, { epoch, incarnation }] of after.entries()) {
    expect(incarnation).toBe(before[at]?.incarnation);
    expect(epoch).toBeGreaterThanOrEqual((before[at]?.epoch ?? 0) + 5);
  }
});
