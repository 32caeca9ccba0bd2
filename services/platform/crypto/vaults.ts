import type { Vault } from '#services/core/ports.ts';
import { type Config, keyEncryptionKeyOf, previousKeyEncryptionKeyOf } from '../config/load.ts';
import { createVault } from './vault.ts';

/** The vault of these settings, and the previous one, whose values a start re-encrypts. @throws ConfigError */
export function vaultsOf(
  config: Config,
  authSecret: string,
): { readonly vault: Vault; readonly previousVault: Vault | undefined } {
  const previous = previousKeyEncryptionKeyOf(config);
  return {
    vault: createVault(keyEncryptionKeyOf(config, authSecret)),
    previousVault: previous && createVault(previous),
  };
}
