import { createAccessDirectory } from '../domain/access/access-directory.ts';
import { clientCaller } from '../domain/access/client-caller.ts';
import { useIdentifierKey } from '../domain/audit/audit-context.ts';
import { createAuth } from '../domain/identity/auth.ts';
import { csrfPasses } from '../domain/identity/csrf.ts';
import { sessionCaller } from '../domain/identity/read-session.ts';
import { ensureKeys } from '../domain/keys/ensure-keys.ts';
import { createKeyRing } from '../domain/keys/key-ring.ts';
import { readLogKeys } from '../domain/keys/log-keys.ts';
import { retireKeys } from '../domain/keys/retire-keys.ts';
import type { Caller, Log, MarkStore } from '../domain/ports.ts';
import { bearerCaller } from '../domain/tokens/bearer-caller.ts';
import { collapseRevocations } from '../domain/tokens/collapse-revocations.ts';
import { createClientTokenLog } from '../domain/tokens/issue-client-token.ts';
import { keepRevocations } from '../domain/tokens/keep-revocations.ts';
import { createRevocationFeed } from '../domain/tokens/revocation-feed.ts';
import { createRevocationSet } from '../domain/tokens/revocation-set.ts';
import { createRevocationStreams } from '../domain/tokens/revocation-stream.ts';
import { createRefreshFamilies } from '../domain/tokens/rotate-families.ts';
import { createStatePoll } from '../domain/tokens/state-poll.ts';
import { createValidationSummary } from '../domain/tokens/summarise-validations.ts';
import { createVerifiedTokenCache } from '../domain/tokens/verified-token-cache.ts';
import type { Config } from '../platform/config/load.ts';
import { systemClock, systemRandom } from '../platform/crypto/system.ts';
import { vaultsOf } from '../platform/crypto/vaults.ts';
import { createProducer } from '../platform/queue/producer.ts';
import type { Authenticators } from './caller.ts';
import { createHasherOf } from './hasher.ts';
import { createSealingWake } from './sealing-wake.ts';
import { openStores } from './stores.ts';

const STARTING: Caller = {
  kind: 'system',
  name: 'start',
  request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
};

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

/** Builds the ports and the in-memory views of one API process, and loads them. Throws what makes a start impossible. */
export async function compose(input: ComposeInput) {
  const { config, log, authSecret, publicUrl, marks } = input;
  const stores = openStores(config, log, { database: input.databaseUrl, redis: input.redisUrl });
  const { vault, previousVault } = vaultsOf(config, authSecret);
  const issuer = config.tokens.issuer ?? publicUrl;
  const tokenSettings = { ...config.tokens, issuer, audience: config.tokens.audience ?? issuer };
  const outside = { ...stores, clock: systemClock, random: systemRandom, vault, marks, log };

  const keyRing = createKeyRing(outside, config.keys);
  const access = createAccessDirectory(outside);
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
    onAccessVersion: () => access.load(),
    onConfirmed: ({ keysVersion, sentAtMs, databaseNowMs }) => keyRing.confirm(keysVersion, sentAtMs, databaseNowMs),
    onBeat: () => collapseRevocations({ ...outside, revocations, announceRevocations }, config.stores.revocationBudget),
  });
  const announceRevocations = (): Promise<void> => poll.announce();
  await keepRevocations(outside, config.tokens);
  const { audience } = tokenSettings;
  const keySettings = { keys: config.keys, tokens: config.tokens, authSecret, audience, previousVault };
  const { warnings } = await ensureKeys(outside, keySettings, STARTING);
  for (const warning of warnings) log.warn({ warning }, 'key ring');
  await retireKeys(outside, STARTING);
  await Promise.all([keyRing.load(), access.load()]);
  useIdentifierKey(() => keyRing.secret('identifier'));
  const hasher = createHasherOf(config, keyRing.secret('pepper').key);

  const secureCookies = config.server.profile !== 'development';
  const auth = createAuth(
    { ...outside, revocations },
    {
      authSecret,
      baseUrl: publicUrl,
      corsOrigins: config.server.corsOrigins,
      sessionSeconds: config.identity.sessionSeconds,
      secureCookies,
    },
  );
  const revocationFeed = createRevocationFeed({
    revocations,
    keyRing,
    issuer,
    stalenessBoundMs: config.stores.stalenessBoundMs,
  });
  const ports = {
    ...outside,
    issuer,
    publicUrl,
    revocationFeed,
    revocationStreams: createRevocationStreams({
      revocations,
      revocationFeed,
      log,
      stalenessBoundMs: config.stores.stalenessBoundMs,
      clock: systemClock,
    }),
    hasher,
    keyRing,
    access,
    revocations,
    tokenSettings,
    auth,
    announceRevocations,
    auditLogKeys: (origin: string) => readLogKeys(outside, origin),
    // This copy before the answer, the others at once where a revocation was written, else at their next poll.
    keysChanged: async () => {
      await keyRing.load();
      void poll.announce();
    },
    verifiedTokens: createVerifiedTokenCache(),
    clientTokenLog: createClientTokenLog(outside),
    refreshFamilies: createRefreshFamilies({ ...outside, keyRing, announceRevocations }, config.tokens),
  };
  const producer = createProducer(input.redisUrl, stores.onRedisError);
  const sealing = createSealingWake({ enqueue: producer.enqueue, clock: systemClock });
  const validationSummary = createValidationSummary(outside);
  validationSummary.start();
  const authenticators: Authenticators = {
    bearer: (token, request) => bearerCaller(ports, token, request),
    client: (id, secret, request) => clientCaller(access, id, secret, request),
    session: (request, context) => sessionCaller(ports, request.headers.cookie, context),
    csrfPasses: (request) => csrfPasses(ports, request.headers),
  };
  return {
    ports,
    authenticators,
    poll,
    stores,
    producer,
    wakeSealing: sealing.wake,
    close: async () => {
      sealing.close();
      await Promise.all([ports.clientTokenLog.close(), ports.refreshFamilies.close(), validationSummary.close()]);
      await poll.close();
      await hasher.close();
      await producer.close();
      await stores.close();
    },
  };
}

export type Composed = Awaited<ReturnType<typeof compose>>;
