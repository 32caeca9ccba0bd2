import { type Check, pass, warn } from '#services/core/health/doctor-check.ts';
import { readProductionGaps } from '#services/core/health/production-gaps.ts';
import { modulesOf } from '#services/modules.ts';
import { missingForProduction } from '#services/platform/config/production.ts';
import { withDatabase } from '../database-ports.ts';

/** In development, lists all that is missing for production, as the start page does. */
export const productionCheck: Check = {
  name: 'production',
  needs: 'databaseUrl',
  run: async (settings) => {
    const { server, wings } = await settings();
    if (server.profile !== 'development') return pass(`profile ${server.profile}: the controls page what is missing`);
    const gaps = await withDatabase((ports) =>
      readProductionGaps(ports, missingForProduction(process.env), modulesOf(wings)),
    );
    if (gaps.length === 0) return pass('nothing is missing but SALLYPORT_PROFILE=production');
    return {
      ...warn(`${gaps.length} things are missing for production`, 'docs/how-to/run-in-production.md'),
      items: gaps.map(({ name, why, fix }) => `${name}: ${why}. ${fix}`),
    };
  },
};
