import type { BackupConfig } from '../config/backups.ts';
import { backupPlaceInvalid } from './errors.ts';
import { ask, member, objectOf, PAUSES_MS, refused } from './s3-object.ts';

/** Of one answer, by the S3 API. */
const KEYS_PER_PAGE = 1_000;

type KeptObject = { readonly place: string; readonly bytes: number };

/** Text of an element, as the store has it. */
const textOf = (xml: string, name: string): string =>
  (member(xml, name) ?? '')
    .replace(/&#x([0-9a-f]{1,6});/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replace(/&#(\d{1,7});/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&apos;', "'");

/**
 * The objects of a folder `s3://bucket/prefix/`, without those of folders in it.
 * @param max number of objects; more are refused
 * @throws backupPlaceInvalid, backupStoreUnavailable, backupStoreRefused
 */
export async function listS3Folder(
  place: string,
  config: BackupConfig,
  { max, pausesMs = PAUSES_MS }: { readonly max: number; readonly pausesMs?: readonly number[] },
): Promise<KeptObject[]> {
  // A name below the folder has the bucket and the credentials of the folder.
  const object = { ...objectOf(`${place}a`, config), place };
  const prefix = decodeURIComponent(object.key).slice(0, -1);
  const bucket = place.slice(0, place.length - prefix.length);
  const found: KeptObject[] = [];
  let token: string | undefined;
  do {
    const query = {
      ...{ 'list-type': '2', delimiter: '/', prefix, 'max-keys': String(KEYS_PER_PAGE) },
      ...(token === undefined ? {} : { 'continuation-token': token }),
    };
    const answer = await ask(object, { method: 'GET', query, isOfBucket: true }, pausesMs);
    if (answer.status !== 200) throw refused(object, answer);
    const xml = Buffer.from(answer.text, 'latin1').toString('utf8');
    for (const [, content = ''] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = textOf(content, 'Key');
      // Some stores keep an empty object for the folder itself.
      if (key !== prefix) found.push({ place: bucket + key, bytes: Number(member(content, 'Size')) });
    }
    if (found.length > max) throw backupPlaceInvalid({ detail: `${place} has more than ${max} objects` });
    token = member(xml, 'IsTruncated') === 'true' ? textOf(xml, 'NextContinuationToken') : undefined;
  } while (token);
  return found;
}
