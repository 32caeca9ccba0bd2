import { etagOf } from '../shared/entity-tags.ts';
import { publicJwkOf } from './key-material.ts';
import { isPublished } from './key-timeline.ts';
import type { KeyRow } from './keys.store.ts';

/** The published key set (RFC 7517 §5), built once for as long as it is valid. */
export type KeySet = {
  /** `{"keys":[…]}`, public members only. */
  readonly body: string;
  readonly etag: string;
  /** Milliseconds: when the first of its keys leaves it. */
  readonly until: number;
};

export function makeKeySet(rows: readonly KeyRow[], nowMs: number): KeySet {
  const published = rows.filter((row) => isPublished(row, nowMs));
  const keys = published.map((row) => {
    const { kty, n, e, crv, x, y } = publicJwkOf(row);
    return { kty, use: 'sig', alg: row.alg, kid: row.kid, n, e, crv, x, y };
  });
  const body = JSON.stringify({ keys });
  const until = Math.min(...published.map((row) => row.leaves_at ?? Number.POSITIVE_INFINITY));
  return { body, etag: etagOf(body), until };
}
