import { type Check, pass, warn } from '#services/core/health/doctor-check.ts';
import {
  rateLimitProfileOf,
  UNRESOLVED_ADDRESS_FIX,
  unresolvedAddressWarning,
} from '#services/platform/config/limits.ts';

/** Rate limits, audit rows and detections use the client's address, so it must be resolved correctly. */
export const limitsCheck: Check = {
  name: 'client address',
  run: async (settings) => {
    const config = await settings();
    const { server } = config;
    if (unresolvedAddressWarning(server) !== null)
      return warn('no TRUSTED_PROXIES: behind a proxy all clients would share one address', UNRESOLVED_ADDRESS_FIX);
    const known = server.trustedProxies.length;
    const from =
      known === 0 ? 'address of the connection' : `forwarded by ${known} trusted ${known === 1 ? 'proxy' : 'proxies'}`;
    return pass(`${from}; rate limits ${rateLimitProfileOf(config)}`);
  },
};
