/** https://github.com/modelcontextprotocol/ext-tasks */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

type Message = {
  readonly method?: unknown;
  readonly params?: { readonly name?: unknown; readonly _meta?: unknown } | null;
};
type Meta = { readonly progressToken?: unknown; readonly [CAPABILITIES]?: { readonly extensions?: unknown } | null };

/** What the messages of a request ask for, as far as the server of the request depends on it. */
export type Asked = {
  /** Names of the tools that are called. */
  readonly calls: ReadonlySet<unknown>;
  readonly readsResource: boolean;
  /** The client understands a task as the result of a tool. */
  readonly takesTasks: boolean;
  /** The client of a call wants notifications of its progress. */
  readonly wantsProgress: boolean;
};

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** @param body one message or a batch, of any shape */
export function askedIn(body: unknown): Asked {
  const messages = [body].flat().filter(isObject) as readonly Message[];
  const calls = messages.filter(({ method }) => method === 'tools/call');
  const metas = messages.map(({ params }) => params?._meta).filter(isObject) as readonly Meta[];
  return {
    calls: new Set(calls.map(({ params }) => params?.name)),
    readsResource: messages.some(({ method }) => method === 'resources/read'),
    takesTasks: metas.some((meta) => {
      const extensions = meta[CAPABILITIES]?.extensions;
      return isObject(extensions) && Object.hasOwn(extensions, TASKS_EXTENSION);
    }),
    wantsProgress: calls.length > 0 && metas.some(({ progressToken }) => progressToken !== undefined),
  };
}
