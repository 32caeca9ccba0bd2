import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { createTestDatabase, testRedisUrl } from './testing/stores.ts';

const ASKER = new URL('./testing/processes/asking.ts', import.meta.url);
const WARMING = 200;
const COUNT = 400;

/** Its heap is so wide that the whole of it is never collected meanwhile. */
async function startAsker() {
  const database = await createTestDatabase();
  onTestFinished(database.drop);
  const child = fork(ASKER, {
    execArgv: ['--expose-gc', '--initial-heap-size=512'],
    env: { PATH: process.env.PATH, DATABASE_URL: database.url, REDIS_URL: testRedisUrl() },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  onTestFinished(async () => {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  });
  await once(child, 'message');
  return async (store: string, count: number): Promise<number> => {
    child.send({ store, count });
    const [bytes] = await once(child, 'message');
    return bytes as number;
  };
}

test.each(['postgres', 'redis'])('what %s was asked is gone with the next collection of the young', async (store) => {
  const ask = await startAsker();
  const before = await ask(store, WARMING);
  // Of 40,000 bytes asked each time, and of as many answered by Postgres.
  expect(((await ask(store, COUNT)) - before) / COUNT).toBeLessThan(10_000);
});
