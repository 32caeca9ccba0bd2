/** PROCESS. Hashes on its main thread, the only one whose priority the parent lowers; ends with its parent. */
import { serveChild } from './serve-child.ts';

// A Ctrl-C or a service manager signals the whole group: sign-ins in flight must outlive the parent's drain.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
if (!process.connected) process.exit(0);
// The parent may exit between a request and its answer: then the answer is dropped.
process.on(
  'message',
  serveChild((message) => process.send?.(message, undefined, {}, () => {})),
);
