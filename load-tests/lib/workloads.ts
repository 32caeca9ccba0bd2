import { createPrivateKey, type JsonWebKey, randomUUID, sign } from 'node:crypto';
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
  /** Verifies the API keys of a stock, over and over. */
  | { readonly kind: 'verify_key'; readonly stock: string }
  | {
      readonly kind: 'client_credentials';
      readonly client: ClientCredentials;
      readonly collect?: string;
      /** Of the token endpoint of another server. */
      readonly path?: string;
    }
  /** Client credentials of a client that signs an assertion for each request (RFC 7523), with a P-256 key. */
  | { readonly kind: 'client_assertion'; readonly clientId: string; readonly issuer: string; readonly key: JsonWebKey }
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
  /** Calls tools of the MCP server: a stock of `{name, arguments}` in JSON, over and over. */
  | { readonly kind: 'mcp_call'; readonly bearer: string; readonly stock: string }
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

function constant(request: Buffer, status: number, member: string, collect: (text: string) => void): Workload {
  return {
    next: () => request,
    judge: (_slot, answer) => {
      const text = answer.status === status ? textMember(answer.body, member) : undefined;
      if (text === undefined) return failureOf(answer);
      collect(text);
      return 'ok';
    },
  };
}

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
      ? requestBytes('POST', url, '/v1/tokens/refresh', json, JSON.stringify({ refresh_token: token }))
      : requestBytes(
          'POST',
          url,
          '/oauth2/token',
          { ...form, ...basic(client) },
          `grant_type=refresh_token&refresh_token=${token}`,
        );
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

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const ASSERTION_SECONDS = 60;

function clientAssertion(url: URL, clientId: string, issuer: string, jwk: JsonWebKey): Workload {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const header = encoded({ alg: 'ES256', kid: jwk.kid });
  const fields =
    'grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer';
  return {
    next: () => {
      const iat = Math.floor(Date.now() / 1_000);
      const claims = {
        iss: clientId,
        sub: clientId,
        aud: issuer,
        iat,
        exp: iat + ASSERTION_SECONDS,
        jti: randomUUID(),
      };
      const input = `${header}.${encoded(claims)}`;
      const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
      return requestBytes('POST', url, '/oauth2/token', form, `${fields}&client_assertion=${input}.${signature}`);
    },
    judge: (_slot, answer) =>
      answer.status === 200 && textMember(answer.body, 'access_token') !== undefined ? 'ok' : failureOf(answer),
  };
}

const MCP_REVISION = '2026-07-28';
const mcpMeta = {
  'io.modelcontextprotocol/protocolVersion': MCP_REVISION,
  'io.modelcontextprotocol/clientInfo': { name: 'load', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

function mcpCall(url: URL, bearer: string, calls: readonly string[]): Workload {
  const requests = calls.map((call) => {
    const params = { ...(JSON.parse(call) as { readonly name: string }), _meta: mcpMeta };
    const headers = {
      ...json,
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${bearer}`,
      'mcp-protocol-version': MCP_REVISION,
      'mcp-method': 'tools/call',
      'mcp-name': params.name,
    };
    const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    return requestBytes('POST', url, url.pathname, headers, message);
  });
  let at = 0;
  return {
    next: () => requests[at++ % requests.length],
    judge: (_slot, answer) => {
      const { status, body } = answer;
      const isResult = body.includes('"structuredContent":') && !body.includes('"isError":true');
      return status === 200 && isResult ? 'ok' : failureOf(answer);
    },
  };
}

function login(url: URL, emails: readonly string[], password: string): Workload {
  const requests = emails.map((email) =>
    requestBytes('POST', url, '/api/auth/signin', json, JSON.stringify({ email, password })),
  );
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
      return requestBytes('POST', url, '/api/auth/signup', json, JSON.stringify({ email, password, name: 'Load' }));
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
        stockOf(stocks, spec.stock).map((token) =>
          requestBytes('POST', url, '/v1/tokens/validate', json, JSON.stringify({ token })),
        ),
        spec.once ?? false,
      );
    case 'introspect': {
      const headers = { ...form, ...basic(spec.client) };
      return active(
        stockOf(stocks, spec.stock).map((token) =>
          requestBytes('POST', url, '/oauth2/introspect', headers, `token=${token}`),
        ),
        false,
      );
    }
    case 'verify_key':
      return active(
        stockOf(stocks, spec.stock).map((key) =>
          requestBytes('POST', url, '/v1/api-keys/verify', json, JSON.stringify({ key })),
        ),
        false,
      );
    case 'client_credentials':
      return constant(
        requestBytes(
          'POST',
          url,
          spec.path ?? '/oauth2/token',
          { ...form, ...basic(spec.client) },
          'grant_type=client_credentials',
        ),
        200,
        'access_token',
        collector(stocks, spec.collect),
      );
    case 'client_assertion':
      return clientAssertion(url, spec.clientId, spec.issuer, spec.key);
    case 'issue':
      return constant(
        requestBytes(
          'POST',
          url,
          '/v1/tokens',
          { ...json, ...basic(spec.client) },
          JSON.stringify({ user_id: spec.userId }),
        ),
        201,
        spec.member ?? 'refresh_token',
        collector(stocks, spec.collect),
      );
    case 'refresh':
      return refresh(url, stockOf(stocks, spec.stock), spec.client);
    case 'get': {
      const request = requestBytes('GET', url, spec.path, spec.headers);
      return { next: () => request, judge: (_slot, answer) => (answer.status === 200 ? 'ok' : failureOf(answer)) };
    }
    case 'mcp_call':
      return mcpCall(url, spec.bearer, stockOf(stocks, spec.stock));
    case 'login':
      return login(url, stockOf(stocks, spec.emails), spec.password);
    case 'sign_up':
      return signUp(url, spec.prefix, spec.password, collector(stocks, spec.collect));
  }
}
