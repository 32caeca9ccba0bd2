// About: services/mcp/
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as current from '@modelcontextprotocol/client';
import { expect, onTestFinished, test } from 'vitest';
import { environmentOf, findPython, pythonIn } from '#tools/checks/python-environment.ts';
import { opened } from '#tools/testing/opened.ts';
import { repositoryRoot } from '../platform/local/data-dir.ts';
import { openClientsHarness } from './clients-harness.ts';

const harness = opened(openClientsHarness);

/** What the test uses of an SDK. Three versions of it have no type in common. */
type Connected = {
  connect(transport: object): Promise<void>;
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  callTool(call: object): Promise<{ readonly isError?: boolean }>;
  close(): Promise<void>;
};
type Made<T> = new (...input: never[]) => T;
type Sdk = { readonly Client: Made<unknown>; readonly Transport: Made<unknown> };
type Transport = { finishAuth(answer: unknown): Promise<void> };

const make = <T>(made: Made<unknown>, ...input: unknown[]): T =>
  new (made as unknown as new (...given: unknown[]) => T)(...input);

const sdks: readonly [string, () => Promise<Sdk>][] = [
  [
    '1.11',
    async () => {
      const { Client } = await import('mcp-sdk-1.11/client/index.js');
      const { StreamableHTTPClientTransport } = await import('mcp-sdk-1.11/client/streamableHttp.js');
      return { Client, Transport: StreamableHTTPClientTransport };
    },
  ],
  [
    '1.32',
    async () => {
      const { Client } = await import('mcp-sdk-1.32/client/index.js');
      const { StreamableHTTPClientTransport } = await import('mcp-sdk-1.32/client/streamableHttp.js');
      return { Client, Transport: StreamableHTTPClientTransport };
    },
  ],
  ['2', async () => ({ Client: current.Client, Transport: current.StreamableHTTPClientTransport })],
];

type Saved = { client?: unknown; tokens?: { access_token: string; scope?: string }; verifier?: string; asked?: URL };

/** What an application gives its SDK: where it keeps things, and a browser. */
const provider = (saved: Saved) => ({
  redirectUrl: 'http://127.0.0.1:8976/callback',
  clientMetadata: {
    client_name: 'SDK',
    redirect_uris: ['http://127.0.0.1:8976/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => saved.client,
  saveClientInformation: (client: unknown) => {
    saved.client = client;
  },
  tokens: () => saved.tokens,
  saveTokens: (tokens: NonNullable<Saved['tokens']>) => {
    saved.tokens = tokens;
  },
  saveCodeVerifier: (verifier: string) => {
    saved.verifier = verifier;
  },
  codeVerifier: () => saved.verifier,
  redirectToAuthorization: (asked: URL) => {
    saved.asked = asked;
  },
});

const TOOLS = ['list_my_sessions', 'list_my_events', 'list_my_signoffs', 'list_my_applications', 'list_my_api_keys'];

test.each(sdks)(
  'the TypeScript SDK %s finds the server, registers, signs a user in, calls and refreshes',
  async (_version, load) => {
    const { Client, Transport } = await load();
    const saved: Saved = {};
    const connect = async () => {
      const client = make<Connected>(Client, { name: 'sdk', version: '1' });
      const transport = make<Transport>(Transport, new URL(harness.mcpUrl), { authProvider: provider(saved) });
      return { client, transport, connected: client.connect(transport) };
    };
    const unknown = await connect();
    await expect(unknown.connected).rejects.toThrow(/nauthorized/);
    const returned = await harness.signIn(saved.asked as URL);
    // The newest SDK also wants the issuer of the answer (RFC 9207).
    await unknown.transport.finishAuth(
      Client === current.Client ? returned.searchParams : returned.searchParams.get('code'),
    );
    const granted = saved.tokens as NonNullable<Saved['tokens']>;
    const known = await connect();
    await known.connected;
    const { tools } = await known.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(TOOLS));
    // A token that is not accepted makes the SDK refresh, as an expired one does.
    saved.tokens = { ...granted, access_token: 'a.b.c' };
    const called = await known.client.callTool({ name: 'list_my_sessions', arguments: {} });
    expect(called.isError ?? false).toBe(false);
    expect(saved.tokens.access_token).not.toBe(granted.access_token);
    expect(saved.tokens.access_token).not.toBe('a.b.c');
    await known.client.close();
  },
);

test('the Python SDK finds the server, registers, signs a user in, calls and refreshes', async () => {
  const folder = join(repositoryRoot, 'tools/testing/mcp-clients');
  const python = pythonIn(environmentOf(findPython(), [join(folder, 'requirements.txt')]));
  const child = spawn(python, [join(folder, 'client.py'), harness.mcpUrl], { stdio: ['pipe', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill());
  let said = '';
  child.stderr.on('data', (part: Buffer) => {
    said += part;
  });
  const ended = once(child, 'close');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === 1) child.stdin.write(`${(await harness.signIn(new URL(line))).href}\n`);
  }
  await ended;
  expect(lines, said).toHaveLength(2);
  const { tools, ...seen } = JSON.parse(lines[1] as string);
  expect(tools).toEqual(expect.arrayContaining(TOOLS));
  expect(seen).toMatchObject({ isError: false, wasRefreshed: true, scope: expect.stringContaining('own.sessions') });
});
