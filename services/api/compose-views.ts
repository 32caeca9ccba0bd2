import { createAccessDirectory } from '../domain/access/access-directory.ts';
import { createApiKeyDirectory } from '../domain/api-keys/api-key-directory.ts';
import { createKeyRing } from '../domain/keys/key-ring.ts';
import type { Log, MarkStore } from '../domain/ports.ts';
import { collapseRevocations } from '../domain/tokens/revocations/collapse-revocations.ts';
import { createStateConfirmation } from '../domain/tokens/revocations/confirm-state.ts';
import { createPolledGuard } from '../domain/tokens/revocations/database-guard.ts';
import { createRevocationSet } from '../domain/tokens/revocations/revocation-set.ts';
import { createStatePoll } from '../domain/tokens/revocations/state-poll.ts';
import { tokenNamesOf } from '../domain/tokens/token-types.ts';
import { secondFactorRolesOf } from '../platform/config/identity.ts';
import type { Config } from '../platform/config/load.ts';
import { systemClock, systemRandom } from '../platform/crypto/system.ts';
import { vaultsOf } from '../platform/crypto/vaults.ts';
import { waitForStore } from '../platform/process/store-wait.ts';
import { openStores } from './stores.ts';

export type ComposeInput = {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly authSecret: string;
  /** Where the API answers, without a trailing slash: issuer, audience and own origin where nothing else is set. */
  readonly publicUrl: string;
  readonly marks: MarkStore;
  readonly log: Log;
};

/** The stores of an API process and what it keeps in memory of them, empty until it is loaded. */
export function composeViews(input: ComposeInput) {
  const { config, log, authSecret, publicUrl, marks } = input;
  const databaseGuard = createPolledGuard();
  const stores = openStores(config, log, { database: input.databaseUrl, redis: input.redisUrl }, databaseGuard);
  const { vault, previousVault } = vaultsOf(config, authSecret);
  const tokenSettings = {
    ...config.tokens,
    ...tokenNamesOf(config.tokens, publicUrl),
    twoFactorIdleSeconds: config.identity.twoFactorIdleSeconds,
  };
  const outside = { ...stores, databaseGuard, clock: systemClock, random: systemRandom, vault, marks, log };
  const keyRing = createKeyRing(outside, config.keys);
  const access = createAccessDirectory(outside, {
    secondFactorRoles: secondFactorRolesOf(config),
    unvetted: config.clients,
  });
  const apiKeys = createApiKeyDirectory(outside, config.stores.stalenessBoundMs);
  const revocations = createRevocationSet({
    ...outside,
    stalenessBoundMs: config.stores.stalenessBoundMs,
    budget: config.stores.revocationBudget,
  });
  const poll = createStatePoll({
    ...outside,
    revocations,
    pollIntervalMs: config.stores.pollIntervalMs,
    onKeysVersion: () => keyRing.load(),
    onAccessVersion: () => Promise.all([access.load(), apiKeys.load()]),
    onConfirmed: ({ keysVersion, accessVersion, sentAtMs, databaseNowMs }) => {
      keyRing.confirm(keysVersion, sentAtMs, databaseNowMs);
      apiKeys.confirm(accessVersion, sentAtMs);
    },
    onBeat: () => collapseRevocations({ ...outside, revocations, announceRevocations }, config.stores.revocationBudget),
  });
  const announceRevocations = (): Promise<void> => poll.announce();
  const confirmState = createStateConfirmation({ ...outside, poll, keyRing, revocations });
  /** Loads what is kept in memory, as soon as PostgreSQL serves it; from then on requests set the deadlines. */
  const load = async (work: () => Promise<unknown>): Promise<void> => {
    await waitForStore(work, {
      store: 'PostgreSQL',
      url: input.databaseUrl,
      waitSeconds: config.stores.waitSeconds,
      say: (waiting) => log.warn({ waiting }, 'the start waits for PostgreSQL'),
    });
    stores.started();
  };
  return {
    input,
    outside,
    previousVault,
    tokenSettings,
    keyRing,
    access,
    apiKeys,
    revocations,
    announceRevocations,
    confirmState,
    stores,
    poll,
    load,
  };
}

/** What an API process knows, of stores and of memory. */
export type Views = ReturnType<typeof composeViews>;
