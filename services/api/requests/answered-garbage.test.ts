import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';

const SERVER = new URL('../../platform/testing/processes/answering.ts', import.meta.url);
const CALLERS = 16;

/** Its heap is so wide that the whole of it is never collected meanwhile. */
async function startServer() {
  const child = fork(SERVER, {
    execArgv: ['--expose-gc', '--initial-heap-size=512'],
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  onTestFinished(() => void child.kill());
  const [url] = await once(child, 'message');
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  onTestFinished(() => agent.destroy());
  const post = async (): Promise<void> => {
    const asked = request(`${url}/things`, { method: 'POST', agent }).end();
    const [response] = await once(asked, 'response');
    await text(response);
  };
  return {
    async ask(count: number): Promise<void> {
      let left = count;
      const caller = async (): Promise<void> => {
        for (; left > 0; left -= 1) await post();
      };
      await Promise.all(Array.from({ length: CALLERS }, caller));
    },
    async oldBytes(): Promise<number> {
      child.send('old');
      const [bytes] = await once(child, 'message');
      return bytes as number;
    },
  };
}

test('an answered request is gone with the next collection of the young: none waits for one of the whole heap', async () => {
  const server = await startServer();
  await server.ask(2_000);
  const before = await server.oldBytes();
  const requests = 4_000;
  await server.ask(requests);
  // One that stays keeps 3,500 bytes; what the engine itself keeps for each is a few dozen.
  expect(((await server.oldBytes()) - before) / requests).toBeLessThan(1_000);
});
