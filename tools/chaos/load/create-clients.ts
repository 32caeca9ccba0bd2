import { setTimeout as sleep } from 'node:timers/promises';
import { modules } from '#services/modules.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { basicOf } from '../http.ts';
import type { System } from '../system.ts';
import { type Clients, type Credentials, REASON } from './clients.ts';
import { signUp } from './tokens.ts';

/** All that an administrator has: more than any surface asks for. */
const PERMISSIONS = modules
  .flatMap(({ permissions }) => permissions)
  .filter(({ roles }) => roles.includes('admin'))
  .map(({ name }) => name);
/** Copies learn of a client that the command line made. */
const LEARNING_MS = 2_000;
/** A busy machine turns sign-ups away. */
const SIGN_UP_MS = 120_000;

/** Makes the client that calls for the surfaces, by the command line. */
export async function createClients(
  { sallyport: run }: Pick<System, 'sallyport'>,
  { client, admin }: Credentials,
  given: Pick<Clients, 'ledger' | 'ask' | 'random' | 'isStopping'>,
): Promise<Clients> {
  const sallyport = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await run([...args, '--reason', REASON, '--yes', '--json']);
    if (code !== 0) throw new Error(`sallyport ${args.join(' ')} ended with ${code}: ${err || out}`);
    return out;
  };
  const made = await sallyport('clients', 'create', 'Chaos', '--credential-scopes', ...PERMISSIONS);
  await sleep(LEARNING_MS);
  const clients: Clients = {
    ...given,
    issuer: basicOf(client),
    authorization: basicOf(JSON.parse(made)),
    admin: { ...admin, bearer: '' },
    newUser: async (...roles) => {
      const user = await eventually('a sign-up before the first fault', () => signUp(clients), SIGN_UP_MS);
      for (const role of roles) await sallyport('users', 'roles', user.id, '--grant', role);
      return user;
    },
  };
  return clients;
}
