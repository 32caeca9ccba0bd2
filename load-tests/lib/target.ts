import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { patient } from '#tools/testing/harness/busy-machine.ts';
import { signIn } from './api-client.ts';
import { type SeededUsers, seedUsers } from './pool.ts';
import { type Product, startProduct } from './product.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import type { ClientCredentials } from './workloads.ts';

/** Users under the profile `ci`, where a scenario has more. */
const CI_USERS = 50;

/** The command line, or the installation that it names, lacks something; the message says what to do. */
export class UsageError extends Error {}
/** Something that the run needs does not answer. */
export class Unreachable extends Error {}

/** Where load goes. */
export type Target = {
  readonly api: string;
  readonly metrics: string | undefined;
  readonly credentialsFile: string;
  readonly client: ClientCredentials;
  readonly userId: string;
  readonly seeded: SeededUsers | undefined;
  readonly secondApi: string | undefined;
  /** Undefined for an installation that this run did not start. */
  readonly product: Product | undefined;
};

/** Another installation, as the command line names it. */
export type GivenTarget = {
  readonly url: string;
  readonly credentials: string;
  readonly usersFile: string | undefined;
  readonly metrics: string | undefined;
  readonly secondUrl: string | undefined;
};

type Say = (text: string) => void;

type Credentials = Pick<Target, 'client'> & { readonly user: { readonly email: string; readonly password: string } };

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (err) {
    throw new UsageError(`cannot read ${file}: ${(err as Error).message}`);
  }
}

function readCredentials(file: string): Credentials {
  const { user, client } = readJson(file) as Partial<Credentials>;
  if (!user?.email || !client?.client_id)
    throw new UsageError(
      `${file} needs user (email, password) and client (client_id, client_secret), as dev-credentials.json`,
    );
  return { user, client };
}

const signedInUser = async (api: string, { user }: Credentials): Promise<string> => (await signIn(api, user)).user.id;

async function requireReachable(api: string): Promise<void> {
  const url = `${api}/readyz`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch((err: Error) => err);
  if (answer instanceof Error) throw new Unreachable(`${url} does not answer (${answer.message}): is it running?`);
  if (!answer.ok) throw new Unreachable(`${url} answers ${answer.status}: it is not ready for load`);
}

/** The installation that the command line names. @throws UsageError if a scenario needs more than is given */
export async function givenTarget(names: readonly string[], given: GivenTarget, say: Say): Promise<Target> {
  const { url, credentials, usersFile, metrics, secondUrl } = given;
  for (const name of names) {
    const { settings, users, secondCopy } = scenarios[name] as Scenario;
    if (settings) say(`${name} expects that ${url} runs with ${JSON.stringify(settings)}`);
    if (users !== undefined && usersFile === undefined)
      throw new UsageError(`${name} needs --users-file: create it there with npx sallyport demo seed --users ${users}`);
    if (secondCopy === undefined) continue;
    if (secondUrl === undefined)
      throw new UsageError(`${name} needs --second-url: another API process on the same stores`);
    if (Object.keys(secondCopy).length > 0)
      say(`${name} expects that ${secondUrl} runs with ${JSON.stringify(secondCopy)} and RATE_LIMIT_PROFILE=load`);
  }
  const seeded = usersFile === undefined ? undefined : (readJson(usersFile) as SeededUsers);
  const known = readCredentials(credentials);
  await requireReachable(url);
  return {
    api: url,
    metrics,
    credentialsFile: resolve(credentials),
    client: known.client,
    userId: await signedInUser(url, known),
    seeded,
    secondApi: secondUrl,
    product: undefined,
  };
}

const settingsOf = (all: readonly (Scenario['settings'] | undefined)[]): Record<string, string> =>
  Object.assign({}, ...all) as Record<string, string>;

/**
 * One start of the product with everything that these scenarios need.
 * @param products is given each start, for the caller to stop, also if a later one fails
 */
export async function startedTarget(
  names: readonly string[],
  { profile, users }: { readonly profile: string; readonly users: number | undefined },
  products: Product[],
  say: Say,
): Promise<Target> {
  const needs = names.map((name) => scenarios[name] as Scenario);
  // The checks of CI run beside other tests, on a machine whose PostgreSQL is not slow.
  const settings = { ...settingsOf(needs.map((need) => need.settings)), ...(profile === 'ci' ? patient : {}) };
  say(`starting the product in a temporary data directory ${JSON.stringify(settings)}`);
  const product = await startProduct(settings);
  products.push(product);
  let secondApi: string | undefined;
  const copies = needs.flatMap(({ secondCopy }) => (secondCopy ? [secondCopy] : []));
  if (copies.length > 0) {
    const { database_url: DATABASE_URL, redis_url: REDIS_URL } = product.credentials;
    const ofCopy = settingsOf(copies);
    say(`starting a second copy on the same stores ${JSON.stringify(ofCopy)}`);
    const stores = { DATABASE_URL, REDIS_URL, BETTER_AUTH_URL: product.api, WORKER_COPIES: '0' };
    const copy = await startProduct({ ...settings, ...ofCopy, ...stores }, { dataDir: product.dataDir });
    products.push(copy);
    secondApi = copy.api;
  }
  const most = Math.max(0, ...needs.map((need) => need.users ?? 0));
  const count = most === 0 ? 0 : (users ?? (profile === 'ci' ? Math.min(most, CI_USERS) : most));
  const credentialsFile = join(product.dataDir, 'dev-credentials.json');
  const known = readCredentials(credentialsFile);
  return {
    api: product.api,
    metrics: product.metrics,
    credentialsFile,
    client: known.client,
    userId: await signedInUser(product.api, known),
    seeded: count > 0 ? await seedUsers(product.dataDir, count, say) : undefined,
    secondApi,
    product,
  };
}
