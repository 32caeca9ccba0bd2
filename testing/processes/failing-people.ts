// THREAD. The thread of logins, which dies of `crash@…` in the middle of its work.
import { parentPort } from 'node:worker_threads';
import '#services/api/people/thread.ts';
import type { ToThread } from '#services/api/people/protocol.ts';

parentPort?.on('message', (message: ToThread) => {
  if (message.kind !== 'call') return;
  const { email } = message.input as { readonly email?: string };
  if (email?.startsWith('crash@')) throw new Error('a defect');
});
