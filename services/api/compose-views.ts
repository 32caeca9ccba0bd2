import { createAccessDirectory } from '../core/access/access-directory.ts';
import { createApiKeyDirectory } from '../core/api-keys/api-key-directory.ts';
import { createKeyRing } from '../core/keys/key-ring.ts';
import { callbackOf } from '../core/oauth/console/console-client.ts';
import type { Clock, Log, MarkStore, Ports } from '../core/ports.ts';
import type { collapseRevocations } from '../core/revocations/collapse-revocations.ts';
import {
  createNewestConfirmation,
  createStateConfirmation,
  whyUnconfirmed,
} from '../core/revocations/confirm-state.ts';
import { createRevocationSet } from '../core/revocations/revocation-set.ts';
import { createStatePoll } from '../core/revocations/state-poll.ts';
import { tokenNamesOf } from '../core/tokens/token-types.ts';
import { secondFactorRolesOf } from '../platform/config/identity.ts';
import { type Config, mcpUrlsOf, registrationOf } from '../platform/config/load.ts';
import type { DatabaseUrls } from '../platform/config/stores.ts';
import { systemClock, systemRandom } from '../platform/crypto/system.ts';
import { vaultsOf } from '../platform/crypto/vaults.ts';
import { assertHighWaterPlace } from '../platform/marks/high-water-place.ts';
import type { DatabaseRole } from '../platform/postgres/transaction-settings.ts';
import { patient } from '../platform/process/patience.ts';
import { directVariableOf } from '../platform/process/probe-store.ts';
import { waitForStore } from '../platform/process/store-wait.ts';
import { openStores, type Stores } from './stores.ts';

export type ComposeInput = DatabaseUrls & {
  readonly config: Config;
  /** Role of its connections; the API's by default. */
  readonly databaseRole?: DatabaseRole | undefined;
  readonly redisUrl: string;
  readonly authSecret: string;
  /** Base URL of the API without a trailing slash: the default of issuer, audience and own origin. */
  readonly publicUrl: string;
  readonly marks: MarkStore;
  readonly log: Log;
};

/** What an API process does for the database that others only read: an MCP server has no right to. */
export type Keeper = {
  /** Before any token is issued from it. */
  prepare(input: ComposeInput, opened: Pick<Opened, 'outside' | 'tokenSettings' | 'previousVault'>): Promise<void>;
  /** After each look at a feed with more entries than its budget. */
  readonly relieve: typeof collapseRevocations;
};

/** Ports of the outside world that a caller, such as a test, replaces. */
export type Outside = {
  readonly stores?: Stores | undefined;
  readonly clock?: Clock | undefined;
  /** How long a request waits for a confirmed state; by default as long as a write waits for PostgreSQL, or 1.5 s. */
  readonly confirmMs?: number | undefined;
};

/** A setting for writes of more patience is none for validations. */
const CONFIRM_MS = 1_500;

const tokenSettingsOf = (config: Config, publicUrl: string) => ({
  ...config.tokens,
  ...tokenNamesOf(config.tokens, publicUrl),
  mcpAudiences: mcpUrlsOf(config, publicUrl),
  twoFactorIdleSeconds: config.identity.twoFactorIdleSeconds,
});

type Opened = {
  readonly outside: Stores & Pick<Ports, 'clock' | 'random' | 'vault' | 'marks' | 'log'>;
  readonly stores: Stores;
  readonly tokenSettings: ReturnType<typeof tokenSettingsOf>;
  readonly previousVault: ReturnType<typeof vaultsOf>['previousVault'];
  readonly reload: readonly { load(): Promise<unknown> }[];
  readonly keeper: Keeper | undefined;
};

/** Waits for PostgreSQL, prepares the database and loads the views; then switches to the deadlines of requests. */
async function openDatabase(
  input: ComposeInput,
  { outside, stores, tokenSettings, previousVault, reload, keeper }: Opened,
): Promise<void> {
  const { config, log } = input;
  const work = async (): Promise<void> => {
    await assertHighWaterPlace(outside, config);
    await keeper?.prepare(input, { outside, tokenSettings, previousVault });
    await Promise.all(reload.map((view) => view.load()));
  };
  await waitForStore(work, {
    store: 'PostgreSQL',
    url: input.databaseUrl,
    variable: directVariableOf(input.pooledUrl),
    waitSeconds: config.stores.waitSeconds,
    say: (waiting) => log.warn({ waiting }, 'the start waits for PostgreSQL'),
  });
  stores.started();
}

/** The stores of an API process and its in-memory views of them, which are empty until `load`. */
export function composeViews(input: ComposeInput, keeper?: Keeper, replaced: Outside = {}) {
  const { config, log, authSecret, publicUrl, marks } = input;
  const { clock = systemClock, confirmMs = Math.min(patient(CONFIRM_MS), config.stores.writeMs) } = replaced;
  const stores = replaced.stores ?? openStores(config, log, input);
  const { vault, previousVault } = vaultsOf(config, authSecret);
  const tokenSettings = tokenSettingsOf(config, publicUrl);
  const outside = { ...stores, clock, random: systemRandom, vault, marks, log };
  const keyRing = createKeyRing({ ...outside, isKeyRevoked: (kid) => revocations.isKeyRevoked(kid) }, config.keys);
  const { mcpAudiences } = tokenSettings;
  // Applications that register themselves may use the MCP server without another setting.
  const clientSettings = {
    ...config.clients,
    registration: registrationOf(config),
    audiences: [...config.clients.audiences, ...mcpAudiences],
  };
  const ownAudiences = [tokenSettings.audience, tokenSettings.issuer, publicUrl, ...mcpAudiences];
  const access = createAccessDirectory(outside, {
    secondFactorRoles: secondFactorRolesOf(config),
    unvetted: clientSettings,
    ownAudiences,
    consoleRedirectUri: config.faces.console ? callbackOf({ publicUrl }) : undefined,
    stalenessBoundMs: config.stores.stalenessBoundMs,
    whyStale: () => whyUnconfirmed({ revocations }),
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
    onConfirmed: (seen) => {
      keyRing.confirm(seen.keysVersion, seen.sentAtMs, seen.databaseNowMs);
      access.confirm(seen);
      apiKeys.confirm(seen.accessVersion, seen.sentAtMs);
    },
    onBeat: async () =>
      keeper?.relieve({ ...outside, revocations, announceRevocations }, config.stores.revocationBudget),
  });
  const announceRevocations = (): Promise<void> => poll.announce();
  const confirmState = createStateConfirmation({ ...outside, poll, keyRing, revocations }, confirmMs);
  const confirmNewest = createNewestConfirmation(
    { ...outside, poll, revocations, views: [access, apiKeys] },
    confirmMs,
  );
  const load = (): Promise<void> =>
    openDatabase(input, { outside, stores, tokenSettings, previousVault, reload: [keyRing, access, apiKeys], keeper });
  return {
    input,
    outside,
    tokenSettings,
    keyRing,
    clientSettings,
    ownAudiences,
    access,
    apiKeys,
    revocations,
    announceRevocations,
    confirmState,
    confirmNewest,
    stores,
    poll,
    load,
  };
}

/** Opens the stores and views of an API process. */
export type Views = ReturnType<typeof composeViews>;
