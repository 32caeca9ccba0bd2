import { authentication } from './authentication.ts';
import { capacity } from './capacity.ts';
import { compliance } from './compliance.ts';
import type { DashboardDefinition } from './define.ts';
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
