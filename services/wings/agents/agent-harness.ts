// For tests only: agents and their owners on a database of their own.
import { randomUUID } from 'node:crypto';
import { type AccessDirectory, createAccessDirectory } from '#services/core/access/access-directory.ts';
import { createClient } from '#services/core/access/create-client.ts';
import { createClientKeySets } from '#services/core/oauth/assertions/client-key-sets.ts';
import { createUsedAssertions } from '#services/core/oauth/assertions/used-assertions.ts';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { PATIENCE_MS, testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { ISSUER, tokenHarness } from '#tools/testing/harness/token.ts';
import type { AgentRegistration } from './contract.ts';
import { type RegisteredAgent, registerAgent } from './register-agent.ts';
import type { ValidateAgentPorts } from './validate-agent-credentials.ts';

export type AgentHarness = OwnPorts &
  ValidateAgentPorts & {
    readonly access: AccessDirectory;
    accessChanged(): Promise<void>;
    /** A user with these roles besides `user`. */
    newUser(roles?: readonly string[]): Promise<string>;
    inputOf(changes: Partial<AgentRegistration> & { readonly owner_id: string }): AgentRegistration;
    /** With an owner of its own unless given. */
    newAgent(changes?: Partial<AgentRegistration>): Promise<RegisteredAgent>;
    newAgentWithKeys(): Promise<{ readonly agentId: string; assertion(): Promise<string> }>;
    newPlainClient(): Promise<{ readonly clientId: string; readonly secret: string }>;
    /** Types of the audit events about a target, oldest first. */
    eventsOf(targetId: string): Promise<string[]>;
  };

export async function openAgentHarness(): Promise<AgentHarness> {
  const ports = await openTestPorts();
  const access = createAccessDirectory(ports);
  await access.load();
  const harness: AgentHarness = {
    ...ports,
    access,
    accessChanged: () => access.load(),
    confirmNewest: () => access.load(),
    usedAssertions: createUsedAssertions({ hotSql: ports.sql, clock: ports.clock }, true, PATIENCE_MS),
    clientKeySets: createClientKeySets({ clock: ports.clock, allowsPrivate: false }, () => Promise.reject(new Error())),
    tokenSettings: tokenHarness().ports.tokenSettings,
    newUser: async (roles = []) => {
      const id = randomUUID();
      await ports.raw`INSERT INTO users (id, email) VALUES (${id}, ${`${id}@example.test`})`;
      for (const role of roles) await ports.raw`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
      return id;
    },
    inputOf: (changes) => ({
      name: 'Agent',
      auth_method: 'client_secret_basic',
      scopes: [],
      credential_scopes: [],
      audiences: [],
      dpop_bound_access_tokens: true,
      capabilities: [],
      heartbeat_seconds: 60,
      expires_in_days: 90,
      reason: 'test',
      ...changes,
    }),
    newAgent: async (changes = {}) => {
      const ownerId = changes.owner_id ?? (await harness.newUser());
      return registerAgent(harness, harness.inputOf({ ...changes, owner_id: ownerId }), testCaller);
    },
    newAgentWithKeys: async () => {
      const maker = newAssertionMaker();
      const { agent_id: agentId } = await harness.newAgent({
        auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...maker.jwk, kty: String(maker.jwk.kty) }] },
      });
      return { agentId, assertion: () => maker.assertion(agentId, ISSUER) };
    },
    newPlainClient: async () => {
      const made = await createClient(ports, { name: 'Plain', grant_types: ['client_credentials'] }, testCaller);
      await access.load();
      return { clientId: made.clientId, secret: made.clientSecret as string };
    },
    eventsOf: async (targetId) => {
      const events = await ports.raw<{ type: string }>`SELECT type FROM audit_outbox
        WHERE target_id = ${targetId} ORDER BY id`;
      return events.map(({ type }) => type);
    },
  };
  return harness;
}
