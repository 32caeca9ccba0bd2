import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import { createLegacyIssuer } from '#services/wings/import/bridge/legacy-issuer.ts';
import { LEGACY_AUDIENCE, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { openPeopledHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { LegacySessionService } from './legacy-session-service.ts';

const KEY = randomBytes(32);
let service: LegacySessionService;
const provider = opened(startLegacyProvider);
const harness = opened(openPeopledHarness);
beforeAll(async () => {
  const { issuer, jwksUri } = provider;
  const config = loadConfig({ LEGACY_ISSUER: issuer, LEGACY_JWKS_URI: jwksUri, LEGACY_AUDIENCE });
  const legacyIssuer = createLegacyIssuer(config.legacy, harness.deps, guardedFetch);
  const legacyWebhook = { key: KEY, wake: () => {} };
  service = new LegacySessionService({ ...harness.deps, wings: { leftOut: [] }, legacyIssuer, legacyWebhook });
});

test('a live session is valid and carried over, once; a forged or expired one is not', async () => {
  const { id } = await harness.newUser();
  const sub = randomUUID();
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('clerk', ${sub}, ${id})`;
  const token = await provider.token({ sub, sid: randomUUID() });
  expect(await service.validateLegacySession({ token })).toBe(true);
  const session = await service.migrateSessions(token, { ip: '192.0.2.1', userAgent: 'browser/1' });
  expect(session).toMatchObject({ userId: id, ipAddress: '192.0.2.1' });
  expect((await service.migrateSessions(token)).id).toBe(session.id);
  const expired = await provider.token({ sub, exp: Math.floor(Date.now() / 1_000) - 600 });
  expect(await service.validateLegacySession({ token: expired })).toBe(false);
  expect(await service.validateLegacySession({ token: `${token.slice(0, -4)}AAAA` })).toBe(false);
});

test('a webhook is accepted once, and recorded as refused by this service if it is forged', async () => {
  const event = { type: 'session.ended', data: { id: randomUUID() } };
  const body = Buffer.from(JSON.stringify(event));
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const mac = createHmac('sha256', KEY).update(`evt.${timestamp}.`).update(body).digest('base64');
  const headers = { 'webhook-id': 'evt', 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
  expect(await service.handleLegacyProviderWebhook({ headers, body, event })).toEqual({ status: 'accepted' });
  expect(await service.handleLegacyProviderWebhook({ headers, body, event })).toEqual({ status: 'duplicate' });
  const forged = { headers: { ...headers, 'webhook-id': 'other' }, body, event };
  await expect(service.handleLegacyProviderWebhook(forged)).rejects.toMatchObject({ code: 'legacy_webhook_forged' });
  const actors = await harness.rows`SELECT actor_id FROM audit_outbox WHERE type = 'legacy.webhook_refused'`;
  expect(actors).toEqual([{ actor_id: 'legacy-session-service' }]);
});
