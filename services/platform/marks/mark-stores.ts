import type { LogHighWaterStore, MarkStore } from '#services/core/ports.ts';
import { s3SettingsOf } from '../checkpoints/s3-requests.ts';
import type { MarkConfig } from '../config/marks.ts';
import { createFileLogMark } from './file-log-mark.ts';
import { createFileMarks } from './file-marks.ts';
import { createS3LogMark, createS3Marks } from './s3-marks.ts';

/** The store that MARK_STORE names, for the high-water mark of token state. */
export const createMarks = (config: MarkConfig, dataDir: string): MarkStore =>
  config.store === 's3' ? createS3Marks(s3SettingsOf(config)) : createFileMarks(dataDir);

/** The store that MARK_STORE names, for the high-water mark of the audit log. */
export const createLogMark = (config: MarkConfig, dataDir: string): LogHighWaterStore =>
  config.store === 's3' ? createS3LogMark(s3SettingsOf(config)) : createFileLogMark(dataDir);
