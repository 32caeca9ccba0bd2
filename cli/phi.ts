import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  decryptPhiEndpoint,
  encryptPhiEndpoint,
  type PhiKeyView,
  type PhiRotationView,
  shredPhiEndpoint,
} from '../services/domain/privacy/contract.ts';
import { decryptPhi } from '../services/domain/privacy/decrypt-phi.ts';
import { encryptPhi } from '../services/domain/privacy/encrypt-phi.ts';
import { createPhiKeys } from '../services/domain/privacy/phi-keys.ts';
import { PHI_LEVELS, PHI_PURPOSES } from '../services/domain/privacy/phi-shapes.ts';
import { listPhiKeys, readPhiRotation, rotatePhiKeys } from '../services/domain/privacy/rotate-encryption-keys.ts';
import { shredPhi } from '../services/domain/privacy/shred-phi.ts';
import { systemClock } from '../services/platform/crypto/system.ts';
import { type ActOptions, actAsked, addReason, onDatabase, rehearsed, type Verb } from './admin.ts';
import { checked, uuidOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport phi');
const LISTING = 'sallyport phi keys';
/** For users; the caller of a command is the system. */
const stepUp = { maxAgeSeconds: 0, needsSecondFactor: true, clock: systemClock };

/** `sallyport phi encrypt|decrypt|keys|rotate|rotation|shred`, directly on the database. */
export function registerPhi(program: Command): void {
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
  phi
    .command('keys')
    .description('list the key-encryption keys of health data, and the last rotation')
    .action((_own, command: Command) => onDatabase(command, keys));
  addReason(phi.command('rotate'))
    .description('create the next key-encryption key; a worker re-wraps every data key under it')
    .action((_own, command: Command) => onDatabase(command, rotate));
  phi
    .command('rotation')
    .description('show the progress of a rotation')
    .argument('<rotation_id>', 'id of the rotation, as `phi rotate` and `phi keys` print it')
    .action((id: string, _own, command: Command) => onDatabase(command, rotation(uuidOf(id, LISTING))));
  addReason(phi.command('shred'))
    .description('destroy the data keys of a person, so that no value encrypted for them can be decrypted again')
    .argument('<subject_id>')
    .action((subjectId: string, _own, command: Command) => onDatabase(command, shred(subjectId)));
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
  const { subject_id: subjectId, ...input } = checked(encryptPhiEndpoint, {
    subject_id,
    purpose,
    level,
    data: standardInput(),
  });
  if (rehearsed(output, options, `encrypt a value of ${subjectId}`)) return;
  const phiKeys = createPhiKeys(ports.vault);
  const encrypted = await encryptPhi({ ...ports, phiKeys }, { ...input, subjectId }, caller);
  output.data(encrypted, (envelope) => [JSON.stringify(envelope)]);
};

const decrypt: Verb<Use> = async (ports, output, options) => {
  const input = checked(decryptPhiEndpoint, { purpose: options.purpose, encrypted: standardInput() });
  if (rehearsed(output, options, `decrypt a value of ${input.encrypted.subject_id}`)) return;
  const data = await decryptPhi({ ...ports, phiKeys: createPhiKeys(ports.vault), stepUp }, input, caller);
  output.data({ data }, (shown) => [JSON.stringify(shown.data)]);
};

const keys: Verb<GlobalOptions> = async (ports, output) => {
  output.data(await listPhiKeys(ports), (listed) => [
    ...listed.keys.map(keyLine),
    ...(listed.rotation === null ? [] : [rotationLine(listed.rotation)]),
  ]);
};

const rotate: Verb<ActOptions> = (ports, output, options) => {
  const act = () => rotatePhiKeys({ ...ports, wakePhiRotation: () => {} }, { reason: options.reason }, caller);
  return actAsked(output, options, 'create the next key and re-wrap every data key', act, (done) => [
    rotationLine(done),
  ]);
};

const rotation =
  (id: string): Verb<GlobalOptions> =>
  async (ports, output) =>
    output.data(await readPhiRotation(ports, id), (row) => [rotationLine(row)]);

const shred =
  (subject: string): Verb<ActOptions> =>
  (ports, output, options) => {
    const { params } = shredPhiEndpoint;
    const { subject_id: subjectId } = checked({ body: params }, { subject_id: subject });
    const act = () => shredPhi(ports, { subjectId, reason: options.reason }, caller);
    return actAsked(output, options, `destroy the data keys of ${subjectId} for good`, act, (done) => [
      `${done.shredded_at}  ${done.destroyed_keys} data keys of ${done.subject_id} destroyed`,
    ]);
  };

const keyLine = ({ key_version, state, created_at, destroyed_at }: PhiKeyView): string =>
  `${String(key_version).padStart(5)}  ${state.padEnd(9)}  created ${created_at}${destroyed_at === null ? '' : `  destroyed ${destroyed_at}`}`;

const rotationLine = ({ rotation_id, state, key_version, data_keys, rewrapped }: PhiRotationView): string =>
  `rotation ${rotation_id}  ${state}  to key ${key_version}  ${rewrapped} of ${data_keys ?? '?'} data keys`;
