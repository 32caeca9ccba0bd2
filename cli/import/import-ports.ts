import { createFactorSeal } from '#services/core/identity/sessions/factor-seal.ts';
import { relyingParty } from '#services/core/identity/sessions/relying-party.ts';
import type { ImportPorts } from '#services/wings/import/run/run-import.ts';
import { publicUrlOf } from '../../services/platform/config/load.ts';
import { resolveDataDir } from '../../services/platform/local/data-dir.ts';
import { authSecretOf, type DatabasePorts } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';

/** What an import needs beside the database: the key of second factors, and the RP ID of passkeys. */
export function importPorts(database: DatabasePorts, env: NodeJS.ProcessEnv = process.env): ImportPorts {
  const config = database.settings;
  const authSecret = authSecretOf(resolveDataDir(env), config.identity.authSecret);
  const seal = createFactorSeal(authSecret);
  const needsSecret = (): void => {
    if (authSecret !== '') return;
    throw new CommandError(
      exitCodes.refused,
      'no auth secret: second factors cannot be encrypted',
      'set BETTER_AUTH_SECRET as the API has it, or SALLYPORT_DATA_DIR',
    );
  };
  return {
    ...database,
    factorSeal: {
      seal: async (plain) => {
        needsSecret();
        return seal.seal(plain);
      },
      open: async (sealed) => {
        needsSecret();
        return seal.open(sealed);
      },
    },
    relyingPartyId: relyingParty(publicUrlOf(config)).rpID,
  };
}
