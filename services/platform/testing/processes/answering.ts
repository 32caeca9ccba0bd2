// PROCESS: for tests only, a server of one route that says what its old generation holds after a collection of the young.
import { setTimeout } from 'node:timers/promises';
import { bind } from '../../../api/bind.ts';
import { made, serve } from '../worlds/route-world.ts';
import { oldGenerationBytes } from './old-generation.ts';

const served = serve();
// Many are in flight at once.
bind(served.routes, made({ operation: 'work' }), async () => {
  await setTimeout(5);
  return {};
});

process.on('message', () => process.send?.(oldGenerationBytes()));
process.on('disconnect', () => process.exit(0));
process.send?.(await served.fastify.listen({ port: 0, host: '127.0.0.1' }));
