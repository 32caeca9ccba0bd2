// THREAD. A thread that signs, and dies while it has nothing to do.
import { parentPort } from 'node:worker_threads';

parentPort?.postMessage('ready');
setImmediate(() => {
  throw new Error('a defect');
});
