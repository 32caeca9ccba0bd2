// For tests only: client administration, and the consents of users.
import { randomUUID } from 'node:crypto';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { type AccessDirectory, createAccessDirectory } from './access-directory.ts';
import {
  type ClientWithSecret,
  type ManageClientsPorts,
  type RegisterClientInput,
  registerClient,
} from './manage-clients.ts';

export const CALLBACK = 'https://app.example.test/back';

export type ClientHarness = OwnPorts &
  ManageClientsPorts & {
    readonly access: AccessDirectory;
    /** How often `accessChanged` was called since the last `newClient`. */
    reloads: number;
    newClient(changes?: Partial<RegisterClientInput>): Promise<ClientWithSecret>;
    /** Types of the client's audit events, oldest first. */
    eventsOf(clientId: string): Promise<string[]>;
    /** A new user consents to the client. */
    consent(clientId: string): Promise<void>;
    consentsTo(clientId: string): Promise<number>;
  };

/** On its own database, which `end` drops. */
export async function openClientHarness(): Promise<ClientHarness> {
  const ports = await openTestPorts();
  const access = createAccessDirectory(ports);
  await access.load();
  const harness: ClientHarness = {
    ...ports,
    access,
    reloads: 0,
    accessChanged: async () => {
      harness.reloads += 1;
      await access.load();
    },
    newClient: async (changes = {}) => {
      const input = { name: 'App', grant_types: ['authorization_code'], redirect_uris: [CALLBACK], reason: 'test' };
      const made = await registerClient(harness, { ...input, ...changes }, testCaller);
      harness.reloads = 0;
      return made;
    },
    eventsOf: async (clientId) => {
      const events = await ports.raw<{ type: string }>`SELECT type FROM audit_outbox
        WHERE target_id = ${clientId} ORDER BY id`;
      return events.map(({ type }) => type);
    },
    consent: async (clientId) => {
      const id = randomUUID();
      await ports.raw`INSERT INTO users (id, email) VALUES (${id}, ${`${id}@example.test`})`;
      await ports.raw`INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
        VALUES (${id}, ${clientId}, 'https://api.example.test', ${['openid']})`;
    },
    consentsTo: async (clientId) =>
      (await ports.raw`SELECT 1 FROM oauth_consents WHERE client_id = ${clientId}`).length,
  };
  return harness;
}
