// What the benches of the MCP server share: a start with one, and a client that may call its tools.
import { clientToken, registerClient, signIn } from '../lib/api-client.ts';
import type { BenchContext } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import type { StreamResult } from '../lib/load-loop.ts';
import type { Product } from '../lib/product.ts';
import { warmUp } from './setup.ts';

export const CALLS_PER_SECOND = 200;
const CONNECTIONS = 64;
const WARM_UP_CONNECTIONS = 4;
const WARM_UP_SECONDS = 2;
const LEAST_SECONDS = 10;

export type ToolCall = { readonly name: string; readonly arguments: object };
export type McpProduct = {
  readonly product: Product;
  readonly url: URL;
  readonly pid: number;
  readonly clientId: string;
  readonly bearer: string;
};

/** @param permissions of the client whose token the calls carry */
export async function startMcp(context: BenchContext, permissions: readonly string[]): Promise<McpProduct> {
  const product = await context.start({ MCP_COPIES: '1', MCP_PORT: '0' });
  const { api, credentials, mcp } = product;
  if (mcp === undefined) throw new Error('the start names no MCP server');
  const admin = (await signIn(api, credentials.admin)).tokens.access_token;
  const client = await registerClient(api, admin, {
    name: 'Bench',
    grant_types: ['client_credentials'],
    credential_scopes: permissions,
    audiences: [mcp.url],
  });
  const { url, pid } = mcp;
  return { product, url: new URL(url), pid, clientId: client.client_id, bearer: await clientToken(api, client, url) };
}

/** Lets the server compile what these calls run. */
export const warmUpCalls = (context: BenchContext, { url, pid, bearer }: McpProduct, stock: string): Promise<void> =>
  warmUp(context, { api: url.href, pid }, { kind: 'mcp_call', bearer, stock }, WARM_UP_CONNECTIONS);

/** One open-loop run of these calls, one after the other, over and over. Each answer must be a result. */
export async function measureCalls(
  context: BenchContext,
  { url, pid, bearer }: McpProduct,
  stock: string,
): Promise<StreamResult> {
  const result = await context.generator().run({
    warmUpSeconds: WARM_UP_SECONDS,
    seconds: Math.max(LEAST_SECONDS, context.seconds),
    pid,
    streams: [
      {
        name: stock,
        api: url.href,
        workload: { kind: 'mcp_call', bearer, stock },
        arrival: { kind: 'open', connections: CONNECTIONS, perSecond: CALLS_PER_SECOND },
      },
    ],
  });
  return streamOf(requireClean(result));
}

/** Stores calls where the load generator finds them. */
export const putCalls = (context: BenchContext, stock: string, calls: readonly ToolCall[]): Promise<void> =>
  context.generator().put(
    stock,
    calls.map((call) => JSON.stringify(call)),
  );
