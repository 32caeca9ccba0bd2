// PROCESS: the parent of several copies of one child, so that one pid stands for all of them and nothing else.
// Started by the supervisor only, which names the child in SALLYPORT_COPIES (JSON of a ChildSpec).
import { dirname } from 'node:path';
import { defaultBackoff } from './backoff.ts';
import type { ChildSpec } from './process-specs.ts';
import type { ChildMessage } from './protocol.ts';
import { createReadiness } from './readiness.ts';
import { copyNames, createReplicas } from './replicas.ts';
import { listenForStop } from './stop-requests.ts';

const { SALLYPORT_COPIES = '', SALLYPORT_METRICS_SOCKET = '', ...env } = process.env;
const spec = JSON.parse(SALLYPORT_COPIES) as ChildSpec;
const requests = listenForStop();
const tell = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message);
};
const readiness = createReadiness();
const fleet = createReplicas({
  spec,
  names: copyNames(spec),
  env: () => ({ ...env, SALLYPORT_REUSE_PORT: '1' }),
  socketFolder: dirname(SALLYPORT_METRICS_SOCKET),
  backoff: defaultBackoff,
  ownGroup: false,
  say: (text) => process.stderr.write(`sallyport: ${text}\n`),
  onFatal: (_child, { code, message, fix }) => {
    tell({ type: 'fatal', code, message, fix });
    requests.request(code);
  },
  onChange: () => {
    const { isReady, hopeless } = readiness.look(fleet);
    if (hopeless) process.exit(1);
    if (isReady) tell({ type: 'ready' });
  },
  onRestarted: (name) => tell({ type: 'restarted', name }),
});
for (const child of fleet) child.start();
await requests.stop;
await Promise.all(fleet.map((child) => child.stop()));
process.exit(0);
