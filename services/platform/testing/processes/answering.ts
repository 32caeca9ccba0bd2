// PROCESS: for tests only, a server of one route that says what its old generation holds after a collection of the young.
import { setTimeout } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { bind } from '../../../api/bind.ts';
import { made, serve } from '../worlds/route-world.ts';

const served = serve();
// Many are in flight at once.
bind(served.routes, made({ operation: 'work' }), async () => {
  await setTimeout(5);
  return {};
});

/** Bytes; what is in nobody's use counts, as long as it stands there. */
function oldGenerationBytes(): number {
  // What survives two collections of the young is old.
  for (let turn = 0; turn < 2; turn += 1) globalThis.gc?.({ type: 'minor' });
  return getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size;
}

process.on('message', () => process.send?.(oldGenerationBytes()));
process.on('disconnect', () => process.exit(0));
process.send?.(await served.fastify.listen({ port: 0, host: '127.0.0.1' }));
