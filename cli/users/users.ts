import type { Command } from 'commander';
import { userOperations } from '#services/core/identity/user-operations.ts';
import { consentOperations } from '#services/core/oauth/consents/operations.ts';
import { lockOperations } from '#services/core/security/lock-operations.ts';
import { registerOperations } from '../operations.ts';
import { registerUserInvitations } from './invite.ts';
import { registerUserRoles } from './roles.ts';

/** `sallyport users …`, directly on the database. */
export function registerUsers(program: Command): void {
  registerOperations(program, userOperations);
  const users = program.commands.find((verb) => verb.name() === 'users') as Command;
  registerUserRoles(users);
  registerUserInvitations(users);
  registerOperations(program, [...lockOperations, ...consentOperations]);
}
