// For tests only: clients as those who manage them see them, and what people have agreed to.
import { randomUUID } from 'node:crypto';
import { testCaller } from '#testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#testing/harness/stores.ts';
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
    /** How often the copies were told to read their clients anew, since the last new client of `newClient`. */
    told: number;
    newClient(changes?: Partial<RegisterClientInput>): Promise<ClientWithSecret>;
    /** The types of what was recorded of it, the oldest first. */
    eventsOf(clientId: string): Promise<string[]>;
    /** Somebody agrees to what the client asks for. */
    agree(clientId: string): Promise<void>;
    agreementsTo(clientId: string): Promise<number>;
  };

/** On a database of its own, which `end` drops. */
export async function openClientHarness(): Promise<ClientHarness> {
  const ports = await openTestPorts();
  const access = createAccessDirectory(ports);
  await access.load();
  const harness: ClientHarness = {
    ...ports,
    access,
    told: 0,
    accessChanged: async () => {
      harness.told += 1;
      await access.load();
    },
    newClient: async (changes = {}) => {
      const input = { name: 'App', grantTypes: ['authorization_code'], redirectUris: [CALLBACK], reason: 'test' };
      const made = await registerClient(harness, { ...input, ...changes }, testCaller);
      harness.told = 0;
      return made;
    },
    eventsOf: async (clientId) => {
      const events = await ports.raw<{ type: string }>(
        'SELECT type FROM audit_outbox WHERE target_id = $1 ORDER BY id',
        [clientId],
      );
      return events.map(({ type }) => type);
    },
    agree: async (clientId) => {
      const id = randomUUID();
      await ports.raw('INSERT INTO users (id, email) VALUES ($1, $2)', [id, `${id}@example.test`]);
      await ports.raw('INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ($1, $2, $3, $4)', [
        id,
        clientId,
        'https://api.example.test',
        ['openid'],
      ]);
    },
    agreementsTo: async (clientId) =>
      (await ports.raw('SELECT 1 FROM oauth_consents WHERE client_id = $1', [clientId])).length,
  };
  return harness;
}
