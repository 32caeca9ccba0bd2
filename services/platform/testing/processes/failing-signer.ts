// THREAD. A thread that signs, and dies in the middle of its work.
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', () => {
  throw new Error('a defect');
});
