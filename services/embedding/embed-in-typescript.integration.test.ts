// Runs the examples of docs/how-to/embed-in-typescript.md. The page and this file must contain the same lines.
import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import Fastify from 'fastify';
import { AgentService } from 'sallyport/embedding/agent-service';
import { AuditService } from 'sallyport/embedding/audit-service';
import { createAuthenticationMiddleware } from 'sallyport/embedding/authentication-middleware';
import { BackupService } from 'sallyport/embedding/backup-service';
import { BetterAuthIntegrationService } from 'sallyport/embedding/better-auth-integration-service';
import { HIPAAComplianceService } from 'sallyport/embedding/hipaa-compliance-service';
import { JWTTokenService } from 'sallyport/embedding/jwt-token-service';
import { LegacySessionService } from 'sallyport/embedding/legacy-session-service';
import { LegacySystemService } from 'sallyport/embedding/legacy-system-service';
import { isAppError, openSallyport } from 'sallyport/embedding/open-sallyport';
import { PerformanceMonitoringService } from 'sallyport/embedding/performance-monitoring-service';
import { Phase6IntegrationService } from 'sallyport/embedding/phase6-integration-service';
import { PrivacyControlService } from 'sallyport/embedding/privacy-control-service';
import { SecurityMonitoringService } from 'sallyport/embedding/security-monitoring-service';
import { SignOffService } from 'sallyport/embedding/sign-off-service';
import { TokenCachingStrategy } from 'sallyport/embedding/token-caching-strategy';
import { validateRateLimit } from 'sallyport/embedding/validate-rate-limit';
import { expect, test } from 'vitest';
import { grantRole } from '#services/core/identity/admin/assign-role.ts';
import { registerAgent } from '#services/wings/agents/register-agent.ts';
import { newEmail, newPassword } from '#tools/testing/flows/flows.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const dataDir = testFolder();
const database = opened(createTestDatabase);
const settings = opened(() => ({
  DATABASE_URL: database.url,
  REDIS_URL: testRedisUrl(),
  BETTER_AUTH_SECRET: randomBytes(32).toString('base64url'),
  SALLYPORT_DATA_DIR: dataDir,
  LOG_LEVEL: 'silent',
  HASHER_CHILDREN: '1',
  HASH_QUEUE: '16',
}));
const sallyport = opened(() => openSallyport(settings));

const clientInfo = { ip: '192.0.2.1', userAgent: 'browser/1' };
const [email, password] = [newEmail(), newPassword()];

test('create a user, sign in, check the session and revoke it', async () => {
  // example: users
  const users = new BetterAuthIntegrationService(sallyport.ports);
  await users.createUser({ email, password, name: 'Ada' }, clientInfo);
  const { session, tokens } = await users.authenticateUser({ email, password }, clientInfo);
  const { valid } = await users.validateSession(session.id);
  await users.revokeSession(session.id, 'laptop lost');
  // end
  expect([valid, tokens.tokenType]).toEqual([true, 'Bearer']);
  expect(await users.validateSession(session.id)).toMatchObject({ valid: false, reason: 'revoked' });
});

test('issue, validate, refresh and revoke tokens; look one up by its id', async () => {
  const users = new BetterAuthIntegrationService(sallyport.ports);
  const user = await users.createUser({ email: newEmail(), password, name: 'Grace' }, clientInfo);
  // example: tokens
  const jwts = new JWTTokenService(sallyport.ports);
  const pair = await jwts.generateTokenPair(user.id, 'user', clientInfo);
  const { valid, payload, reason } = await jwts.validateToken(pair.accessToken, 'access');
  const next = await jwts.refreshAccessToken(pair.refreshToken, clientInfo);
  await jwts.revokeToken(next.tokenId, 'phone lost');
  const { refreshTokenExpiry } = sallyport.tokenSecurity;
  // end
  expect([valid, payload?.sub, reason]).toEqual([true, user.id, null]);
  expect([pair.refreshExpiresIn, payload?.iss]).toEqual([refreshTokenExpiry, sallyport.tokenSecurity.issuer]);
  const { tokenId } = next;
  // example: token ids
  const cache = new TokenCachingStrategy(sallyport.ports);
  const metadata = await cache.getTokenMetadata(tokenId);
  const isRevoked = await cache.isTokenRevoked(tokenId);
  const [result] = await cache.batchValidateTokens([tokenId]);
  // end
  expect(metadata?.userId).toBe(user.id);
  expect([isRevoked, result?.reason]).toEqual([true, 'revoked']);
});

test('guard the routes of another Fastify application', async () => {
  // example: routes
  const app = Fastify();
  const guard = createAuthenticationMiddleware(app, sallyport.callers, sallyport.authenticators);
  app.setErrorHandler((err, _request, reply) =>
    isAppError(err)
      ? reply.code(err.definition.status).send({ code: err.code })
      : reply.code(500).send({ code: 'internal' }),
  );
  app.get('/reports', { preHandler: guard.authenticateRequest }, (request) => app.currentUser(request));
  app.delete('/reports', { preHandler: guard.requirePermission('audit:read') }, async () => null);
  // end
  const users = new BetterAuthIntegrationService(sallyport.ports);
  const reader = { email: newEmail(), password };
  await users.createUser({ ...reader, name: 'Alan' }, clientInfo);
  const { user, tokens } = await users.authenticateUser(reader, clientInfo);
  const headers = { authorization: `Bearer ${tokens.accessToken}` };
  expect((await app.inject({ url: '/reports', headers })).json()).toMatchObject({ userId: user.id });
  const forbidden = await app.inject({ method: 'DELETE', url: '/reports', headers });
  expect([forbidden.statusCode, forbidden.json()]).toEqual([403, { code: 'permission_missing' }]);
  expect((await app.inject('/reports')).statusCode).toBe(401);
  await app.close();
});

test('encrypt and decrypt health data on behalf of a user', async () => {
  const clinician = { userId: 'nurse-1', roles: ['clinician'], authTime: Math.floor(Date.now() / 1_000) };
  // example: health data
  const privacy = new PrivacyControlService(sallyport.ports);
  const use = { subjectId: 'patient-4711', purpose: 'treatment' } as const;
  const encrypted = await privacy.encryptPHI({ diagnosis: '…' }, 'high', use, clinician);
  const data = await privacy.decryptPHI(encrypted, 'treatment', clinician);
  await privacy.logPHIAccess(clinician, 'print', { ...use, reference: 'chart/7' });
  // end
  expect(data).toEqual({ diagnosis: '…' });
});

test('check the credentials of an agent', async () => {
  const users = new BetterAuthIntegrationService(sallyport.ports);
  const owner = await users.createUser({ email: newEmail(), password, name: 'Alan' }, clientInfo);
  const registered = await registerAgent(
    sallyport.ports,
    {
      name: 'Reader',
      owner_id: owner.id,
      auth_method: 'client_secret_basic',
      scopes: [],
      credential_scopes: [],
      audiences: ['*'],
      dpop_bound_access_tokens: false,
      capabilities: [],
      heartbeat_seconds: 60,
      expires_in_days: 1,
      reason: 'test',
    },
    testCaller,
  );
  const { agent_id: agentId, client_secret: secret } = registered as typeof registered & { client_secret: string };
  // example: agents
  const isAgent = await new AgentService(sallyport.ports).validateAgentCredentials(agentId, { secret });
  // end
  expect(isAgent).toBe(true);
});

test('track the sign-off of a release by two people, each in a role', async () => {
  const users = new BetterAuthIntegrationService(sallyport.ports);
  const newReviewer = async (role: string): Promise<string> => {
    const { id: userId } = await users.createUser({ email: newEmail(), password, name: role }, clientInfo);
    await grantRole(sallyport.ports, { user_id: userId, role, reason: 'test' }, testCaller);
    return userId;
  };
  const [ada, bo] = [await newReviewer('qa'), await newReviewer('architect')];
  // example: sign-offs
  const signOffs = new SignOffService(sallyport.ports);
  const record = { subject: 'release 1.4', requiredRoles: ['qa', 'architect'] } as const;
  const { signOffId } = await signOffs.trackMultiRoleSignOff({ ...record, approvals: [{ role: 'qa', userId: ada }] });
  const { state } = await signOffs.trackMultiRoleSignOff({
    ...record,
    signOffId,
    approvals: [{ role: 'architect', userId: bo }],
  });
  // end
  expect(state).toBe('approved');
});

test('report progress', async () => {
  const user = { id: 'ada' };
  // example: progress
  const progress = new Phase6IntegrationService(sallyport.ports);
  progress.trackAuthenticationProgress(user.id, { type: 'login' });
  progress.updateSecurityMetrics({ blocked_requests: 12 });
  progress.updateComponentProgress('middleware', { status: 'in_progress', percent: 80, coverage: 93 });
  progress.reportSecurityIncident({ type: 'forged_header', severity: 'high', userId: user.id });
  await progress.flush();
  // end
  progress.close();
});

test('count work that does not arrive over HTTP', async () => {
  const userId = 'ada';
  // example: limits
  const endpoint = { method: 'POST', path: '/reports' } as const;
  const { allowed, remaining, resetAt } = await validateRateLimit(sallyport.ports, userId, endpoint);
  if (!allowed) throw new Error(`retry after ${new Date(resetAt).toISOString()}`);
  // end
  const again = await validateRateLimit(sallyport.ports, userId, endpoint);
  expect(again).toMatchObject({ allowed: true, remaining: remaining - 1 });
  expect([Number.isInteger(resetAt), Number.isInteger(again.resetAt)]).toEqual([true, true]);
});

test('a session of another provider is refused where none is configured', async () => {
  const token = 'x';
  // example: legacy sessions
  const legacySessions = new LegacySessionService(sallyport.ports);
  const isLive = await legacySessions.validateLegacySession({ token });
  if (isLive) await legacySessions.migrateSessions(token, clientInfo);
  // end
  expect(isLive).toBe(false);
});

test('import a user of another system', async () => {
  const legacyUserId = randomUUID();
  const readUser = async (id: string): Promise<object | undefined> => ({
    id,
    email: 'moved@people.test',
    email_verified: true,
  });
  // example: legacy users
  const legacy = new LegacySystemService(sallyport.ports, settings, {
    kind: 'ndjson',
    exportUser: async (id) => {
      const record = await readUser(id);
      return record && JSON.stringify(record);
    },
  });
  const user = await legacy.migrateFromLegacyProvider(legacyUserId);
  await legacy.syncLegacyProviderData(user.id);
  // end
  expect(user).toMatchObject({ id: legacyUserId, email: 'moved@people.test' });
  expect(
    () => new LegacySystemService(sallyport.ports, settings, { kind: 'x', exportUser: readUser as never }),
  ).toThrow();
});

test('back up, and check the integrity of the database', async () => {
  const file = join(dataDir, 'one.backup');
  const key = randomBytes(32);
  // example: backups
  const backups = new BackupService(sallyport.ports, settings);
  const { checksum, rows } = await backups.backupAuthenticationData({ file, key });
  const integrity = await backups.validateDataIntegrity();
  // end
  expect(checksum).toMatch(/^[0-9a-f]{64}$/);
  expect(rows).toBeGreaterThan(10);
  expect(integrity).toMatchObject({ findings: [], valid: true });
});

test('watch security and performance', async () => {
  // example: monitoring
  const security = new SecurityMonitoringService(sallyport.ports);
  const stream = security.monitorAuthenticationEvents();
  const { threats } = await security.detectSecurityThreats();
  const alerts = await security.generateSecurityAlerts();
  const { sign_ins: signIns } = await security.generateSecurityMetrics();
  const dashboard = await security.createSecurityDashboard();
  const reports = await security.exportSecurityReports({ waitSeconds: 0 });
  stream.close();
  const performance = new PerformanceMonitoringService(sallyport.ports);
  const { average_ms: averageMs, p99_ms: p99Ms } = await performance.trackTokenGenerationTime();
  const { success_percent: percent } = await performance.trackAuthenticationSuccessRate();
  const { copies, queues } = await performance.monitorResourceUsage();
  const { predictions } = await performance.predictCapacityNeeds();
  const { advice } = await performance.optimizePerformance();
  // end
  const isAdvised = advice.every(({ setting }) => setting !== '');
  expect([threats, alerts, reports, queues, isAdvised]).toEqual([[], [], [], [], true]);
  // This process reports itself every 15 s: before the first time there is neither copy nor figure, then there are.
  expect([[], ['api']]).toContainEqual(copies.map(({ kind }) => kind));
  expect([(averageMs ?? 1) > 0, (p99Ms ?? 1) > 0, percent]).toEqual([true, true, null]);
  expect(signIns).toEqual(dashboard.security.sign_ins);
  expect(new Set(predictions.map(({ state }) => state))).toEqual(new Set(['too_little_data']));
});

test('the page shows these examples', async () => {
  const root = resolve(import.meta.dirname, '../..');
  const lines = (text: string) => text.split('\n').map((line) => line.trim());
  const source = await readFile(import.meta.filename, 'utf8');
  const examples = [...source.matchAll(/ {2}\/\/ example: .+\n([\s\S]*?) {2}\/\/ end\n/g)].map(([, code = '']) => code);
  const page = await readFile(join(root, 'docs/how-to/embed-in-typescript.md'), 'utf8');
  const shown = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code);
  expect(examples).toHaveLength(14);
  const isImport = (line: string): boolean => line.startsWith('import ') || line === '';
  const code = shown.map((block) => lines(block).filter((line) => !isImport(line)));
  for (const example of examples) expect(code).toContainEqual(lines(example).filter((line) => line !== ''));
  const imports = shown.flatMap(lines).filter((line) => line.startsWith('import '));
  expect(imports).toHaveLength(18);
  for (const line of imports) expect(source.replace(', type Sallyport', '')).toContain(line);
});

test('read controls, request a report, list violations, and verify the audit log', async () => {
  // example: compliance
  const compliance = new HIPAAComplianceService(sallyport.ports);
  const { failed, unknown } = await compliance.validateHIPAACompliance();
  const report = await compliance.generateComplianceReport({ waitSeconds: 0 });
  const { violations, overdue } = await compliance.trackComplianceViolations();
  const auditLog = new AuditService(sallyport.ports);
  const trail = await auditLog.validateAuditTrail();
  const activity = await auditLog.generateAuditReport(new Date(0), new Date());
  // end
  // No worker runs: nothing was checked, and the report waits.
  expect(failed).toEqual([]);
  expect(unknown.length).toBeGreaterThan(50);
  expect(report).toMatchObject({ status: 'queued', requested_by: 'system:compliance-service' });
  expect([violations, overdue]).toEqual([[], 0]);
  expect([trail.valid, trail.firstBadId]).toEqual([true, null]);
  expect(activity.total).toBe(0);
  expect(activity.unsealed).toBeGreaterThan(0);
});
