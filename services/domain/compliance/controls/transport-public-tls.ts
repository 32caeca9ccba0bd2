import { publicUrlOf } from '#services/platform/config/load.ts';
import { defineMachineControl, type Observation } from '../control.ts';

export const transportPublicTls = defineMachineControl({
  name: 'transport-public-tls',
  title: 'Clients reach the API over TLS only',
  clause: '164.312(e)(1)',
  profile: 'current',
  requirement: 'required',
  population: 'public addresses of the API',
  probe: 'Reads the public URL and the safety profile that this process runs with',
  probeVersion: 1,
  evidence: 'Scheme of the public URL, and the profile',
  pace: 'frequent',
  threat: 'An attacker on the network reads tokens',
  humanDuty: 'Configure TLS 1.2 or later at the proxy, and close the plaintext port.',
  check: async ({ config }): Promise<Observation> => {
    const { protocol, hostname } = new URL(publicUrlOf(config));
    const { profile } = config.server;
    const observed = { scheme: protocol.slice(0, -1), profile };
    if (protocol === 'https:') return { population: 1, exceptions: [], observed };
    if (profile === 'development' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
      return { population: 0, exceptions: [], observed, notApplicable: 'the API serves this machine only' };
    return {
      population: 1,
      exceptions: [{ resource: 'BETTER_AUTH_URL', why: 'the public URL is not https' }],
      observed,
    };
  },
});
