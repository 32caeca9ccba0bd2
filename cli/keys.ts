import { type Command, Option } from 'commander';
import { ASYMMETRIC_ALGORITHMS, type AsymmetricAlgorithm } from '../services/core/keys/algorithm-shapes.ts';
import { compromiseKey } from '../services/core/keys/compromise-key.ts';
import { ACCESS_PURPOSE } from '../services/core/keys/key-timeline.ts';
import type { KeyView } from '../services/core/keys/key-view.ts';
import { keyTimeline, listKeys } from '../services/core/keys/list-keys.ts';
import { retireKeys } from '../services/core/keys/retire-keys.ts';
import { rotateSigningKeys } from '../services/core/keys/rotate-signing-keys.ts';
import { rewrapSealedValues } from '../services/core/keys/secrets/rewrap-sealed-values.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { keyServiceOf } from '../services/platform/crypto/key-services.ts';
import { type ActOptions, addReason, onDatabase, type Verb } from './admin.ts';
import { requireReason } from './arguments.ts';
import { confirm } from './confirm.ts';
import { type DatabasePorts, previousVault, systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const caller = systemCaller('sallyport keys');
// Running copies see the change at their next poll, within a quarter of a second.
const keysChanged = (): void => {};

/** `sallyport keys list|rotate|compromise|timeline|wrap|rewrap`, directly on the database. */
export function registerKeys(program: Command): void {
  const keys = program.command('keys');
  keys
    .command('list')
    .description('list every key with its state')
    .action((_own, command: Command) => onDatabase(command, list));
  keys
    .command('timeline')
    .description('show past and planned events of the keys, in order')
    .action((_own, command: Command) => onDatabase(command, timeline));
  keys
    .command('rotate')
    .description('publish the next signing key now; it signs after the hold period')
    .option('--when-due', 'rotate only if KEY_ROTATION_DAYS have passed')
    .addOption(
      new Option('--algorithm <alg>', 'rotate the keys of this algorithm, not the default ones').choices(
        ASYMMETRIC_ALGORITHMS,
      ),
    )
    .action((_own, command: Command) => onDatabase(command, rotate));
  keys
    .command('wrap')
    .description('create a KEY_ENCRYPTION_KEY_WRAPPED that only the service in KEY_ENCRYPTION_SERVICE can decrypt')
    .action((_own, command: Command) => wrap(command.optsWithGlobals()));
  keys
    .command('rewrap')
    .description('encrypt every key and secret under KEY_ENCRYPTION_KEY instead of KEY_ENCRYPTION_KEY_PREVIOUS')
    .option(
      '--from-auth-secret',
      'use when KEY_ENCRYPTION_KEY was not set before, so the old key was derived from BETTER_AUTH_SECRET',
    )
    .action((_own, command: Command) => onDatabase(command, rewrap));
  addReason(keys.command('compromise'))
    .description('revoke a compromised key: its tokens are rejected everywhere, and another key signs immediately')
    .argument('<kid>', 'id of the key (kid), as `keys list` shows it')
    .action((kid: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, (ports, output, options) => compromise(ports, output, options, kid)),
    );
}

const list: Verb<GlobalOptions> = async (ports, output) => {
  output.data({ keys: await listKeys(ports) }, ({ keys }) => keys.map(line));
};

const timeline: Verb<GlobalOptions> = async (ports, output) => {
  output.data({ events: keyTimeline(await listKeys(ports)) }, ({ events }) =>
    events.map(({ at, event, kid, alg }) => `${at}  ${event.padEnd(18)}  ${alg.padEnd(5)}  ${kid}`),
  );
};

type RotateOptions = GlobalOptions & { readonly whenDue?: boolean; readonly algorithm?: AsymmetricAlgorithm };

const rotate: Verb<RotateOptions> = async (ports, output, options) => {
  const input = { onlyWhenDue: options.whenDue ?? false, algorithm: options.algorithm };
  const { outcome, key } = await rotateSigningKeys({ ...ports, keysChanged }, input, caller);
  if (options.dryRun) {
    const would = {
      publish: 'would publish the next key; nothing was done',
      pending: `nothing to do: ${key.kid} is waiting`,
      not_due: `nothing to do: ${key.kid} is not due yet`,
    };
    output.say(would[outcome]);
    const isNew = outcome === 'publish';
    if (options.json)
      output.data({ dry_run: true, would: isNew ? 'publish' : 'nothing', key: isNew ? null : key }, () => []);
    return;
  }
  const retired = await retireKeys(ports, caller);
  const said = {
    publish: `published; it signs from ${key.activates_at}`,
    pending: `a key is already waiting; it signs from ${key.activates_at}`,
    not_due: 'not due yet; the current key continues to sign',
  };
  output.say(said[outcome]);
  output.data({ outcome, key, destroyed: retired }, () => [line(key)]);
};

/** Needs no database: the key is in none before a start uses it. */
async function wrap(options: GlobalOptions): Promise<void> {
  const service = keyServiceOf(loadConfig(process.env).wrappedKeys);
  if (service === undefined)
    throw new CommandError(exitCodes.usage, 'KEY_ENCRYPTION_SERVICE is not set', 'set it to vault or aws-kms');
  const wrapped = await service.wrapNew();
  createOutput(options).data({ wrapped }, () => [wrapped]);
}

const rewrap: Verb<GlobalOptions & { fromAuthSecret?: boolean }> = async (ports, output, options) => {
  const previous = await previousVault(options.fromAuthSecret ?? false);
  const onlyLook = options.dryRun ?? false;
  const answer = await rewrapSealedValues(ports, { previous, onlyLook }, caller);
  const { sealed, rewrapped } = answer;
  if (rewrapped === 0) output.say(`nothing to do: KEY_ENCRYPTION_KEY opens all ${sealed} values`);
  else if (onlyLook) output.say(`would re-encrypt ${rewrapped} of ${sealed} values; nothing was done`);
  else output.say(`re-encrypted ${rewrapped} of ${sealed} values; unset KEY_ENCRYPTION_KEY_PREVIOUS`);
  output.data(answer, () => [`encrypted ${sealed}  re-encrypted ${rewrapped}`]);
};

async function compromise(ports: DatabasePorts, output: Output, options: ActOptions, kid: string): Promise<void> {
  requireReason(options.reason);
  const key = (await listKeys(ports)).find((candidate) => candidate.kid === kid);
  if (!key) throw new CommandError(exitCodes.usage, 'unknown key', 'sallyport keys list');
  if (!options.yes && !options.dryRun) await confirm(`Reject every token signed by the ${key.state} key ${kid}?`);
  const result = await compromiseKey({ ...ports, keysChanged }, { kid, reason: options.reason }, caller);
  if (options.dryRun) {
    output.say(`would revoke the ${key.state} key ${kid}; nothing was done`);
    if (options.json) output.data({ dry_run: true, would: 'compromise', key }, () => []);
    return;
  }
  output.say(result.notice);
  output.data(result, () => [line(result.key), ...(result.signer ? [line(result.signer)] : [])]);
}

const line = (key: KeyView): string =>
  [
    key.state.padEnd(11),
    key.alg.padEnd(5),
    key.kid,
    `signs from ${key.activates_at}${key.signs_until === null ? '' : ` to ${key.signs_until}`}`,
    ...(key.purpose === ACCESS_PURPOSE ? [] : [key.purpose]),
  ].join('  ');
