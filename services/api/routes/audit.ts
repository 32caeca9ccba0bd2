import type { FastifyRequest } from 'fastify';
import {
  listLogOriginsEndpoint,
  proveAuditEventEndpoint,
  readLogCheckpointEndpoint,
  readLogKeyEndpoint,
  readLogRotationsEndpoint,
  readLogTileEndpoint,
  readOriginCheckpointEndpoint,
  readOriginKeyEndpoint,
  readOriginRotationsEndpoint,
  readOriginTileEndpoint,
} from '#services/core/audit/contract.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import { parseSeq } from '#services/core/audit/read/read-event.ts';
import {
  type HasAuditLogKeys,
  type HasKeyRotations,
  type LogChoice,
  listOrigins,
  readCheckpoint,
  readKeyRotations,
  readVkeys,
} from '#services/core/audit/read/read-log.ts';
import { createTileReader, type PublicTile } from '#services/core/audit/read/tile-reader.ts';
import type { Ports } from '#services/core/ports.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import { isNoneMatch } from '#services/core/shared/entity-tags.ts';
import { bind, type RouteContext } from '../bind.ts';

type AuditRoutesDeps = Pick<Ports, 'sql' | 'clock'> &
  HasAuditLogKeys &
  HasKeyRotations & { readonly tileMemoryBytes: number };

const text = (body: string, cacheControl: string): Answer =>
  answer(200, body, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': cacheControl });

const HEAD_CACHE = 'public, max-age=1';
const KEY_CACHE = 'public, max-age=300';
// A tile never changes. But after `audit continue` the path of the log in use serves another log, so caches keep its
// tiles for an hour only.
const CURRENT_TILE_CACHE = 'public, max-age=3600, immutable';
const ORIGIN_TILE_CACHE = 'public, max-age=31536000, immutable';
const PARTIAL_TILE_CACHE = 'public, max-age=60';

function tileAnswer({ bytes, isFull, etag }: PublicTile, choice: LogChoice, ifNoneMatch: string | undefined): Answer {
  const fullCache = choice === 'current' ? CURRENT_TILE_CACHE : ORIGIN_TILE_CACHE;
  const headers = { etag, 'cache-control': isFull ? fullCache : PARTIAL_TILE_CACHE };
  return isNoneMatch(ifNoneMatch, etag)
    ? answer(200, bytes, { ...headers, 'content-type': 'application/octet-stream' })
    : answer(304, null, headers);
}

/** Events and proofs for auditors. The log itself, in the C2SP formats, is public. */
export function auditRoutes(routes: RouteContext, deps: AuditRoutesDeps): void {
  const tiles = createTileReader(deps, deps.tileMemoryBytes);
  const tile = async (choice: LogChoice, path: string, request: FastifyRequest): Promise<Answer> =>
    tileAnswer(await tiles.read(choice, path), choice, request.headers['if-none-match']);

  bind(routes, proveAuditEventEndpoint, async ({ params }) =>
    text(await proveEvent(deps, parseSeq(params.seq)), 'no-store'),
  );

  bind(routes, readLogCheckpointEndpoint, async () => text(await readCheckpoint(deps, 'current'), HEAD_CACHE));
  bind(routes, readLogKeyEndpoint, async () => text(await readVkeys(deps, 'current'), KEY_CACHE));
  bind(routes, readLogRotationsEndpoint, async () => text(await readKeyRotations(deps, 'current'), KEY_CACHE));
  bind(routes, readLogTileEndpoint, ({ params }, _caller, request) => tile('current', params.tile, request));

  bind(routes, listLogOriginsEndpoint, async () => {
    return answer(200, { origins: await listOrigins(deps) }, { 'cache-control': HEAD_CACHE });
  });
  bind(routes, readOriginCheckpointEndpoint, async ({ params }) =>
    text(await readCheckpoint(deps, params.origin), HEAD_CACHE),
  );
  bind(routes, readOriginKeyEndpoint, async ({ params }) => text(await readVkeys(deps, params.origin), KEY_CACHE));
  bind(routes, readOriginRotationsEndpoint, async ({ params }) =>
    text(await readKeyRotations(deps, params.origin), KEY_CACHE),
  );
  bind(routes, readOriginTileEndpoint, ({ params }, _caller, request) => tile(params.origin, params.tile, request));
}
