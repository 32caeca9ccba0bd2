import { defineMachineControl, type Observation } from '../control.ts';

export const transportRedisTls = defineMachineControl({
  name: 'transport-redis-tls',
  title: 'Connections to Redis over a network are encrypted',
  clause: '164.312(e)(2)(ii)',
  profile: 'current',
  requirement: 'addressable',
  population: 'the URL of Redis, if it is on another machine',
  probe: 'Reads whether the URL that this process connected with asks for TLS; such a client refuses plaintext',
  probeVersion: 1,
  evidence: 'Whether Redis is on this machine, and whether the URL asks for TLS',
  pace: 'frequent',
  threat: 'An attacker on the network reads or adds jobs',
  humanDuty: 'Turn off the plaintext port of Redis, and limit who reaches it.',
  check: async ({ installation: { redis } }): Promise<Observation> => {
    const observed = { is_local: redis.isLocal, asks_for_tls: redis.asksForTls };
    if (redis.isLocal) return { population: 0, exceptions: [], observed, notApplicable: 'Redis is on this machine' };
    return {
      population: 1,
      exceptions: redis.asksForTls ? [] : [{ resource: 'REDIS_URL', why: 'the connection to Redis is not encrypted' }],
      observed,
    };
  },
});
