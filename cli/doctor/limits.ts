import { UNRESOLVED_ADDRESS_FIX, unresolvedAddressWarning } from '#services/platform/config/limits.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { type Check, pass, warn } from './check.ts';

/** Rate limits, audit rows and detections go by the client's address: it must be the client's. */
export const limitsCheck: Check = {
  name: 'client address',
  run: async () => {
    const { server, limits } = loadConfig(process.env);
    if (unresolvedAddressWarning(server) !== null)
      return warn('no TRUSTED_PROXIES: behind a proxy every client would count as one address', UNRESOLVED_ADDRESS_FIX);
    const known = server.trustedProxies.length;
    const from = known === 0 ? 'the connection’s own' : `told by ${known} trusted ${known === 1 ? 'proxy' : 'proxies'}`;
    return pass(`${from}; rate limits ${limits.profile}`);
  },
};
