import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { App } from '../api/app.ts';
import type { Composed } from '../api/compose.ts';
import { answerAlone } from '../api/requests/unreadable.ts';
import { MCP_PATH } from '../platform/config/mcp.ts';
import { mcpUnavailable } from '../platform/errors.ts';
import type { FaceInput, openFace } from './face.ts';

type Face = Awaited<ReturnType<typeof openFace>>;

/** Keeps the MCP server out of the API until its first request, and out of the API's routes altogether. */
type Mounted = {
  startDraining(): void;
  /** After the last answer. */
  close(): Promise<void>;
};

const isForFace = (url = ''): boolean =>
  url.startsWith(MCP_PATH) && (url.length === MCP_PATH.length || url[MCP_PATH.length] === '?');

/**
 * Serves the MCP server at `/mcp` of an API, as a part of its process. Requests there pass the MCP server's own hooks, limits
 * and traces, as in a process of its own. Its code is loaded with its first request, so an API without MCP clients does not
 * have it in memory; the other requests pay one comparison.
 */
export function mountFace(
  { fastify, inFlight }: Pick<App, 'fastify' | 'inFlight'>,
  api: Composed,
  input: FaceInput,
): Mounted {
  let opening: Promise<Face> | undefined;
  let isDraining = false;
  const open = async (): Promise<Face> => {
    const face = await (await import('./face.ts')).openFace({ ...api, inFlight }, input);
    if (isDraining) face.startDraining();
    return face;
  };
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    opening ??= open();
    opening.then(
      (face) => face.fastify.routing(request, response),
      (err: unknown) => {
        opening = undefined;
        api.ports.log.error({ err }, 'the MCP server could not be loaded');
        answerAlone(mcpUnavailable({ cause: err }), response);
      },
    );
  };
  const { server } = fastify;
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (isForFace(request.url)) serve(request, response);
    else for (const listener of listeners) listener(request, response);
  });
  return {
    startDraining: () => {
      isDraining = true;
      void opening?.then((face) => face.startDraining());
    },
    close: async () => {
      await opening?.then((face) => face.close());
    },
  };
}
