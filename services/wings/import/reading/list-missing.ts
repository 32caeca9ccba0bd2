import type { AppError } from '#services/platform/define/error.ts';
import { importFileUnreadable } from '../errors.ts';

/** A file that ends well, and has no such list. */
export const listMissing = (name: string): AppError =>
  importFileUnreadable({
    detail: `It is complete, and has no list \`${name}\`. Export it with its users in the same file, or import the files that hold them.`,
  });
