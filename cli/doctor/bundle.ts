import { type Check, pass, warn } from '#services/core/health/doctor-check.ts';
import { outdatedBundle, runningBundle } from '#services/platform/local/outdated-bundle.ts';

/** Checks that the code that runs here is that of the sources beside it. */
export const bundleCheck: Check = {
  name: 'code',
  run: async () => {
    const outdated = outdatedBundle();
    if (outdated !== undefined) return warn(`bundle ${runningBundle}: ${outdated.message}`, outdated.fix);
    return pass(runningBundle === undefined ? 'the sources' : `bundle ${runningBundle}`);
  },
};
