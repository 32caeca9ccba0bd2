/** PROCESS. Hashes on its main thread, since the parent lowers the priority of that thread only; ends with its parent. */
import { nameSourcesOfCrash } from '#observability/source-frames.ts';
import { serveChild } from './serve-child.ts';

nameSourcesOfCrash();

// Ctrl-C and service managers signal the whole group, but the child must finish sign-ins while the parent drains.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
if (!process.connected) process.exit(0);
// If the parent exits between a request and its answer, the answer is dropped.
process.on(
  'message',
  serveChild((message) => process.send?.(message, undefined, {}, () => {})),
);
