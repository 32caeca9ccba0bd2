import type { BackupConfig } from '../config/backups.ts';
import { readFileInParts, type Written, writeFileAtOnce } from './file-place.ts';
import { isS3Place } from './s3-object.ts';
import { readS3InParts, writeS3AtOnce } from './s3-place.ts';

/** Writes a backup to a file or to `s3://bucket/key`; it appears when it is complete. */
export const writeBackupAt = (
  place: string,
  source: AsyncIterable<Uint8Array>,
  config: () => BackupConfig,
): Promise<Written> => (isS3Place(place) ? writeS3AtOnce(place, source, config()) : writeFileAtOnce(place, source));

/** The bytes of a backup, from a file or from `s3://bucket/key`. */
export const readBackupAt = (place: string, config: () => BackupConfig): AsyncIterable<Buffer> =>
  isS3Place(place) ? readS3InParts(place, config()) : readFileInParts(place);
