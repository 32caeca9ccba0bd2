import { createHash, type Hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { BSON, Collection, Document, MongoClient, MongoClientOptions } from 'mongodb';
import { membersRead } from '#services/wings/import/adapters/mongo.ts';
import type { ImportMap } from '#services/wings/import/import-shapes.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { ImportSource } from './source.ts';

/** A live collection, read as lines of canonical extended JSON: what `mongoexport` writes. The driver loads only here. */

const BATCH_DOCUMENTS = 1_000;
const SAMPLE_DOCUMENTS = 100;
const CHUNK_BYTES = 262_144;
const REACH_MS = 10_000;
const ANSWER_MS = 60_000;

export type MongoOptions = { readonly collection?: string; readonly passwordFile?: string };

type Driver = typeof import('mongodb');

const SCHEME = /^\s*mongodb(\+srv)?(?=:\/\/)/i;

export const isMongoUrl = (text: string): boolean => SCHEME.test(text);

const wrong = (message: string, fix: string): CommandError => new CommandError(exitCodes.usage, message, fix);
const refused = (message: string, fix: string): CommandError => new CommandError(exitCodes.refused, message, fix);

type Failure = { readonly code?: unknown; readonly syscall?: string; readonly cause?: { readonly code?: unknown } };

/** What happened, in words that hold neither the URL nor a document: messages of the driver may quote both. */
function failureOf(err: unknown, name: string): unknown {
  if (err instanceof CommandError || !(err instanceof Error)) return err;
  const { code, cause, syscall } = err as Failure;
  const isNoAnswerOfDns = syscall?.startsWith('query') === true;
  if (!/^(Mongo|BSON)/.test(err.name) && !isNoAnswerOfDns) return err;
  if (code === 18 || err.name === 'MongoMissingCredentialsError')
    return refused(`${name} refused the user or the password`, 'check both, and authSource of the URL');
  if (code === 13)
    return refused(`the user may not read ${name}`, 'grant it the role "read" on the database of the collection');
  if (code === 73)
    return wrong(`${name}: this is no name of a database and a collection`, 'write both as the database has them');
  if (/^Mongo(MissingDependency|InvalidArgument|Compatibility|Parse)Error$/.test(err.name))
    return wrong(
      `${name} cannot be read with these options of the URL (${err.name})`,
      'check them: authMechanism is SCRAM-SHA-256, SCRAM-SHA-1, PLAIN or MONGODB-X509; leave out loadBalanced unless a load balancer is between',
    );
  if (isNoAnswerOfDns || /^Mongo(ServerSelection|Network|Topology|PoolCleared|NotConnected)/.test(err.name)) {
    const reason = String(isNoAnswerOfDns ? code : cause?.code);
    const why = /^[A-Z][A-Z0-9_]+$/.test(reason) ? ` (${reason})` : '';
    return new CommandError(
      exitCodes.unreachable,
      `${name} cannot be reached, or gave no answer in time${why}`,
      'check host, port and TLS options of the URL; started again, an import goes on where it stopped',
    );
  }
  return new CommandError(
    exitCodes.checkFailed,
    `${name} ended the reading (${typeof code === 'number' ? `code ${code}` : err.name})`,
    'start the import again: it goes on where it stopped',
  );
}

const optionsOf = (url: string): URLSearchParams => new URLSearchParams(url.split('?')[1] ?? '');

const EXAMPLE = 'mongodb://user@host:27017/database?tls=true';

function clientOf({ MongoClient: Client }: Driver, url: string, password: string | undefined): MongoClient {
  const given = optionsOf(url);
  const deadlines = {
    serverSelectionTimeoutMS: REACH_MS,
    connectTimeoutMS: REACH_MS,
    socketTimeoutMS: ANSWER_MS,
  } as const;
  const options: MongoClientOptions = {
    appName: 'sallyport import',
    maxPoolSize: 1,
    ...Object.fromEntries(Object.entries(deadlines).filter(([name]) => !given.has(name))),
  };
  const made = (more: MongoClientOptions): MongoClient => {
    try {
      return new Client(url, { ...options, ...more });
    } catch {
      throw wrong('this is no connection string of MongoDB, or an option of it is wrong', `it has the form ${EXAMPLE}`);
    }
  };
  const client = made({});
  // The driver would read the database `test`.
  if (!/^[^/]*\/\/[^/?]*\/[^?]/.test(url))
    throw wrong('the URL names no database', `write it behind the host: ${EXAMPLE}`);
  if (password === undefined) return client;
  const username = client.options.credentials?.username ?? '';
  if (username === '')
    throw wrong('--password-file has the password of a user, and the URL names none', `write the user: ${EXAMPLE}`);
  return made({ auth: { username, password } });
}

const FILE_OPTIONS: ReadonlySet<string> = new Set(['tlscafile', 'tlscertificatekeyfile', 'tlscrlfile']);

/** The driver would fail with an error of the file system that names no option. */
async function checkFiles(url: string): Promise<void> {
  for (const [option, path] of optionsOf(url)) {
    if (!FILE_OPTIONS.has(option.toLowerCase())) continue;
    await readFile(path).catch(() => {
      throw wrong(`the file that ${option} of the URL names cannot be read`, 'check its path and its permissions');
    });
  }
}

async function passwordOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  } catch {
    throw wrong(`${path} cannot be read`, 'check its path and its permissions');
  }
}

/** A line that the reader rejects as `utf8_invalid`. */
const NO_TEXT = Buffer.from([0xff]);

/** One document as canonical extended JSON: no number loses its type, and text that is no UTF-8 is found. */
function lineOf({ deserialize, EJSON }: typeof BSON, bytes: Uint8Array): Buffer {
  try {
    const types = { promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true };
    return Buffer.from(EJSON.stringify(deserialize(bytes, types), { relaxed: false }));
  } catch {
    return NO_TEXT;
  }
}

/**
 * Connects and finds the collection. Reads only, in the order of `_id`, the members that the mapping names.
 * @throws CommandError: 2 a wrong URL, 3 unreachable, 5 refused
 */
export async function mongoSource(
  given: string,
  { parameters, columns }: ImportMap,
  { collection: named, passwordFile }: MongoOptions,
): Promise<ImportSource> {
  const url = given.trim().replace(SCHEME, (scheme) => scheme.toLowerCase());
  const driver = await import('mongodb');
  const client = clientOf(driver, url, await passwordOf(passwordFile));
  await checkFiles(url);
  const { hosts, srvHost, dbName } = client.options;
  const at = srvHost ?? [...hosts].map(String).sort().join(',');
  const collectionName = named ?? parameters.collection ?? 'users';
  const name = `mongodb://${at}/${dbName}.${collectionName}`;
  const projection = Object.fromEntries(membersRead({ columns }).map((member) => [member, 1]));
  let read = { digest: createHash('sha256'), bytes: 0 };

  const find = (from: Collection, limit: number) =>
    from
      .find({}, { raw: true, projection: { _id: 1, ...projection }, batchSize: BATCH_DOCUMENTS, limit })
      .sort({ _id: 1 }) as AsyncIterable<Document>;

  async function* lines(limit: number): AsyncGenerator<Buffer> {
    try {
      for await (const document of find(client.db().collection(collectionName), limit)) {
        yield lineOf(driver.BSON, document as Uint8Array);
        yield Buffer.from('\n');
      }
    } catch (err) {
      throw failureOf(err, name);
    }
  }

  async function* open(): AsyncGenerator<Uint8Array> {
    const own: { digest: Hash; bytes: number } = { digest: createHash('sha256'), bytes: 0 };
    read = own;
    const chunkOf = (parts: readonly Buffer[]): Buffer => {
      const chunk = Buffer.concat(parts);
      own.digest.update(chunk);
      own.bytes += chunk.length;
      return chunk;
    };
    let parts: Buffer[] = [];
    let length = 0;
    for await (const part of lines(0)) {
      parts.push(part);
      length += part.length;
      if (length < CHUNK_BYTES) continue;
      yield chunkOf(parts);
      parts = [];
      length = 0;
    }
    if (length > 0) yield chunkOf(parts);
  }

  try {
    await client.connect();
    const found = await client.db().listCollections({ name: collectionName }, { nameOnly: true }).toArray();
    if (found.length === 0)
      throw wrong(
        `${name}: there is no such collection`,
        'name the database in the URL and the collection by --collection',
      );
    const count = await client.db().collection(collectionName).estimatedDocumentCount();
    let sampled = 0;
    for await (const { length } of lines(SAMPLE_DOCUMENTS)) sampled += length;
    return {
      path: name,
      // An estimate, for the progress: the run takes what it read when it ends.
      bytes: Math.round((sampled / Math.max(1, Math.min(count, SAMPLE_DOCUMENTS))) * count),
      sha256: createHash('sha256').update(`mongodb\0${at}\0${dbName}\0${collectionName}`).digest('hex'),
      open,
      read: () => ({ sha256: read.digest.copy().digest('hex'), bytes: read.bytes }),
      close: () => client.close(),
    };
  } catch (err) {
    await client.close();
    throw failureOf(err, name);
  }
}
