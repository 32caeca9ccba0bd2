import { type Query, QueryClient, useInfiniteQuery, useQuery } from '@tanstack/preact-query';
import {
  createClient,
  type OperationName,
  type Operations,
  type Problem,
  type Result,
  TransportError,
} from '../../../sdks/client/src/index.ts';

type Input<N extends OperationName> = Operations[N]['input'];

export type Answer<N extends OperationName> = Operations[N]['answer'];

/** An error that is said in the language of the reader already. */
export class Told extends Error {}

/** A refusal of the API, as its registry of errors describes it. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly fix: string;
  readonly traceId: string | undefined;
  /** What is wrong with the members of the request, each by its path: `body/name`. */
  readonly problems: readonly { readonly at: string; readonly why: string }[];
  constructor(status: number, problem: Partial<Problem> & { readonly code: string }) {
    super(problem.title ?? problem.code);
    this.name = 'Refusal';
    this.status = status;
    this.code = problem.code;
    this.detail = problem.detail ?? '';
    this.fix = problem.fix ?? '';
    this.traceId = problem.trace_id;
    this.problems = problem.problems ?? [];
  }
}

/** Sent with every request: pages of other origins may not send it. */
export const HEADERS = { 'x-sallyport-console': '1' };

const client = createClient({ url: `${location.origin}/console/api`, headers: HEADERS, retries: 1, maxWait: 2 });

/** Without the rule that an empty input may be left out, which a caller that passes it on cannot show. */
const send = client as unknown as <N extends OperationName>(name: N, input?: Input<N>) => Promise<Result<Answer<N>>>;

type Listener = () => void;
const onEnded = new Set<Listener>();
/** Called when the server says that the session has ended. */
export function whenSessionEnds(listener: Listener): () => void {
  onEnded.add(listener);
  return () => onEnded.delete(listener);
}

/** Calls an operation of the API as the signed-in user. What has an ETag gets it as a member. @throws Refusal, TransportError */
export async function call<N extends OperationName>(name: N, input?: Input<N>): Promise<Answer<N>> {
  const result = await send(name, input);
  // A proxy that compresses makes it weak (RFC 9110 §8.8.1), which no write could name.
  const etag = result.headers.get('etag')?.replace(/^W\//, '');
  if (result.ok) return etag === undefined ? result.data : ({ ...(result.data as object), etag } as Answer<N>);
  if (result.status === 401) for (const listener of onEnded) listener();
  throw new Refusal(result.status, result.problem as Partial<Problem> & { readonly code: string });
}

/** What a form or a page passes to an operation that it knows by its name alone. */
type AnyInput = {
  readonly path?: object;
  readonly query?: object;
  readonly body?: object;
  readonly idempotencyKey?: string;
  readonly ifMatch?: string;
};
/** Calls an operation by its name: what it takes was checked against its shape. @throws Refusal, TransportError */
export const callByName = (name: string, input: AnyInput): Promise<unknown> =>
  call(name as OperationName, input as Input<OperationName>);

export type ConsoleSession = {
  readonly user_id: string;
  readonly email: string | null;
  readonly session_id: string | null;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly auth_time: number;
  readonly has_two_factors: boolean;
  readonly step_up_seconds: number;
  readonly step_up_needs_second_factor: boolean;
  readonly left_out: readonly string[];
  readonly brand: string;
  readonly version: string;
  readonly public_url: string;
};

/** The user who is signed in; null without one. */
export async function readSession(): Promise<ConsoleSession | null> {
  const answer = await fetch('/console/session', { headers: HEADERS }).catch((cause: unknown) => {
    throw new TransportError('no answer', undefined, { cause });
  });
  if (answer.status === 401) return null;
  const body = await answer.json().catch(() => ({ code: 'unreadable' }));
  if (!answer.ok) throw new Refusal(answer.status, body);
  return body;
}

/** Asks for a file as the signed-in user. @throws Refusal, TransportError */
async function fetchFile(path: `/v1/${string}`, accept = '*/*'): Promise<Response> {
  const answer = await fetch(`/console/api${path}`, { headers: { ...HEADERS, accept } }).catch((cause: unknown) => {
    throw new TransportError('no answer', undefined, { cause });
  });
  if (answer.status === 401) for (const listener of onEnded) listener();
  if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => ({ code: 'unreadable' })));
  return answer;
}

/** The bytes of a file as text, as they were sent. @throws Refusal, TransportError */
export const readFile = async (path: `/v1/${string}`): Promise<string> => (await fetchFile(path)).text();

/**
 * Loads a file and saves it under a name.
 * @param accept the form of it, such as `application/pdf`
 * @throws Refusal, TransportError
 */
export async function download(path: `/v1/${string}`, name: string, accept?: string): Promise<void> {
  const url = URL.createObjectURL(await (await fetchFile(path, accept)).blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

export const signOut = (): Promise<Response> => fetch('/console/sign-out', { method: 'POST', headers: HEADERS });

const isFinal = (error: unknown): boolean => error instanceof Refusal && error.status < 500 && error.status !== 429;
/** Whether a read ended in an error that may pass by itself. */
export const mayPass = ({ state }: Pick<Query, 'state'>): boolean => state.status === 'error' && !isFinal(state.error);

export const queries = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 10_000, retry: (count, error) => count < 1 && !isFinal(error) },
    mutations: { retry: false },
  },
});

/** Reads with an operation; the answer is kept under its name and input. */
export const useRead = <N extends OperationName>(
  name: N,
  input: Input<N>,
  options: { readonly enabled?: boolean; readonly refetchInterval?: number } = {},
) => useQuery<Answer<N>>({ queryKey: [name, input], queryFn: () => call(name, input), ...options });

/** Reads by a function of the page's own; the answer is kept under a key. */
export const useReadBy = <T>(key: readonly unknown[], read: () => Promise<T>, every?: number) =>
  useQuery<T>({ queryKey: key, queryFn: read, ...(every === undefined ? {} : { refetchInterval: every }) });

/** One page of a list, kept on its own too, so that it can be read ahead. */
const pageOf = <T>(name: string, query: object, path: object | undefined, cursor: string) => ({
  queryKey: [name, 'page', query, path, cursor],
  queryFn: () => callByName(name, { ...(path && { path }), query: { ...query, cursor } }) as Promise<T>,
  // Whoever asks for it tries again.
  retry: false,
});

/** Reads the page of a list that begins at `cursor` before somebody asks for it. */
export const readAhead = (name: string, query: object, path: object | undefined, cursor: string): Promise<void> =>
  queries.prefetchQuery(pageOf(name, query, path, cursor));

/** Reads a list page by page, by its cursor; one without a cursor is one page. Shown again after `refetchInterval` milliseconds. */
export const usePagesByName = <T>(
  name: string,
  query: object,
  { path, ...options }: { readonly path?: object; readonly enabled?: boolean; readonly refetchInterval?: number } = {},
) =>
  useInfiniteQuery({
    queryKey: [name, 'pages', query, path],
    queryFn: ({ pageParam }) =>
      pageParam === null
        ? (callByName(name, { ...(path && { path }), query }) as Promise<T>)
        : queries.fetchQuery(pageOf<T>(name, query, path, pageParam)),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => (last as { readonly next?: string | null }).next ?? null,
    ...options,
  });
