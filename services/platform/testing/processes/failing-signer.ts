// THREAD. A thread that signs, and dies of its first batch.
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', () => {
  throw new Error('a defect');
});
parentPort?.postMessage('ready');
