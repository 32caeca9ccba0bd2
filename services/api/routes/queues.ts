import type { FastifyReply, FastifyRequest } from 'fastify';
import { recordQueueChange } from '../../domain/operations/manage-queues.ts';
import { queueBoardEndpoint } from '../../domain/operations/queue-board-contract.ts';
import type { Ports } from '../../domain/ports.ts';
import { queueUnavailable, routeUnknown } from '../../platform/errors.ts';
import type { Board } from '../../platform/queue/board.ts';
import type { Producer } from '../../platform/queue/producer.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Scripts and answers of this origin alone; its styles are partly inline. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** Bull Board behind the permission of its contract; each change is in the audit log before it is made. */
export function queuesRoutes(
  routes: RouteContext,
  deps: Pick<Ports, 'transact'> & { readonly producer: Producer },
): void {
  const base = queueBoardEndpoint.path;
  let loading: Promise<Board> | undefined;
  // Loaded on first use: most copies never show it.
  const board = (): Promise<Board> => {
    loading ??= import('../../platform/queue/board.ts').then(({ createQueueBoard }) =>
      createQueueBoard(deps.producer, `${base}/`),
    );
    return loading;
  };

  bind(routes, queueBoardEndpoint, async ({ query }) => {
    const page = await (await board()).answer({ method: 'GET', path: '/', query: query ?? {}, body: undefined });
    return answer(200, page?.body as string, { ...HEADERS, 'content-type': page?.contentType as string });
  });

  const callerOf = routes.callers.forEndpoint(queueBoardEndpoint);
  const below = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const caller = await callerOf(request);
    const path = (request.url.split('?', 1)[0] as string).slice(base.length);
    const asked = { method: request.method, path, query: request.query as object, body: request.body };
    const loaded = await board();
    const change = loaded.changeOf(asked);
    if (change && !deps.producer.isReady()) throw queueUnavailable({ retryAfterSeconds: 1 });
    if (change) await recordQueueChange(deps, change, caller);
    const found = await loaded.answer(asked);
    if (found === undefined) throw routeUnknown();
    // The text is made already: no schema of a route describes it.
    reply
      .code(found.status)
      .headers({ ...HEADERS, 'content-type': found.contentType })
      .serializer(String)
      .send(found.body);
  };
  routes.app.route({
    method: ['GET', 'PUT'],
    url: `${base}/*`,
    config: { endpoint: queueBoardEndpoint },
    handler: below,
  });
}
