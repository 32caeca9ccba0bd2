import { type Answer, requestBytes } from './http-connection.ts';

export type ClientCredentials = { readonly client_id: string; readonly client_secret: string };

/** Lists of tokens or e-mail addresses that live in the generator's process, by name. */
export type Stocks = Map<string, string[]>;

/** What one stream of requests asks. Stocks are named; `collect` names the one that answers go into. */
export type WorkloadSpec =
  /** Validates the tokens of a stock: over and over, or each exactly once. */
  | { readonly kind: 'validate'; readonly stock: string; readonly once?: boolean }
  /** Introspects the tokens of a stock, over and over. */
  | { readonly kind: 'introspect'; readonly stock: string; readonly client: ClientCredentials }
  | {
      readonly kind: 'client_credentials';
      readonly client: ClientCredentials;
      readonly collect?: string;
      /** Of the token endpoint of another server. */
      readonly path?: string;
    }
  /** Pairs for a user by a client with `tokens:issue`; collects one token of each pair. */
  | {
      readonly kind: 'issue';
      readonly client: ClientCredentials;
      readonly userId: string;
      readonly collect?: string;
      readonly member?: 'access_token' | 'refresh_token';
    }
  /** Every refresh token of the stock is the head of a chain of its own; never replayed. */
  | {
      readonly kind: 'refresh';
      readonly stock: string;
      /** Of a server that has only the standard's endpoint. */
      readonly client?: ClientCredentials;
    }
  /** One GET with these headers, which is answered 200. */
  | { readonly kind: 'get'; readonly path: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'login'; readonly emails: string; readonly password: string }
  | { readonly kind: 'sign_up'; readonly prefix: string; readonly password: string; readonly collect: string };

export type Workload = {
  /** The next request of a slot, or undefined when there is none. A slot has one request at a time. */
  next(slot: number): Buffer | undefined;
  /** `ok`, or what went wrong by status and code. The body is valid only during the call. */
  judge(slot: number, answer: Answer): string;
};

const json = { 'content-type': 'application/json' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

export const basic = ({ client_id, client_secret }: ClientCredentials): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`).toString('base64')}`,
});

const postJson = (url: URL, path: string, body: object, headers: Record<string, string> = {}): Buffer =>
  requestBytes('POST', url, path, { ...json, ...headers }, JSON.stringify(body));
const postForm = (url: URL, path: string, client: ClientCredentials, body: string): Buffer =>
  requestBytes('POST', url, path, { ...form, ...basic(client) }, body);

const isActive = Buffer.from('{"active":true');
const quote = 0x22;

/** The text of a string member, found without parsing; tokens hold nothing that JSON escapes. */
export function textMember(body: Buffer, name: string): string | undefined {
  const label = `"${name}":"`;
  const start = body.indexOf(label);
  if (start < 0) return undefined;
  const from = start + label.length;
  return body.toString('latin1', from, body.indexOf(quote, from));
}

function failureOf({ status, body, retryAfterSeconds }: Answer): string {
  const code = textMember(body, 'code') ?? textMember(body, 'reason') ?? textMember(body, 'error') ?? '';
  const missing = (status === 429 || status === 503) && retryAfterSeconds === undefined ? ' without Retry-After' : '';
  return `${status} ${code}${missing}`.trim();
}

function stockOf(stocks: Stocks, name: string): string[] {
  const stock = stocks.get(name);
  if (!stock || stock.length === 0) throw new Error(`stock ${name} is empty`);
  return stock;
}

function collector(stocks: Stocks, name: string | undefined): (text: string) => void {
  if (name === undefined) return () => {};
  const stock = stocks.get(name) ?? [];
  stocks.set(name, stock);
  return (text) => stock.push(text);
}

const constant = (request: Buffer, status: number, member: string, collect: (text: string) => void): Workload => ({
  next: () => request,
  judge: (_slot, answer) => {
    const text = answer.status === status ? textMember(answer.body, member) : undefined;
    if (text === undefined) return failureOf(answer);
    collect(text);
    return 'ok';
  },
});

/** Questions about tokens that must be active. */
function active(requests: readonly Buffer[], once: boolean): Workload {
  let at = 0;
  return {
    next: () => {
      if (at === requests.length) {
        if (once) return undefined;
        at = 0;
      }
      at += 1;
      return requests[at - 1];
    },
    judge: (_slot, answer) =>
      answer.status === 200 && answer.body.subarray(0, isActive.length).equals(isActive) ? 'ok' : failureOf(answer),
  };
}

function refresh(url: URL, heads: string[], client: ClientCredentials | undefined): Workload {
  const request = (token: string): Buffer =>
    client === undefined
      ? postJson(url, '/v1/tokens/refresh', { refresh_token: token })
      : postForm(url, '/oauth2/token', client, `grant_type=refresh_token&refresh_token=${token}`);
  const ended = new Set<number>();
  return {
    next: (slot) => (heads[slot] === undefined || ended.has(slot) ? undefined : request(heads[slot])),
    judge: (slot, answer) => {
      const successor = answer.status === 200 ? textMember(answer.body, 'refresh_token') : undefined;
      if (successor === heads[slot]) return 'same token again';
      if (successor === undefined) {
        // A busy store is tried again with the same token; a refused chain has ended.
        if (answer.status < 500 && answer.status !== 429) ended.add(slot);
        return failureOf(answer);
      }
      heads[slot] = successor;
      return 'ok';
    },
  };
}

function login(url: URL, emails: readonly string[], password: string): Workload {
  const requests = emails.map((email) => postJson(url, '/api/auth/signin', { email, password }));
  let at = 0;
  return {
    next: () => requests[at++ % requests.length],
    judge: (_slot, answer) =>
      answer.status === 200 && textMember(answer.body, 'access_token') !== undefined ? 'ok' : failureOf(answer),
  };
}

function signUp(url: URL, prefix: string, password: string, collect: (email: string) => void): Workload {
  let count = 0;
  const emails = new Map<number, string>();
  return {
    next: (slot) => {
      count += 1;
      const email = `${prefix}-${count}@example.test`;
      emails.set(slot, email);
      return postJson(url, '/api/auth/signup', { email, password, name: 'Load' });
    },
    judge: (slot, answer) => {
      if (answer.status !== 201) return failureOf(answer);
      collect(emails.get(slot)!);
      return 'ok';
    },
  };
}

export function createWorkload(spec: WorkloadSpec, url: URL, stocks: Stocks): Workload {
  switch (spec.kind) {
    case 'validate':
      return active(
        stockOf(stocks, spec.stock).map((token) => postJson(url, '/v1/tokens/validate', { token })),
        spec.once ?? false,
      );
    case 'introspect':
      return active(
        stockOf(stocks, spec.stock).map((token) => postForm(url, '/oauth2/introspect', spec.client, `token=${token}`)),
        false,
      );
    case 'client_credentials': {
      const request = postForm(url, spec.path ?? '/oauth2/token', spec.client, 'grant_type=client_credentials');
      return constant(request, 200, 'access_token', collector(stocks, spec.collect));
    }
    case 'issue': {
      const request = postJson(url, '/v1/tokens', { user_id: spec.userId }, basic(spec.client));
      return constant(request, 201, spec.member ?? 'refresh_token', collector(stocks, spec.collect));
    }
    case 'refresh':
      return refresh(url, stockOf(stocks, spec.stock), spec.client);
    case 'get': {
      const request = requestBytes('GET', url, spec.path, spec.headers);
      return { next: () => request, judge: (_slot, answer) => (answer.status === 200 ? 'ok' : failureOf(answer)) };
    }
    case 'login':
      return login(url, stockOf(stocks, spec.emails), spec.password);
    case 'sign_up':
      return signUp(url, spec.prefix, spec.password, collector(stocks, spec.collect));
  }
}
