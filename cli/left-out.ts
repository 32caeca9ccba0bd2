import { type Wing, wingSettings } from '../services/platform/config/wings.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** Refuses a command of a wing that this installation leaves out. */
export function assertHas(wing: Wing, command: string): void {
  const { env, schema } = wingSettings.leftOut;
  const { data: leftOut } = schema.safeParse(process.env[env]);
  // A value that is wrong is refused where all settings are read.
  if (!leftOut?.includes(wing)) return;
  throw new CommandError(
    exitCodes.refused,
    `${env} leaves out ${wing}, which has the command ${command}`,
    `to end what is left of it, run the command with another value: ${env}= npx sallyport ${command}`,
  );
}
