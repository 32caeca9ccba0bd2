import type { Command } from 'commander';
import { createKeyRing } from '../services/domain/keys/key-ring.ts';
import { unlockUser } from '../services/domain/security/unlock-user.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { confirm } from './confirm.ts';
import { systemCaller, withDatabase } from './database-ports.ts';
import { asCommandError, requireReason } from './incidents.ts';
import { createOutput, type GlobalOptions } from './output.ts';
import { registerUserAdmin } from './users-admin.ts';

const caller = systemCaller('sallyport users');

/** `sallyport users …`, directly on the database. */
export function registerUsers(program: Command): void {
  const users = program.command('users').description('accounts: list, show, disable, enable, delete, roles, unlock');
  registerUserAdmin(users);
  users
    .command('unlock')
    .description('let a locked account try its password again from any device')
    .argument('<user_id>')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action((userId: string, _own, command: Command) => unlock(command, userId));
}

async function unlock(command: Command, userId: string): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions & { reason: string }>();
  const output = createOutput(options);
  requireReason(options.reason);
  if (options.dryRun) return output.say(`would unlock ${userId}; nothing was done`);
  if (!options.yes) await confirm(`Forget the wrong passwords of ${userId}?`);
  try {
    const answer = await withDatabase(async (ports) => {
      const keyRing = createKeyRing(ports, loadConfig(process.env).keys);
      await keyRing.load();
      return unlockUser({ ...ports, keyRing }, { userId, reason: options.reason }, caller);
    });
    output.data(answer, ({ user_id, failed_logins }) => [`${user_id}  unlocked after ${failed_logins} failures`]);
  } catch (err) {
    throw asCommandError(err);
  }
}
