import type { Command } from 'commander';
import { explainSignIn } from '#services/domain/identity/admin/explain-sign-in.ts';
import { findUserId } from '#services/domain/identity/users/find-user-id.ts';
import { isVerificationRequired, secondFactorRolesOf } from '#services/platform/config/identity.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { onAccounts } from '../admin.ts';
import type { GlobalOptions } from '../output.ts';
import { USER } from './admin.ts';

/** What the settings of this installation decide about sign-ins. */
function signInPolicy() {
  const config = loadConfig(process.env);
  return {
    verificationRequired: isVerificationRequired(config),
    secondFactorRoles: secondFactorRolesOf(config),
    sessionsPerAccount: config.identity.sessionsPerAccount,
  };
}

/** `sallyport users why`, directly on the database. */
export const registerUserWhy = (users: Command): Command =>
  users
    .command('why')
    .description('explain why a user cannot sign in, with the command that helps')
    .argument('<user>', USER)
    .action((user: string, _own, command: Command) =>
      onAccounts<GlobalOptions>(command, async (ports, output) => {
        const found = await explainSignIn({ ...ports, ...signInPolicy() }, await findUserId(ports, user));
        output.data(found, ({ sentence, fix, also }) => [
          sentence,
          `  fix: ${fix}`,
          ...also.flatMap((cause) => [`also: ${cause.sentence}`, `  fix: ${cause.fix}`]),
        ]);
      }),
    );
