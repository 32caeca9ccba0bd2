import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { codeOf, sendProblem } from './problems.ts';
import { authOf, protect, type Verifier } from './sallyport.ts';
import type { NewTask, TaskChanges, TaskStore } from './tasks.store.ts';

const BODY_LIMIT_BYTES = 16_384;
/** Node's own 16 KB would answer a longer token with 431, before the verifier can answer 401. */
const HEADER_LIMIT_BYTES = 65_536;
const TASK_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Without NUL, which PostgreSQL cannot store, and without halves of surrogate pairs. */
const text = (minLength: number, maxLength: number) =>
  ({ type: 'string', minLength, maxLength, pattern: '^[^\\u0000\\uD800-\\uDFFF]*$' }) as const;

const members = {
  title: text(1, 200),
  description: { ...text(0, 2_000), nullable: true },
  completed: { type: 'boolean' },
} as const;

const newTask = {
  type: 'object',
  additionalProperties: false,
  required: ['title'],
  properties: { title: members.title, description: members.description },
} as const;

const taskChanges = { type: 'object', additionalProperties: false, minProperties: 1, properties: members } as const;

type OfUser = { Params: { user_id: string } };
type OfTask = { Params: { user_id: string; task_id: string } };

export type AppOptions = {
  readonly verifier: Verifier;
  readonly tasks: TaskStore;
  readonly corsOrigins?: readonly string[];
  /** Public URL of this service, for DPoP proofs. Default: scheme and Host of each request, which the sender chooses. */
  readonly publicUrl?: string | undefined;
};

/** The tasks API: each user reads and writes only their own tasks. */
export function createApp({ verifier, tasks, corsOrigins = [], publicUrl }: AppOptions): FastifyInstance {
  const app = fastify({
    http: { maxHeaderSize: HEADER_LIMIT_BYTES },
    bodyLimit: BODY_LIMIT_BYTES,
    exposeHeadRoutes: false,
    requestTimeout: 10_000,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  app.removeContentTypeParser('text/plain');
  app.addHook('onRequest', async (request, reply) => allowOrigin(corsOrigins, request, reply));
  app.setErrorHandler((err: FastifyError, _request, reply) => {
    const code = codeOf(err);
    if (code === 'internal_error') process.stderr.write(`${err.stack}\n`);
    return sendProblem(reply, code);
  });
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?');
    const known = /^\/api\/[^/]+\/tasks(\/[^/]+)?$/.exec(path);
    if (!known) return sendProblem(reply, 'route_unknown');
    return sendProblem(reply.header('allow', known[1] ? 'PUT, DELETE' : 'GET, POST'), 'method_not_allowed');
  });
  app.get('/healthz', async () => ({ status: 'ok' }));

  app.register(async (routes) => {
    // 401 for the token, then 403 for the path, and only then the work: not even the body is read before.
    routes.addHook('onRequest', protect(verifier, publicUrl === undefined ? {} : { origin: publicUrl }));
    routes.addHook<OfUser>('onRequest', async (request, reply) => {
      if (request.params.user_id !== authOf(request).claims.sub) return sendProblem(reply, 'user_mismatch');
      return undefined;
    });

    routes.get<OfUser>('/api/:user_id/tasks', ({ params }) => tasks.list(params.user_id));

    routes.post<OfUser & { Body: NewTask }>(
      '/api/:user_id/tasks',
      { schema: { body: newTask } },
      async ({ params, body }, reply) => {
        const task = await tasks.create(params.user_id, body);
        return task ? reply.code(201).send(task) : sendProblem(reply, 'task_limit_reached');
      },
    );

    // Another user's task does not exist under this path, and neither does an id that is none.
    routes.put<OfTask & { Body: TaskChanges }>(
      '/api/:user_id/tasks/:task_id',
      { schema: { body: taskChanges } },
      async ({ params: { user_id, task_id }, body }, reply) => {
        const task = TASK_ID.test(task_id) ? await tasks.update(user_id, task_id, body) : undefined;
        return task ?? sendProblem(reply, 'task_unknown');
      },
    );

    routes.delete<OfTask>('/api/:user_id/tasks/:task_id', async ({ params: { user_id, task_id } }, reply) => {
      const isRemoved = TASK_ID.test(task_id) && (await tasks.remove(user_id, task_id));
      return isRemoved ? reply.code(204).send() : sendProblem(reply, 'task_unknown');
    });
  });
  return app;
}

/** CORS for the listed origins. Tokens come in a header that pages set themselves, so no cookies are allowed. */
function allowOrigin(origins: readonly string[], request: FastifyRequest, reply: FastifyReply): unknown {
  reply.header('cache-control', 'no-store');
  const { origin, 'access-control-request-method': asked } = request.headers;
  if (origin === undefined || !origins.includes(origin)) return undefined;
  reply.headers({ 'access-control-allow-origin': origin, vary: 'Origin' });
  if (request.method !== 'OPTIONS' || asked === undefined) return undefined;
  return reply
    .code(204)
    .headers({
      'access-control-allow-methods': 'GET, POST, PUT, DELETE',
      'access-control-allow-headers': 'authorization, content-type, dpop',
      'access-control-max-age': '600',
    })
    .send();
}
