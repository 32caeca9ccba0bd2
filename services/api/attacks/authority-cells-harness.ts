// For tests only: the cells of the matrix, and one request for each.
import { request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { Credential } from '#tools/testing/flows/every-caller.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { type Decision, expectedDecision, KINDS, type KindName, type Rights } from './authority-expected-harness.ts';
import { type Ids, type NamedRequest, requestsNaming } from './authority-victims-harness.ts';

export type Cell = {
  readonly endpoint: Endpoint;
  readonly kind: KindName;
  readonly rights: Rights;
  readonly request: NamedRequest;
  /** The same request for resources that do not exist, which `missing` is compared with. */
  readonly ofMissing: NamedRequest;
  readonly expected: Decision;
};

const kindNames = Object.keys(KINDS) as KindName[];

/** The permission that an endpoint may ask for. */
export function permissionIn({ auth }: Pick<Endpoint, 'auth'>): string | undefined {
  if (auth === 'public') return undefined;
  return auth.permission ?? (typeof auth.subject === 'object' ? auth.subject.others : undefined);
}

function rightsOf(endpoint: Endpoint): readonly Rights[] {
  const { auth } = endpoint;
  if (auth === 'public' || permissionIn(endpoint) === undefined) return ['none'];
  if (auth.permission === undefined) return ['none', 'holding'];
  // A permission alone is not every right of a role.
  return auth.rightsOf === undefined ? ['none', 'lacking', 'holding'] : ['none', 'lacking', 'holding', 'all'];
}

/** An old sign-in differs from a new one only where the endpoint asks for a recent one. */
const kindsOf = ({ auth }: Endpoint): readonly KindName[] =>
  auth !== 'public' && auth.stepUp !== undefined
    ? kindNames
    : kindNames.filter((name) => name === 'agentForOwner' || !KINDS[name].isStale);

/**
 * Every cell of an endpoint. Refused callers name another user's resources; allowed ones name none that exist, and where
 * the declaration protects another's resources, these too.
 */
export function cellsOf(endpoint: Endpoint, foreign: Ids, missing: Ids): Cell[] {
  const [theirs, nobodys] = [requestsNaming(endpoint, foreign), requestsNaming(endpoint, missing)];
  const { auth } = endpoint;
  const isByOwner = auth !== 'public' && !['any', 'none', 'permitted'].includes(auth.subject as string);
  const needsRightForMissing = auth !== 'public' && typeof auth.subject === 'object' && auth.subject.else === 'refused';
  return kindsOf(endpoint).flatMap((kind) =>
    rightsOf(endpoint).flatMap((rights) => {
      const cells = (requests: readonly NamedRequest[], expected: (request: NamedRequest) => Decision): Cell[] =>
        requests.map((each, index) => {
          const ofMissing = nobodys[index] as NamedRequest;
          return { endpoint, kind, rights, request: each, ofMissing, expected: expected(each) };
        });
      const decide = (isForeign: boolean): Decision => expectedDecision(endpoint, KINDS[kind], { rights, isForeign });
      const first = decide(false);
      if (first !== 'allowed') return cells(theirs, () => first);
      const ofForeign = cells(
        theirs.filter(({ isNaming }) => isByOwner && isNaming),
        () => decide(true),
      ).filter(({ expected }) => expected !== 'allowed');
      // Without the right, what does not exist is refused like another's, so as not to tell which exist.
      const own = cells(nobodys, ({ isNaming }) => decide(needsRightForMissing && isNaming));
      const unnamed = requestsNaming(endpoint, {}).filter(
        ({ body }) => !Object.keys(body ?? {}).some((name) => name in foreign),
      );
      const ofNothing = needsRightForMissing && rights === 'none' ? cells(unnamed, () => 'allowed') : [];
      return [...ofForeign, ...own, ...ofNothing];
    }),
  );
}

export type Answered = { readonly status: number; readonly code: string | undefined };

/** Status and error code, over a separate connection: a stream has no end to wait for. */
function answerTo(url: string, { method, bodyType }: Endpoint, { path, body }: NamedRequest, credential: Credential) {
  const isForm = bodyType === 'form';
  const text =
    body === undefined ? undefined : isForm ? new URLSearchParams(body as Ids).toString() : JSON.stringify(body);
  const headers = {
    ...credential,
    ...(text === undefined
      ? {}
      : {
          'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
          'content-length': Buffer.byteLength(text),
        }),
  };
  return new Promise<Answered>((resolve, reject) => {
    const asking = request(url + path, { method, agent: false, headers }, (answer) => {
      const status = answer.statusCode ?? 0;
      if (status < 400) {
        resolve({ status, code: undefined });
        asking.destroy();
        return;
      }
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status, code: codeIn(Buffer.concat(parts).toString('utf8')) }));
    });
    asking.on('error', reject);
    asking.end(text);
  });
}

function codeIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as Json).code;
  } catch {
    return undefined;
  }
}

/** Asks again where a busy machine answers 503: it did nothing, and says so. */
export async function ask(
  url: string,
  endpoint: Endpoint,
  sent: NamedRequest,
  credential: Credential,
  tries = 20,
): Promise<Answered> {
  const answered = await answerTo(url, endpoint, sent, credential);
  if (answered.status !== 503 || tries === 1) return answered;
  await setTimeout(500);
  return ask(url, endpoint, sent, credential, tries - 1);
}

const AT_ONCE = 6;

/** Runs the work for every item, a few at once, and returns what it returns that is not null, sorted. */
export async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<string | null>): Promise<string[]> {
  const found: string[] = [];
  const waiting = [...items].reverse();
  const run = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const said = await work(next);
      if (said !== null) found.push(said);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
  return found.sort();
}
