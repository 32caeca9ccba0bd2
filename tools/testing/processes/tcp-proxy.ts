import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFreePort } from '#services/platform/local/ports.ts';

/** A proxy in front of a store, with which a test can disconnect the store and reconnect it with its data. */
export type TcpProxy = {
  /** The target's URL through the proxy. */
  readonly url: string;
  /** Ends every connection and refuses new ones. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** Connections from now on go to the server of another URL, under the address that clients know. */
  lead(targetUrl: string): void;
  /** Holds every byte in both directions, so that connections stay open but silent. */
  freeze(): void;
  /**
   * Holds what the server answers to a message that contains this text, and all that follows it on its connection.
   * @param after only on a connection that has sent this text before, once it was asked for
   */
  holdAnswersTo(text: string, after?: string): void;
  /** Ends freezing and holding. */
  thaw(): void;
  /** Delays every byte by this time, in order; 0: no delay. */
  delay(ms: number): void;
  /** New connections lead to the server of this URL. */
  retarget(url: string): void;
  /** How many messages clients have sent so far, over all connections: of one command at least each. */
  messages(): number;
  /** How many connections clients have opened so far. */
  connections(): number;
};

/** Puts a proxy in front of the server of a URL. Close it with `cut`. */
export async function startTcpProxy(targetUrl: string): Promise<TcpProxy> {
  let target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  let isFrozen = false;
  let heldText: string | null = null;
  let textBefore = '';
  let delayMs = 0;
  let messages = 0;
  let connections = 0;
  /** Writes to a socket, late where that is asked for, and never out of order. */
  const writerTo = (to: Socket): ((bytes: Buffer) => void) => {
    let late = Promise.resolve();
    let waiting = 0;
    return (bytes) => {
      if (delayMs === 0 && waiting === 0) return void to.write(bytes);
      const due = performance.now() + delayMs;
      waiting += 1;
      late = late
        .then(() => sleep(Math.max(0, due - performance.now())))
        .then(() => {
          waiting -= 1;
          if (!to.destroyed) to.write(bytes);
        });
    };
  };
  const server = createServer((client) => {
    connections += 1;
    const upstream = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      const write = writerTo(to);
      let isMarked = false;
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (bytes) => {
        if (from === client) messages += 1;
        if (from === client && heldText !== null) {
          isMarked ||= bytes.includes(textBefore);
          if (isMarked && bytes.includes(heldText)) upstream.pause();
        }
        write(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      if (isFrozen) from.pause();
    }
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  // The proxy is cut off: refuse the connection.
  const port = await randomFreePort();
  await listen(port);
  const url = new URL(targetUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    cut: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
    restore: () => listen(port),
    lead: (otherUrl) => {
      target = new URL(otherUrl);
    },
    freeze: () => {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    holdAnswersTo: (text, after = '') => {
      heldText = text;
      textBefore = after;
    },
    thaw: () => {
      isFrozen = false;
      heldText = null;
      for (const socket of sockets) socket.resume();
    },
    delay: (ms) => {
      delayMs = ms;
    },
    retarget: (other) => {
      target = new URL(other);
    },
    messages: () => messages,
    connections: () => connections,
  };
}
