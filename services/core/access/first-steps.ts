import { holds } from '../authority/callers.ts';
import type { Caller, Ports } from '../ports.ts';
import { listClients } from './manage-clients.ts';

const NO_CLIENT = { name: 'first-client', why: 'is missing', fix: 'create one: sallyport clients create' };

/** Whether no client is registered but those of the product. */
export async function findClientGap(ports: Pick<Ports, 'sql'>) {
  const { clients } = await listClients(ports, { limit: 3 });
  return clients.every(({ built_in: is }) => is) ? [NO_CLIENT] : [];
}

type FirstStepsPorts = {
  /** What the installation lacks for production. */
  readonly gaps: () => Promise<readonly { readonly name: string }[]>;
  /** The permission to know of each, by its name. */
  readonly firstSteps: Readonly<Record<string, string>>;
};

/** Whether each first step of a new installation is done, of those that the caller may know of. */
export async function readFirstSteps({ gaps, firstSteps }: FirstStepsPorts, _input: unknown, caller: Caller) {
  const own = Object.entries(firstSteps).filter(([, permission]) => holds(caller, permission));
  const missing = own.length === 0 ? [] : (await gaps()).map(({ name }) => name);
  return { steps: own.map(([name]) => ({ name, done: !missing.includes(name) })) };
}
