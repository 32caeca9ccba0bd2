import { createHash } from 'node:crypto';

/** The strong tag of a representation (RFC 9110 §8.8.3): another text has another one. */
export const etagOf = (text: string): string =>
  `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;

/** What a proxy that compresses adds to the tag. */
const ENCODING = /-(?:gzip|br|zstd|deflate)(?="$)/;

/** RFC 9110 §13.1.1: `*`, or a list of tags compared strongly, so that a weak one is none of them. */
export const isMatch = (header: string, etag: string): boolean =>
  header.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(ENCODING, '')));

/** RFC 9110 §13.1.2: `*`, or a list of tags compared weakly. */
export const isNoneMatch = (header: string | undefined, etag: string): boolean =>
  !isMatch((header ?? '').replaceAll('W/"', '"'), etag);
