import { isNoneMatch } from '../shared/entity-tags.ts';
import type { HasKeyRing } from './key-ring.ts';

type JwksReply = {
  readonly status: 200 | 304;
  /** JSON text; null with 304. */
  readonly body: string | null;
  readonly headers: Readonly<Record<string, string>>;
};

/** The key set for verifiers and caches: built once, with an ETag, and 304 for a client that already has it. */
export function readJwks(ports: HasKeyRing, input: { readonly ifNoneMatch: string | undefined }): JwksReply {
  const { body, etag, maxAgeSeconds } = ports.keyRing.jwks();
  const headers = { etag, 'cache-control': `public, max-age=${maxAgeSeconds}` };
  return isNoneMatch(input.ifNoneMatch, etag)
    ? { status: 200, body, headers: { ...headers, 'content-type': 'application/json; charset=utf-8' } }
    : { status: 304, body: null, headers };
}
