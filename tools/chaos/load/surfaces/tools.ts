import { setTimeout as sleep } from 'node:timers/promises';
import { modules } from '#services/modules.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { basicOf } from '../../http.ts';
import type { Random } from '../../random.ts';
import type { System } from '../../system.ts';
import { createAttempt } from '../attempt.ts';
import type { Clients } from '../clients.ts';
import { REASON, type Tools } from './surface.ts';

/** Of the client that calls in the name of the surfaces: an import asks for all that an administrator has. */
const PERMISSIONS = modules
  .flatMap(({ permissions }) => permissions)
  .filter(({ roles }) => roles.includes('admin'))
  .map(({ name }) => name);
/** Copies learn of a client that the command line made. */
const LEARNING_MS = 2_000;
/** A busy machine turns sign-ups away. */
const SIGN_UP_MS = 120_000;

/** Makes the client that calls for the surfaces, by the command line. */
export async function createTools(
  system: Pick<System, 'sallyport' | 'mcpUrl'>,
  clients: Clients,
  random: Random,
  isStopping: () => boolean,
): Promise<Tools> {
  const { ledger, ask } = clients;
  const sallyport = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await system.sallyport([...args, '--reason', REASON, '--yes', '--json']);
    if (code !== 0) throw new Error(`sallyport ${args.join(' ')} ended with ${code}: ${err || out}`);
    return out;
  };
  const scopes = ['--credential-scopes', ...PERMISSIONS];
  const made = await sallyport('clients', 'create', 'Chaos', ...scopes, '--audiences', system.mcpUrl);
  await sleep(LEARNING_MS);
  return {
    ...{ ledger, ask, random, clients },
    attempt: createAttempt(ledger, ask, random, isStopping),
    authorization: basicOf(JSON.parse(made)),
    newUser: async (...roles) => {
      const user = await eventually('a sign-up before the first fault', () => clients.signUp(), SIGN_UP_MS);
      for (const role of roles) await sallyport('users', 'roles', user.id, '--grant', role);
      return user;
    },
  };
}
