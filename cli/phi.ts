import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { decryptPhiEndpoint, encryptPhiEndpoint } from '../services/wings/privacy/contract.ts';
import { decryptPhi } from '../services/wings/privacy/decrypt-phi.ts';
import { encryptPhi } from '../services/wings/privacy/encrypt-phi.ts';
import { PHI_LEVELS, PHI_PURPOSES } from '../services/wings/privacy/phi-shapes.ts';
import { onDatabase, rehearsed, type Verb } from './admin.ts';
import { checked } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { Register } from './operations.ts';
import type { GlobalOptions } from './output.ts';
import { withoutSignIn } from './privacy/common.ts';

const caller = systemCaller('sallyport phi');

/** `sallyport phi …`, directly on the database; `encrypt` and `decrypt` read standard input. */
export function registerPhi(program: Command, addOperations: Register): void {
  const phi = program.command('phi');
  phi
    .command('encrypt')
    .description('encrypt the JSON value on standard input, and print the envelope')
    .requiredOption('--subject <id>', 'opaque id of the person that the value describes')
    .addOption(purposeOption())
    .addOption(new Option('--level <level>', 'level of protection').choices(PHI_LEVELS).default('standard'))
    .action((_own, command: Command) => onDatabase(command, encrypt));
  phi
    .command('decrypt')
    .description('decrypt the envelope on standard input, and print the value; the audit log records it')
    .addOption(purposeOption())
    .action((_own, command: Command) => onDatabase(command, decrypt));
  addOperations(program);
}

const purposeOption = (): Option =>
  new Option('--purpose <purpose>', 'why the value is used; decrypting requires the same')
    .choices(PHI_PURPOSES)
    .makeOptionMandatory();

/** @throws CommandError (2) */
function standardInput(): unknown {
  try {
    return JSON.parse(readFileSync(0, 'utf8'));
  } catch {
    // The parser's message would quote the value.
    throw new CommandError(exitCodes.usage, 'standard input is not JSON', 'pipe one JSON value into the command');
  }
}

type Use = GlobalOptions & { readonly purpose: string };

const encrypt: Verb<Use & { readonly subject: string; readonly level: string }> = async (ports, output, options) => {
  const { subject: subject_id, purpose, level } = options;
  const input = checked(encryptPhiEndpoint, { subject_id, purpose, level, data: standardInput() });
  const { encrypted } = await encryptPhi(ports, input, caller);
  if (rehearsed(output, options, `encrypt a value of ${input.subject_id}`)) return;
  output.data(encrypted, (envelope) => [JSON.stringify(envelope)]);
};

const decrypt: Verb<Use> = async (ports, output, options) => {
  const input = checked(decryptPhiEndpoint, { purpose: options.purpose, encrypted: standardInput() });
  const found = await decryptPhi(withoutSignIn(ports), input, caller);
  if (rehearsed(output, options, `decrypt a value of ${input.encrypted.subject_id}`)) return;
  output.data(found, (shown) => [JSON.stringify(shown.data)]);
};
