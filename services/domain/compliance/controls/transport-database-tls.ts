import { defineMachineControl, type Observation } from '../control.ts';
import { readConnection } from '../probes/custody.store.ts';
import { inRollback } from '../probes/in-rollback.ts';

export const transportDatabaseTls = defineMachineControl({
  name: 'transport-database-tls',
  title: 'Connections to PostgreSQL over a network are encrypted',
  clause: '164.312(e)(2)(ii)',
  profile: 'current',
  requirement: 'addressable',
  population: 'the worker’s connection, if PostgreSQL is on another machine',
  probe: 'Asks PostgreSQL whether the connection of this worker is encrypted, and with which version of TLS',
  probeVersion: 1,
  evidence: 'Whether the connection is encrypted, and its version of TLS',
  pace: 'frequent',
  threat: 'An attacker on the network reads the database’s traffic',
  humanDuty: 'Verify the server’s certificate (sslmode=verify-full), and refuse plaintext in pg_hba.conf.',
  check: async ({ installation: { database }, ...ports }): Promise<Observation> => {
    const { ssl, version } = await inRollback(ports, readConnection);
    const observed = { is_local: database.isLocal, ssl, version };
    if (database.isLocal)
      return { population: 0, exceptions: [], observed, notApplicable: 'PostgreSQL is on this machine' };
    return {
      population: 1,
      exceptions: ssl ? [] : [{ resource: 'DATABASE_URL', why: 'the connection to PostgreSQL is not encrypted' }],
      observed,
    };
  },
});
