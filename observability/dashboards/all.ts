import { authentication } from './authentication.ts';
import { capacity } from './capacity.ts';
import { compliance } from './compliance.ts';
import { buildDashboard, type DashboardDefinition } from './define.ts';
import { keysAndRevocation } from './keys-and-revocation.ts';
import { moving } from './moving.ts';
import { queues } from './queues.ts';
import { security } from './security.ts';
import { serviceSlo } from './service-slo.ts';

export const dashboards: readonly DashboardDefinition[] = [
  serviceSlo,
  authentication,
  capacity,
  security,
  keysAndRevocation,
  queues,
  compliance,
  moving,
];

/** File name to its text, as committed beside the definitions. */
export function dashboardFiles(): Map<string, string> {
  return new Map(
    dashboards.map((definition) => [
      `${definition.uid.replace('sallyport-', '')}.json`,
      `${JSON.stringify(buildDashboard(definition), null, 2)}\n`,
    ]),
  );
}
