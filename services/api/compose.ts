import { applyLegacyEventsJob } from '#jobs/contracts/legacy.ts';
import { applyRetentionJob, processPrivacyRequestsJob, rotateEncryptionKeysJob } from '#jobs/contracts/privacy.ts';
import { sendPingsJob } from '#jobs/contracts/signoff.ts';
import { countEnqueued } from '#jobs/metrics.ts';
import { createThrottle } from '#services/core/shared/throttle.ts';
import { clientCaller } from '../core/access/client-caller.ts';
import { createClientRefusals } from '../core/access/refusals/count-refusals.ts';
import { rightsToGrant } from '../core/access/role-rights.ts';
import { createApiKeyUses } from '../core/api-keys/api-key-uses.ts';
import { createKeySummary, createKeyVerifications } from '../core/api-keys/count-key-verifications.ts';
import { csrfPasses } from '../core/identity/sessions/csrf.ts';
import { sessionCaller } from '../core/identity/sessions/read-session.ts';
import { readLogKeys } from '../core/keys/log/log-keys.ts';
import { readRotationNotes } from '../core/keys/log/rotation-notes.ts';
import { authenticateAssertion } from '../core/oauth/assertions/authenticate-assertion.ts';
import { createClientKeySets } from '../core/oauth/assertions/client-key-sets.ts';
import type { BoundGrant } from '../core/oauth/backchannel.ts';
import { authenticateCertificate } from '../core/oauth/certificates/authenticate-certificate.ts';
import { createClientDocuments } from '../core/oauth/clients/read-client-document.ts';
import { createOpenRequests } from '../core/oauth/open-requests.ts';
import { createEventStreams } from '../core/security/event-stream.ts';
import { assertOwnFactor } from '../core/shared/assert-own-factor.ts';
import { bearerCaller } from '../core/tokens/verify/bearer-caller.ts';
import { createValidationSummary } from '../core/tokens/verify/summarise-validations.ts';
import { loadList, ownScopesOf, readSecurityScore } from '../modules.ts';
import { webhookKeyOf } from '../platform/config/legacy.ts';
import { systemClock } from '../platform/crypto/system.ts';
import { addressRefusal, guardedFetch } from '../platform/http/outbound.ts';
import { openReplica, type Replica } from '../platform/postgres/replica.ts';
import { createProducer, type Producer } from '../platform/queue/producer.ts';
import { createLegacyBridge } from '../wings/import/bridge/legacy-bridge.ts';
import { createLegacyIssuer } from '../wings/import/bridge/legacy-issuer.ts';
import { createPollWaits } from '../wings/outbound/signals/poll-waits.ts';
import { clientAuthorities } from './client-authorities.ts';
import { assertSocialProviders, composeIdentity } from './compose-identity.ts';
import { composeLimits } from './compose-limits.ts';
import { composeTokens } from './compose-tokens.ts';
import { type ComposeInput, composeViews, type Views } from './compose-views.ts';
import { keepDatabase } from './keep-database.ts';
import { createApiKeyGate } from './requests/api-key-gate.ts';
import type { Authenticators } from './requests/caller.ts';
import { createSealingWake } from './sealing-wake.ts';

type Authorities = { readonly certificateAuthorities: ReturnType<typeof clientAuthorities> };

function composePorts(
  { config, publicUrl, certificateAuthorities }: ComposeInput & Authorities,
  views: Views,
  producer: Producer,
) {
  const {
    outside,
    keyRing,
    clientSettings,
    ownAudiences,
    access,
    apiKeys,
    revocations,
    tokenSettings,
    announceRevocations,
    confirmState,
    confirmNewest,
    poll,
  } = views;
  const identity = composeIdentity(views, producer.enqueue);
  const legacyIssuer = createLegacyIssuer(config.legacy, outside, guardedFetch);
  return {
    ...outside,
    ...identity,
    ...composeLimits(views),
    ...composeTokens(views, identity),
    wings: config.wings,
    ownScopes: ownScopesOf(config.wings),
    issuer: tokenSettings.issuer,
    publicUrl,
    ownAudiences,
    bindsCertificates: config.server.clientCertHeader !== undefined,
    certificateAuthorities,
    eventStreams: createEventStreams(outside),
    pollWaits: createPollWaits(outside),
    keyRing,
    access,
    revocations,
    tokenSettings,
    clientSettings,
    clientDocuments: createClientDocuments(clientSettings, guardedFetch),
    clientKeySets: createClientKeySets(
      { clock: outside.clock, allowsPrivate: config.clients.documentsPrivate },
      guardedFetch,
    ),
    signalKeys: createClientKeySets(
      { clock: outside.clock, allowsPrivate: config.signals.allowsPrivate },
      guardedFetch,
    ),
    signalAudience: tokenSettings.issuer,
    alertAddresses: { refusalOf: (url: string) => addressRefusal(config.alerts, url) },
    onceAMinute: createThrottle(outside.clock),
    legacyIssuer,
    legacyWebhook: {
      key: config.legacy.webhookSecret === undefined ? null : webhookKeyOf(config.legacy.webhookSecret),
      // Never waits or fails: without Redis the timetable runs the job.
      wake: () => void producer.enqueue(applyLegacyEventsJob, {}, { dedupe: 'wake' }).catch(() => {}),
    },
    legacyBridge: createLegacyBridge({ ...outside, keyRing, revocations, tokenSettings, legacyIssuer }),
    openRequests: createOpenRequests(outside),
    announceRevocations,
    confirmState,
    confirmNewest,
    apiKeys,
    enqueue: producer.enqueue,
    apiKeyUses: createApiKeyUses(outside),
    clientRefusals: createClientRefusals({ ...outside, access }),
    keyVerifications: createKeyVerifications(),
    apiKeysChanged: async () => {
      await apiKeys.load();
      poll.notify();
    },
    // Never waits or fails: without Redis the timetable runs the job.
    wakePhiRotation: () => void producer.enqueue(rotateEncryptionKeysJob, {}, { dedupe: 'wake' }).catch(() => {}),
    wakePrivacyRequests: () => void producer.enqueue(processPrivacyRequestsJob, {}, { dedupe: 'wake' }).catch(() => {}),
    wakePings: () => void producer.enqueue(sendPingsJob, {}, { dedupe: 'wake' }).catch(() => {}),
    wakeRetention: () => void producer.enqueue(applyRetentionJob, {}, { dedupe: 'wake' }).catch(() => {}),
    auditLogKeys: (origin: string) => readLogKeys(outside, origin),
    auditKeyRotations: () => readRotationNotes(outside),
    readSecurityScore: () => readSecurityScore(config.wings, outside),
    finders: () => loadList('finders', config.wings),
    ownedClients: () => loadList('ownedClients', config.wings),
  };
}

function replicaOf({ config, log }: ComposeInput, { stores, revocations }: Views): Replica | undefined {
  const { databaseReplicaUrl: url, replicaMaxAgeSeconds: maxAgeSeconds } = config.stores;
  if (url === undefined) return undefined;
  return openReplica({
    url,
    role: 'sallyport_api',
    maxAgeSeconds,
    primary: stores.sql,
    incarnation: () => revocations.state().incarnation,
    log,
  });
}

const composeAuthenticators = (
  ports: ReturnType<typeof composePorts>,
  { publicUrl }: Pick<ComposeInput, 'publicUrl'>,
): Authenticators => ({
  bearer: (token, request, proof) =>
    bearerCaller(ports, token, request, proof && { ...proof, htu: publicUrl + proof.path }),
  client: (id, secret, request) => {
    const caller = clientCaller(ports.access, id, secret, request);
    if (caller !== null) ports.clientRefusals.noteSecret(id, secret);
    return caller;
  },
  certificate: (id, certificate, request) => authenticateCertificate(ports, id, certificate, request),
  assertion: (sent, request) => authenticateAssertion(ports, sent, request),
  session: (request, context, isUse) => sessionCaller(ports, request.headers.cookie, context, isUse),
  confirmNewest: ports.confirmNewest,
  csrfPasses: (request) => csrfPasses(ports, request.headers),
  ownFactor: (caller) => assertOwnFactor(ports.sql, caller),
  rightsOf: (role) => rightsToGrant(ports.sql, [role]),
});

/** Builds and loads the ports and in-memory views of one API process. Throws if it cannot start. */
export async function compose(input: ComposeInput) {
  await assertSocialProviders(input.config, input.publicUrl);
  const certificateAuthorities = clientAuthorities(input.config.server);
  const views = composeViews(input, keepDatabase);
  const { poll, stores } = views;
  await views.load();
  const replica = replicaOf(input, views);
  const producer = createProducer(input.redisUrl, stores.onRedisError, countEnqueued);
  const made = composePorts({ ...input, certificateAuthorities }, views, producer);
  const grants = (await loadList('grants', input.config.wings)).map(
    (grant): BoundGrant => ({ ...grant, redeem: (request, caller) => grant.redeem(made, request, caller) }),
  );
  const ports = { ...made, grants };
  const sealing = createSealingWake({ enqueue: producer.enqueue, clock: systemClock });
  const writers = [createValidationSummary(ports), createKeySummary(ports), ports.apiKeyUses, ports.clientRefusals];
  for (const writer of writers) writer.start();
  const apiKeyGate = createApiKeyGate(ports);
  return {
    ports,
    operations: await loadList('operations', input.config.wings),
    rowLetters: await loadList('deadLetters'),
    authenticators: apiKeyGate.withKeys(composeAuthenticators(ports, input)),
    apiKeyGate,
    poll,
    stores,
    replica,
    producer,
    wakeSealing: sealing.wake,
    close: async () => {
      sealing.close();
      await Promise.all([
        ports.clientTokenLog.close(),
        ports.usedAssertions.close(),
        ports.refreshFamilies.close(),
        ...writers.map((writer) => writer.close()),
      ]);
      await poll.close();
      await ports.rateCounters.close();
      await ports.hasher.close();
      await producer.close();
      await replica?.close();
      await stores.close();
    },
  };
}

export type Composed = Awaited<ReturnType<typeof compose>>;
