// For tests only: what a failover of Redis must not stop. Tokens live and die at an API, and jobs run.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob } from '#services/platform/define/job.ts';
import { startConsumer } from '#services/platform/queue/consumer.ts';
import { watchForDeadWorkers } from '#services/platform/queue/dead-workers.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import type { Credentials } from '../stack/smoke.ts';

export type TokenLives = {
  /** One life of a token: issued, valid, revoked, and refused in time. Rejects if a decision was lost. */
  live(at?: { readonly validateAt: string }): Promise<{ readonly revokedAfterMs: number }>;
};

/** A copy that is short of time on a busy machine decides nothing; none of these has to do with Redis. */
const UNDECIDED = /"(store_unavailable|revocation_state_stale|request_stale)"/;

/** An answer that decides. */
async function decided(what: string, ask: () => Promise<Response>): Promise<Record<string, unknown>> {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask();
    const text = await answer.text();
    if (answer.status === 200) return text === '' ? {} : JSON.parse(text);
    if (answer.status !== 503 || !UNDECIDED.test(text) || tries === 20)
      throw new Error(`${what} answered ${answer.status}: ${text}`);
    await sleep(200);
  }
}

/** @param withinMs the most that a copy may take to refuse a revoked token */
export function createTokenLives(api: string, credentials: Credentials, withinMs: number): TokenLives {
  const { client_id: id, client_secret: secret } = credentials.client;
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const post = (url: string, body: object): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify(body),
    });
  return {
    live: async ({ validateAt } = { validateAt: api }) => {
      const isActive = async (token: string): Promise<boolean> =>
        (await decided('validate', () => post(`${validateAt}/v1/tokens/validate`, { token }))).active === true;
      const issued = await decided('the token endpoint', () =>
        fetch(`${api}/oauth2/token`, {
          method: 'POST',
          headers: { authorization },
          body: new URLSearchParams({ grant_type: 'client_credentials' }),
        }),
      );
      const token = issued.access_token as string;
      if (!(await isActive(token))) throw new Error('a new token is not active');
      await decided('revoke', () => post(`${api}/v1/tokens/revoke`, { token, reason: 'failover' }));
      const revokedAt = performance.now();
      for (let askedAt = revokedAt; await isActive(token); askedAt = performance.now()) {
        if (askedAt > revokedAt + withinMs) throw new Error('a revoked token is still active');
        await sleep(20);
      }
      return { revokedAfterMs: performance.now() - revokedAt };
    },
  };
}

const beat = defineJob({
  name: 'beat-during-failover',
  queue: 'failover',
  payload: z.strictObject({}),
  attempts: 1,
  backoffSeconds: 1,
  staleAfterSeconds: 60,
  timeoutSeconds: 5,
  meaning: 'a beat',
});

export type RedisLoad = {
  readonly errors: readonly string[];
  /** Tokens that were refused in time. */
  readonly lives: () => number;
  /** Jobs that ran. */
  readonly ran: () => number;
  stop(): Promise<void>;
};

/** Two clients with tokens, and a job every 25 ms. Jobs that Redis did not accept are not counted. */
export function startRedisLoad(tokens: TokenLives, redisUrl: string): RedisLoad {
  const errors: string[] = [];
  const producer = createProducer(redisUrl, () => {});
  let [isOn, lives, ran] = [true, 0, 0];
  const consumer = startConsumer({
    queue: beat.queue,
    redisUrl,
    lockMs: 5_000,
    handle: async () => {
      ran += 1;
      return { kind: 'done' };
    },
    onStalled: () => {},
    onStalledToDeath: () => {},
    onError: () => {},
  });
  const watch = watchForDeadWorkers(producer, [consumer]);
  const clients = Array.from({ length: 2 }, async () => {
    while (isOn) {
      await tokens.live().then(
        () => (lives += 1),
        (err: unknown) => errors.push(String(err)),
      );
      await sleep(50);
    }
  });
  const beats = (async () => {
    while (isOn) {
      await producer.enqueue(beat, {}).catch(() => {});
      await sleep(25);
    }
  })();
  return {
    errors,
    lives: () => lives,
    ran: () => ran,
    stop: async () => {
      isOn = false;
      await Promise.all([...clients, beats]);
      await Promise.all([consumer.close(), watch.close(), producer.close()]);
    },
  };
}
