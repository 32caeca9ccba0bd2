// For tests only: a data directory for each test, with the supervisors it starts there, and ports that others hold.
import { type AddressInfo, createServer, type Server } from 'node:net';
import { test as baseTest, inject } from 'vitest';
import { eventually, TestBench } from '../../../supervisor/testing.ts';
import { copyCluster } from '../processes/prepared-cluster.ts';

/** Each test has a data directory of its own: `emptyLab` with nothing in it, `lab` with a new Postgres. */
export const test = baseTest
  .extend('emptyLab', ({ onTestFinished }) => {
    const lab = new TestBench();
    onTestFinished(() => lab.dispose());
    return lab;
  })
  .extend('lab', async ({ emptyLab }) => {
    await copyCluster(inject('clusterDir'), emptyLab.dataDir);
    return emptyLab;
  });

/** What `stores()` of a lab says once everything has ended. */
export const nothingLeft = { postgres: false, redis: false };
export const bothAlive = { postgres: true, redis: true };

/** A port that somebody listens on. */
export async function occupyPort(): Promise<{ port: number; close: () => void }> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

/** Listens on a port as soon as its owner lets go of it. */
export const takePort = (server: Server, port: number): Promise<true> =>
  eventually(`port ${port}`, () => {
    const attempt = Promise.withResolvers<true | undefined>();
    server.once('error', () => attempt.resolve(undefined));
    server.listen(port, '127.0.0.1', () => attempt.resolve(true));
    return attempt.promise;
  });
