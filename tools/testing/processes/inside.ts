// For tests only: a look into a running process, through its debugger on the loopback.
import { eventually } from '../eventually.ts';
import type { Product } from '../harness/product.ts';

/** Settings for `startProduct` that give the debugger a port of its own. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect-port=0' } as const;

/** Evaluates an expression inside the API process. */
export async function evaluateInside(product: Product, expression: string): Promise<unknown> {
  process.kill(product.apiPid()!, 'SIGUSR1');
  const url = await eventually('the debugger', () => /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(product.output())?.[0]);
  const socket = new WebSocket(url);
  try {
    return await new Promise((done, fail) => {
      socket.addEventListener('error', () => fail(new Error('the debugger does not answer')));
      socket.addEventListener('open', () =>
        socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression, returnByValue: true } })),
      );
      socket.addEventListener('message', ({ data }) => {
        const { id, result } = JSON.parse(String(data)) as { id?: number; result?: { result: { value: unknown } } };
        if (id === 1) done(result?.result.value);
      });
    });
  } finally {
    socket.close();
  }
}
