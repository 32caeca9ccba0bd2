import type { FastifyRequest } from 'fastify';
import type { AppError } from '#services/platform/define/error.ts';
import { contentTypeUnsupported, transferCodingUnsupported } from '#services/platform/errors.ts';

/** Methods whose body is not read (RFC 9110 §9.3.1). */
const BODYLESS = new Set(['GET', 'HEAD']);

const MEDIA_TYPE = /^([\w!#$&^.+-]+\/[\w!#$&^.+-]+) *(?:;|$)/;
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)/gi;
/** Bodies are read as UTF-8, which includes US-ASCII. */
const READ_CHARSET = /^(?:utf-?8|us-ascii)$/i;

/** RFC 9110 §8.3.1 media type, or '' if the header is not one. */
const mediaType = (header: string): string => MEDIA_TYPE.exec(header)?.[1]?.toLowerCase() ?? '';

/**
 * The error for a body that the server would read wrongly, or undefined: a type other than the expected one or a charset
 * other than UTF-8 (415), compressed (415, RFC 9110 §8.4, or 501, RFC 9112 §6.1).
 */
export function refuseDeclaredBody(
  { headers, method }: Pick<FastifyRequest, 'headers' | 'method'>,
  expected: string,
): AppError | undefined {
  const type = headers['content-type'];
  const coding = headers['content-encoding'];
  const transfer = headers['transfer-encoding'];
  if (type === expected && coding === undefined && transfer === undefined) return;
  if (BODYLESS.has(method) || (transfer === undefined && (headers['content-length'] ?? '0') === '0')) return;
  // The server cannot know where such a body ends, so it closes the connection.
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked')
    return transferCodingUnsupported({ headers: { connection: 'close' } });
  // RFC 9110 §12.5.3: the response names the acceptable codings.
  if (coding !== undefined && coding.toLowerCase() !== 'identity')
    return contentTypeUnsupported({ detail: 'Expected no coding.', headers: { 'accept-encoding': 'identity' } });
  if (type === expected) return;
  if (type === undefined || mediaType(type) !== expected)
    return contentTypeUnsupported({ detail: `Expected ${expected}.` });
  for (const [, charset = ''] of type.matchAll(CHARSET))
    if (!READ_CHARSET.test(charset)) return contentTypeUnsupported({ detail: `Expected ${expected} in UTF-8.` });
}
