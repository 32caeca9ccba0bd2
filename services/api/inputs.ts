import type { Log } from '../domain/ports.ts';
import { type Config, publicUrlOf } from '../platform/config/load.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import type { ComposeInput } from './compose-views.ts';

/** What the threads of one API process are composed from: the same for each. Throws `ConfigError`. */
export const inputsOf = (config: Config, log: Log): ComposeInput => ({
  ...processInputsOf(config),
  config,
  publicUrl: publicUrlOf(config),
  log,
});
