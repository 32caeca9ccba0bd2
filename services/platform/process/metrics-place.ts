import type { MetricsServerOptions } from '#observability/metrics/server.ts';
import type { Config } from '../config/load.ts';

/** Where a process serves its metrics: to its supervisor on a socket, else on METRICS_PORT under its own name. */
export const metricsPlaceOf = (
  { metricsSocket, metricsPort, host }: Config['server'],
  process: 'api' | 'worker',
): Pick<MetricsServerOptions, 'socketPath' | 'port' | 'host' | 'constantLabels'> =>
  metricsSocket ? { socketPath: metricsSocket } : { port: metricsPort, host, constantLabels: { process } };
