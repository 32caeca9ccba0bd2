import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type {
  AppControllerRoute,
  AppViewRoute,
  BullBoardQueues,
  IServerAdapter,
  UIConfig,
} from '@bull-board/api/typings/app';
import { escapeHtml } from '../html/html.ts';
import { reach } from './admin.ts';
import type { Producer } from './producer.ts';

type BoardRequest = {
  readonly method: string;
  /** Below the board's base path, beginning with a slash. */
  readonly path: string;
  readonly query: object;
  readonly body: unknown;
};

export type BoardAnswer = { readonly status: number; readonly contentType: string; readonly body: string | Buffer };

/** A change to a job or a queue, for the audit log. */
type BoardChange = { readonly action: string; readonly queue: string; readonly jobId: string | undefined };

export type Board = {
  /** The change that a request makes; undefined for a read. */
  changeOf(request: BoardRequest): BoardChange | undefined;
  /** Undefined if the path does not exist. @throws queueUnavailable */
  answer(request: BoardRequest): Promise<BoardAnswer | undefined>;
};

/**
 * Changes that the board may make. Excluded are changes that could forge or rewrite a job, or run two at once: adding, editing,
 * obliterating, concurrency, rates, schedules.
 */
const CHANGES: ReadonlySet<string> = new Set([
  '/api/queues/:queueName/retry/:queueStatus',
  '/api/queues/:queueName/clean/:queueStatus',
  '/api/queues/:queueName/promote',
  '/api/queues/:queueName/pause',
  '/api/queues/:queueName/resume',
  '/api/queues/:queueName/:jobId/retry',
  '/api/queues/:queueName/:jobId/clean',
  '/api/queues/:queueName/:jobId/promote',
]);

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};

type Route = {
  readonly method: string;
  readonly route: string;
  readonly pattern: RegExp;
  readonly handle: AppControllerRoute['handler'];
};

/** Collects the configuration that Bull Board passes to a web framework. */
class Collected implements IServerAdapter {
  queues: BullBoardQueues = new Map();
  uiConfig: UIConfig = {};
  routes: Route[] = [];
  entry: AppViewRoute | undefined;
  setQueues(queues: BullBoardQueues): this {
    this.queues = queues;
    return this;
  }
  setUIConfig(config: UIConfig): this {
    this.uiConfig = config;
    return this;
  }
  setEntryRoute(route: AppViewRoute): this {
    this.entry = route;
    return this;
  }
  setApiRoutes(routes: AppControllerRoute[]): this {
    this.routes = routes.flatMap(({ method, route, handler }) =>
      [method].flat().flatMap((each) =>
        [route].flat().map((path) => ({
          method: each.toUpperCase(),
          route: path,
          pattern: new RegExp(`^${path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
          handle: handler,
        })),
      ),
    );
    return this;
  }
  setViewsPath = (): this => this;
  setStaticPath = (): this => this;
  setErrorHandler = (): this => this;
}

/** Bull Board as values: its page, its files and its own small API, served below `basePath` by a route that has authenticated the caller. */
export async function createQueueBoard(
  producer: Producer,
  basePath: string,
  queueNames: readonly string[],
): Promise<Board> {
  const collected = new Collected();
  const ui = dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json'));
  createBullBoard({
    queues: queueNames.map((name) => new BullMQAdapter(producer.queue(name))),
    serverAdapter: collected,
    // It would look them up by `require`, which a bundle has not.
    options: { uiBasePath: ui, uiConfig: { boardTitle: 'Sallyport queues', hideRedisDetails: true } },
  });
  const files = join(ui, 'dist');
  const page = await renderPage(collected, join(files, 'index.ejs'), basePath);
  const pages = [collected.entry?.route ?? []]
    .flat()
    .map((route) => new RegExp(`^${route.replaceAll(/:\w+/g, '[^/]+')}$`));

  const find = ({ method, path }: BoardRequest): Route | undefined =>
    collected.routes.find(
      (route) => route.method === method && route.pattern.test(path) && (method === 'GET' || CHANGES.has(route.route)),
    );
  const paramsOf = (route: Route, path: string): Record<string, string> => {
    const groups = route.pattern.exec(path)?.groups ?? {};
    return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decoded(value)]));
  };

  return {
    changeOf: (request) => {
      const route = request.method === 'GET' ? undefined : find(request);
      if (route === undefined) return undefined;
      const { queueName = '', jobId } = paramsOf(route, request.path);
      if (!queueNames.includes(queueName)) return undefined;
      const action = route.route.split('/').findLast((part) => /^[a-z]+$/.test(part)) as string;
      return { action, queue: queueName, jobId };
    },
    answer: async (request) => {
      const { method, path } = request;
      const route = find(request);
      if (route !== undefined) {
        const { queues, uiConfig } = collected;
        const params = paramsOf(route, path);
        const query = request.query as Record<string, unknown>;
        const body = (request.body ?? {}) as Record<string, unknown>;
        const result = await reach(async () => route.handle({ queues, uiConfig, params, query, body, headers: {} }));
        return {
          status: result.status ?? 200,
          contentType: TYPES['.json'] as string,
          body: JSON.stringify(result.body ?? ''),
        };
      }
      if (method !== 'GET') return undefined;
      if (pages.some((pattern) => pattern.test(path))) return page;
      return staticFile(files, path);
    },
  };
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** File names of the package; the pattern prevents path traversal and percent-encoding. */
async function staticFile(files: string, path: string): Promise<BoardAnswer | undefined> {
  const contentType = TYPES[extname(path)];
  if (contentType === undefined || !/^\/static(\/[\w-]+)*\/[\w-]+(\.[\w-]+)+$/.test(path)) return undefined;
  const body = await readFile(join(files, path)).catch(() => undefined);
  return body && { status: 200, contentType, body };
}

/** Bull Board's page with its values filled in, without its web fonts, which would be requested from a third party. */
async function renderPage({ entry, uiConfig }: Collected, file: string, basePath: string): Promise<BoardAnswer> {
  const template = await readFile(file, 'utf8');
  const values = (entry as AppViewRoute).handler({ basePath, uiConfig }).params as Record<string, string>;
  const html = template
    .replaceAll(/<link href="https:[^>]*>\s*/g, '')
    .replaceAll(/<%= (\w+) %>/g, (_all, name: string) => escapeHtml(values[name] ?? ''))
    .replaceAll(/<%- (\w+) %>/g, (_all, name: string) => values[name] ?? '');
  return { status: 200, contentType: 'text/html; charset=utf-8', body: html };
}
