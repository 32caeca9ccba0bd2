import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { listS3Folder } from '../services/platform/backups/s3-folder.ts';
import { isS3Folder, isS3Place } from '../services/platform/backups/s3-object.ts';
import { readS3InParts } from '../services/platform/backups/s3-place.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { guardedFetch } from '../services/platform/http/outbound.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { createMarks } from '../services/platform/marks/mark-stores.ts';
import type { KeptSegment } from '../services/wings/recovery/backup/feed-segments.ts';
import { planFeedRestore, restoreFromFeed } from '../services/wings/recovery/backup/restore-from-feed.ts';
import { systemCaller, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const STATEMENT_TIMEOUT_MS = 600_000;
const SEGMENT_BYTES_MAX = 64_000_000;
/** The operator names the relay, which may be in a private network. */
const FEED_RULES = { allowsPrivate: true, answerBytesMax: SEGMENT_BYTES_MAX, deadlineMs: 10_000 };
const PAGES_MAX = 1_000;
const OBJECTS_MAX = 100_000;

const linesOf = (place: string, text: string): KeptSegment[] =>
  text.split(/\s+/).flatMap((jws) => (jws === '' ? [] : [{ place, jws }]));

/** Every file of a folder; a file holds one response, or one a line. */
async function readFolder(folder: string): Promise<KeptSegment[]> {
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  const kept: KeptSegment[] = [];
  for (const { name } of names) {
    const path = join(folder, name);
    if ((await stat(path)).size > SEGMENT_BYTES_MAX)
      throw new CommandError(exitCodes.usage, `${path} is too large for a segment`, 'remove it from the folder');
    kept.push(...linesOf(path, await readFile(path, 'utf8')));
  }
  return kept;
}

/** Every object of a folder of an object store, or one object; each holds one response, or one a line. */
async function readObjects(place: string, say: Output['say']): Promise<KeptSegment[]> {
  const { backups } = loadConfig(process.env);
  const objects = isS3Folder(place) ? await listS3Folder(place, backups, { max: OBJECTS_MAX }) : [{ place, bytes: 0 }];
  if (objects.length > 1) say(`reading ${objects.length.toLocaleString('en')} objects …`);
  const kept: KeptSegment[] = [];
  for (const object of objects) {
    const parts: Buffer[] = [];
    let bytes = object.bytes;
    if (bytes <= SEGMENT_BYTES_MAX) {
      bytes = 0;
      for await (const part of readS3InParts(object.place, backups)) {
        bytes += part.length;
        if (bytes > SEGMENT_BYTES_MAX) break;
        parts.push(part);
      }
    }
    if (bytes > SEGMENT_BYTES_MAX)
      throw new CommandError(exitCodes.usage, `${object.place} is too large for a segment`, 'keep segments apart');
    kept.push(...linesOf(object.place, Buffer.concat(parts).toString()));
  }
  return kept;
}

/** The answers of a relay, page by page. The signature is checked later; here only the next page is looked up. */
async function fetchPages(url: string): Promise<KeptSegment[]> {
  const kept: KeptSegment[] = [];
  const next = new URL(url);
  for (let page = 0; page < PAGES_MAX; page += 1) {
    let text: string;
    try {
      const answer = await guardedFetch(FEED_RULES, next);
      if (!answer.ok) throw new Error(`it answered ${answer.status}`);
      text = (await answer.text()).trim();
    } catch (cause) {
      throw new CommandError(
        exitCodes.unreachable,
        `no feed at ${next.origin}${next.pathname} (${(cause as Error).message})`,
        'check the URL, or name a folder of kept responses',
        { cause },
      );
    }
    kept.push({ place: next.href, jws: text });
    const claims = claimsOf(text);
    if (claims.complete !== false || typeof claims.epoch !== 'number') return kept;
    next.searchParams.set('since', String(claims.epoch));
  }
  return kept;
}

function claimsOf(jws: string): { readonly complete?: unknown; readonly epoch?: unknown } {
  try {
    return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());
  } catch {
    return {};
  }
}

async function readKept(place: string, say: Output['say']): Promise<KeptSegment[]> {
  if (/^https?:\/\//.test(place)) return fetchPages(place);
  if (isS3Place(place)) return readObjects(place, say);
  try {
    return await readFolder(place);
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const fix = 'name a folder, s3://bucket/folder/ or a URL';
    throw new CommandError(exitCodes.usage, `${place} cannot be read (${code})`, fix, { cause });
  }
}

/** `sallyport restore --from-feed DIR|s3://…|URL`, directly on the database. */
export async function restoreFeed(place: string, options: GlobalOptions): Promise<void> {
  const output = createOutput(options);
  const kept = await readKept(place, output.say);
  if (kept.length === 0)
    throw new CommandError(exitCodes.usage, `no segment in ${place}`, 'keep responses of GET /v1/revocations in it');
  await withDatabase(
    async (database) => {
      const marks = createMarks(database.settings.marks, resolveDataDir());
      const ports = { ...database, marks, keysChanged: () => {} };
      const { entries, ...plan } = await planFeedRestore(ports, kept);
      if (options.dryRun) {
        output.data({ ...plan, revocations: entries.length }, () => [
          `would restore ${entries.length} revocations, epochs ${plan.from + 1} to ${plan.to}`,
        ]);
        return;
      }
      const startedAt = performance.now();
      const done = await restoreFromFeed(ports, kept, systemCaller('sallyport restore'));
      const seconds = (performance.now() - startedAt) / 1_000;
      const { keysCompromised, ...rest } = done;
      output.data({ ...rest, keys_compromised: keysCompromised, seconds }, () => [
        `restored      ${done.revocations} revocations, epochs ${done.from + 1} to ${done.to}, from ${done.segments} segments`,
        `ended         ${done.sessions} sessions, ${done.families} token families`,
        `cut-offs      of ${done.users.length} users, ${done.clients.length} clients; ${keysCompromised.length} keys compromised`,
        `incarnation   ${done.incarnation}, as before: tokens stay valid`,
      ]);
      output.say('running copies continue by themselves within a second');
      output.say(
        'not in the feed, and still lost: sign-ins, refreshes, and changes of accounts, passwords and roles of the missing time',
      );
    },
    { statementTimeoutMs: STATEMENT_TIMEOUT_MS, isHeldToMarks: false },
  );
}
