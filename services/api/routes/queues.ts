import type { FastifyRequest } from 'fastify';
import { jobsOf, queueNames, queuesOf } from '#jobs/schedules.ts';
import { queueChangeRefused } from '#services/core/health/errors.ts';
import { recordQueueChange } from '#services/core/health/manage-queues.ts';
import {
  changeQueueEndpoint,
  queueBoardEndpoint,
  readQueueBoardEndpoint,
} from '#services/core/health/queue-board-contract.ts';
import { type RowLetters, withRowLetters } from '#services/core/health/row-dead-letters.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { type Answer, answer } from '#services/core/shared/answer.ts';
import type { WingSettings } from '#services/platform/config/wings.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { isScheduled } from '#services/platform/define/job.ts';
import { queueUnavailable, routeUnknown } from '#services/platform/errors.ts';
import { createQueueAdmin } from '#services/platform/queue/admin.ts';
import type { Board, BoardAnswer } from '#services/platform/queue/board.ts';
import type { Producer } from '#services/platform/queue/producer.ts';
import { readTimetable } from '#services/platform/queue/timetable-view.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Allows scripts and connections of this origin only; Bull Board's styles are partly inline. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

type Deps = Pick<Ports, 'transact' | 'sql'> & {
  readonly producer: Producer;
  readonly wings: WingSettings;
  readonly rowLetters: readonly RowLetters[];
};

/** Queues, the timetable and dead letters, for the rules of their operations. */
export function queuePorts({ producer, wings, sql, rowLetters }: Omit<Deps, 'transact'>) {
  const jobs = jobsOf(wings);
  return {
    queueAdmin: withRowLetters(createQueueAdmin(producer, queuesOf(jobs)), { sql }, rowLetters),
    readTimetable: () => readTimetable(sql, jobs.filter(isScheduled)),
  };
}

/** Bull Board behind the permission of its contract. Each change is in the audit log before it is made. */
export function boardRoutes(routes: RouteContext, deps: Pick<Deps, 'transact' | 'producer'>): void {
  const base = queueBoardEndpoint.path;
  let loading: Promise<Board> | undefined;
  // Loaded on first use, because most copies never serve it.
  const board = (): Promise<Board> => {
    loading ??= import('#services/platform/queue/board.ts').then(({ createQueueBoard }) =>
      createQueueBoard(deps.producer, `${base}/`, queueNames),
    );
    return loading;
  };

  type Asked = { readonly query: object; readonly body: unknown };
  const ask = async ({ query, body }: Asked, caller: Caller, { method, url }: FastifyRequest): Promise<Answer> => {
    // Unchanged, because Bull Board decodes path segments itself. HEAD is requested as GET.
    const path = (url.split('?', 1)[0] as string).slice(base.length) || '/';
    const asked = { method: method === 'HEAD' ? 'GET' : method, path, query, body };
    const loaded = await board();
    const change = loaded.changeOf(asked);
    if (change && !deps.producer.isReady()) throw queueUnavailable({ retryAfterSeconds: 1 });
    if (change) await recordQueueChange(deps, change, caller);
    const found = await loaded.answer(asked);
    if (found === undefined) throw routeUnknown();
    if (found.status >= 400) throw refusalOf(found);
    if (found.status === 204) return answer(204, null, HEADERS);
    return answer(found.status, found.body, { ...HEADERS, 'content-type': found.contentType });
  };
  for (const endpoint of [queueBoardEndpoint, readQueueBoardEndpoint, changeQueueEndpoint]) bind(routes, endpoint, ask);
}

/** Adds a code to Bull Board's errors, and keeps the text that its page shows. */
const refusalOf = ({ status, body }: BoardAnswer): AppError =>
  (status === 404 ? routeUnknown : queueChangeRefused)({ members: JSON.parse(String(body)) });
