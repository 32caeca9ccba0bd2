/**
 * A payments service with one MCP tool, `send_payment`. It pays what two people have signed off at Sallyport, and once
 * for each sign-off. In your project: `npm install @sallyport/verifier @sallyport/client`.
 */
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type CallToolResult, createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import fastify from 'fastify';
import { z } from 'zod';
import { createClient, type SignOff } from '../../sdks/client/src/index.ts';
import { authOf, protect } from '../../sdks/typescript/src/fastify.ts';
import { createVerifier } from '../../sdks/typescript/src/index.ts';

const ACT = 'payments.send';
/** One person approves in each. */
const ROLES = ['product_owner', 'security_reviewer'] as const;
const SCOPE = 'payments:send';

const payment = z.strictObject({
  amount: z.int().min(1).max(100_000_000).describe('in minor units: 1250 EUR is 12.50 euros'),
  currency: z.string().regex(/^[A-Z]{3}$/),
  to: z
    .string()
    .regex(/^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/)
    .describe('IBAN'),
});
const input = payment.extend({
  signoff_id: z.uuid().optional().describe(`of a sign-off of ${ACT} with these arguments, which you have started`),
});
type Payment = z.output<typeof payment>;

/** RFC 8785 for these members: names in order, an integer, and text without characters to escape. */
const sha256Of = ({ amount, currency, to }: Payment): string =>
  hash('sha256', JSON.stringify({ amount, currency, to }), 'hex');

/** Why a sign-off does not allow the caller this payment; undefined if it does. */
function refusalOf(signOff: SignOff, paid: Payment, callerId: string): string | undefined {
  if (signOff.requested_by.id !== callerId) return 'signoff_unknown';
  if (signOff.act !== ACT || signOff.arguments_sha256 !== sha256Of(paid)) return 'signoff_arguments_changed';
  const approvals = signOff.decisions.filter(({ decision }) => decision === 'approve');
  const people = ROLES.flatMap((role) => approvals.find((approval) => approval.role === role)?.user_id ?? []);
  return new Set(people).size < ROLES.length ? 'signoff_role_missing' : undefined;
}

const answer = (content: Record<string, unknown>): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(content) }],
  structuredContent: content,
  isError: 'error' in content,
});

type PaymentsOptions = {
  /** Issuer of the tokens: the URL of Sallyport. */
  readonly sallyport: string;
  /** Public URL of the MCP endpoint, which is also the audience of its tokens. */
  readonly url: string;
  /** Where it listens on this machine. */
  readonly port: number;
  /** Folder with a file for each payment. */
  readonly ledger: string;
  /** A client of the service itself with the permissions `revocations:read` and `signoffs:read`. */
  readonly clientId: string;
  readonly clientSecret: string;
};

/** Serves the tool until it is closed. Rejects if the port is taken. */
export async function openPayments(options: PaymentsOptions): Promise<{ close(): Promise<void> }> {
  const { sallyport, url, port, ledger, clientId, clientSecret } = options;
  const { origin, pathname } = new URL(url);
  const signOffs = `${sallyport}/v1/handoff/signoffs`;
  const verifier = createVerifier({ issuer: sallyport, audience: url, clientId, clientSecret });
  const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
  const api = createClient({ url: sallyport, authorization, retries: 5 });
  mkdirSync(ledger, { recursive: true });

  const hint = (asked: Payment): CallToolResult =>
    answer({
      error: 'signoff_required',
      act: ACT,
      arguments: asked,
      arguments_sha256: sha256Of(asked),
      required_roles: ROLES,
      request_at: signOffs,
    });

  async function pay(signOffId: string, asked: Payment, callerId: string): Promise<CallToolResult> {
    // With the credentials of the service: the token of the caller is for this service alone, and goes nowhere else.
    const read = await api('GET /v1/handoff/signoffs/{signoff_id}', { path: { signoff_id: signOffId } });
    if (!read.ok) return answer({ error: read.code });
    const error = refusalOf(read.data, asked, callerId);
    if (error !== undefined) return answer({ error });
    // Its one spelling: the caller can write the same id in several.
    const { signoff_id: id } = read.data;
    const entry = join(ledger, `${id}.json`);
    const used = { error: 'signoff_used', payment_id: id };
    if (existsSync(entry)) return answer(used);
    if (read.data.state !== 'running') return answer({ error: 'signoff_not_running' });
    try {
      // The sign-off is the key of the payment: `wx` fails if another call, or another process, was first. Give your bank
      // the same key, so that it pays once even if this process ends here and an operator sends the payment again.
      writeFileSync(entry, JSON.stringify({ ...asked, payment_id: id, by: callerId }), { flag: 'wx' });
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'EEXIST') return answer(used);
      throw err;
    }
    return answer({ payment_id: id, receipt_at: `${signOffs}/${id}/receipt` });
  }

  const mcp = createMcpHandler(({ authInfo }) => {
    const server = new McpServer({ name: 'payments', version: '1' });
    const about = {
      description: `Sends a payment, once, after a sign-off. Without signoff_id it answers signoff_required: request that sign-off at request_at, and start it when people have approved.`,
      inputSchema: input,
      annotations: { destructiveHint: true, idempotentHint: false },
    };
    server.registerTool('send_payment', about, ({ signoff_id: signOffId, ...asked }) =>
      signOffId === undefined ? hint(asked) : pay(signOffId, asked, String(authInfo?.clientId)),
    );
    return server;
  });

  const app = fastify({ bodyLimit: 16_384 });
  // RFC 9728: where clients learn who issues tokens for this service.
  app.get(`/.well-known/oauth-protected-resource${pathname}`, () => ({
    resource: url,
    authorization_servers: [sallyport],
    scopes_supported: [SCOPE],
  }));
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: pathname,
    onRequest: protect(verifier, { scopes: [SCOPE], origin }),
    handler: async (request, reply) => {
      const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
        /^(accept|content-type|mcp-.*)$/.test(name) && typeof value === 'string' ? [[name, value]] : [],
      );
      const { sub } = authOf(request).claims;
      const answered = await mcp.fetch(new Request(url, { method: request.method, headers }), {
        ...(request.method === 'POST' ? { parsedBody: request.body } : {}),
        authInfo: { token: '', clientId: sub, scopes: [SCOPE] },
      });
      return reply
        .code(answered.status)
        .headers(Object.fromEntries(answered.headers))
        .send(await answered.text());
    },
  });
  await app.listen({ host: '127.0.0.1', port });
  return {
    close: async () => {
      await app.close();
      verifier.close();
    },
  };
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const { SALLYPORT = 'http://localhost:3000', PAYMENTS = 'http://localhost:8200/mcp', PORT, LEDGER } = process.env;
  const { CLIENT_ID: clientId = '', CLIENT_SECRET: clientSecret = '' } = process.env;
  const port = Number(PORT || new URL(PAYMENTS).port);
  const options = { sallyport: SALLYPORT, url: PAYMENTS, port, ledger: LEDGER || 'ledger', clientId, clientSecret };
  const service = await openPayments(options);
  const stop = (): void => void service.close().then(() => process.exit());
  process.once('SIGTERM', stop).once('SIGINT', stop);
  process.stderr.write(`send_payment is at ${PAYMENTS}\n`);
}
