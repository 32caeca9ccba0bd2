import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failed } from './http.ts';
import { createS3Requests, type S3Settings } from './s3-requests.ts';

/** A signed head as a sink stores it. */
export type PublishedNote = {
  readonly where: string;
  readonly note: string;
  /** Stored beside the newest head because it belongs to another history, perhaps of another installation. */
  readonly isFork: boolean;
};

const NOTE_FILE = /^(checkpoint|\d+-\d+\.checkpoint|\d+-[0-9a-f]+\.fork)$/;

/** Every head of every log in the folder of the file sink. */
export async function* readFileNotes(folder: string): AsyncGenerator<PublishedNote> {
  for (const origin of await namesIn(folder))
    for (const name of await namesIn(join(folder, origin))) {
      if (!NOTE_FILE.test(name)) continue;
      const where = join(folder, origin, name);
      yield { where, note: await readFile(where, 'utf8'), isFork: name.endsWith('.fork') };
    }
}

/** Names in a folder; empty if the folder does not exist. */
const namesIn = async (folder: string): Promise<string[]> =>
  (
    await readdir(folder).catch((err: NodeJS.ErrnoException) => {
      if (err.code === 'ENOENT' || err.code === 'ENOTDIR') return [];
      throw err;
    })
  ).sort();

const TIMEOUT_MS = 10_000;
/** Keeps a page of names below the largest answer that is read. */
const PAGE = 100;
const READ_AT_ONCE = 16;
const NOTE_OBJECT = /\/\d{16}$/;

/** Every head of every log below the prefix of the s3 sink. Listing needs the right `s3:ListBucket`. */
export async function* readS3Notes(settings: S3Settings, now?: () => number): AsyncGenerator<PublishedNote> {
  const send = createS3Requests(settings, now);
  for await (const names of listedNames(settings, now)) {
    const wanted = names.filter((name) => NOTE_OBJECT.test(name));
    for (let at = 0; at < wanted.length; at += READ_AT_ONCE)
      yield* await Promise.all(
        wanted.slice(at, at + READ_AT_ONCE).map(async (name): Promise<PublishedNote> => {
          const path = name.split('/').map(encodeURIComponent).join('/');
          const answer = await send({ method: 'GET', name: path }, AbortSignal.timeout(TIMEOUT_MS));
          if (answer.status !== 200) throw failed(answer);
          return { where: `${settings.url}/${name}`, note: answer.text, isFork: false };
        }),
      );
  }
}

/** Pages of names below the prefix, without it. */
async function* listedNames(settings: S3Settings, now?: () => number): AsyncGenerator<string[]> {
  const { bucket, prefix } = await bucketOf(settings, now);
  let after: string | undefined;
  do {
    const list = await listPage(bucket, prefix, after, now);
    yield list.keys.map((key) => key.slice(prefix.length));
    after = list.isCutShort ? list.keys.at(-1) : undefined;
  } while (after !== undefined);
}

type Place = { readonly bucket: S3Settings; readonly prefix: string };

/**
 * Splits the address into bucket and prefix. Path style has the bucket as its first segment, virtual-hosted style has it
 * in the host; only the style that the store uses answers with a list.
 */
async function bucketOf(settings: S3Settings, now?: () => number): Promise<Place> {
  const { origin, pathname } = new URL(settings.url);
  const [first = '', ...rest] = decodeURIComponent(pathname).split('/').filter(Boolean);
  const prefixOf = (segments: readonly string[]): string => segments.map((segment) => `${segment}/`).join('');
  const pathStyle = { bucket: { ...settings, url: `${origin}/${encodeURIComponent(first)}` }, prefix: prefixOf(rest) };
  const hosted = { bucket: { ...settings, url: origin }, prefix: prefixOf(first === '' ? [] : [first, ...rest]) };
  if (first !== '') {
    const isThere = await listPage(pathStyle.bucket, pathStyle.prefix, undefined, now).then(
      () => true,
      () => false,
    );
    if (isThere) return pathStyle;
  }
  return hosted;
}

async function listPage(
  bucket: S3Settings,
  prefix: string,
  after: string | undefined,
  now?: () => number,
): Promise<{ readonly keys: readonly string[]; readonly isCutShort: boolean }> {
  const query = {
    'list-type': '2',
    'max-keys': String(PAGE),
    prefix,
    ...(after === undefined ? {} : { 'start-after': after }),
  };
  const send = createS3Requests(bucket, now);
  const answer = await send({ method: 'GET', name: '', query }, AbortSignal.timeout(TIMEOUT_MS));
  if (answer.status !== 200) throw failed(answer);
  if (!answer.text.includes('<ListBucketResult')) throw new Error('the answer is not a bucket listing');
  return {
    keys: [...answer.text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => unescaped(key)),
    isCutShort: answer.text.includes('<IsTruncated>true</IsTruncated>'),
  };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const unescaped = (text: string): string =>
  text.replaceAll(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] as string);
