/**
 * An agent that pays. It calls the tool of a payments service, requests the sign-off that the service wants, waits until
 * people have approved, and pays once. In your project: `npm install @modelcontextprotocol/client @sallyport/client`.
 */
import { resolve } from 'node:path';
import {
  Client,
  ClientCredentialsProvider,
  DpopSession,
  discoverAuthorizationServerMetadata,
  type FetchLike,
  fetchToken,
  StreamableHTTPClientTransport,
  withDpop,
} from '@modelcontextprotocol/client';
import {
  type ApiClient,
  createClient,
  type Result,
  type SignOff,
  type SignOffReceipt,
} from '../../sdks/client/src/index.ts';

const ACT = 'payments.send';
const RETRIES = 20;
const POLL_MS = 1_000;
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** `amount` in minor units of the currency. */
type Payment = { readonly amount: number; readonly currency: string; readonly to: string };

/** What the tool answers: a payment, or why there is none, and then which sign-off it wants. */
type Answer = {
  readonly payment_id?: string;
  readonly error?: string;
  readonly act?: string;
  readonly arguments_sha256?: string;
  readonly required_roles?: SignOff['required_roles'];
  readonly request_at?: string;
};

type AgentOptions = {
  /** The authorization server that issued the credentials of the agent. */
  readonly sallyport: string;
  /** URL of the MCP endpoint. */
  readonly payments: string;
  readonly clientId: string;
  readonly clientSecret: string;
};

export type Agent = {
  /** The API of Sallyport, with tokens of the agent. */
  readonly api: ApiClient;
  /** Calls the tool. */
  pay(payment: Payment, signOffId?: string): Promise<Answer>;
  /** Requests the sign-off that the service wants for exactly this payment. */
  request(payment: Payment, hint: Answer): Promise<SignOff>;
  /** Waits for the decision, at most so long. Rejects if it is another than an approval. */
  approved(signOffId: string, onWaiting: (roles: string) => void, withinMs?: number): Promise<void>;
  start(signOffId: string, payment: Payment): Promise<void>;
  /** Reports the end, and returns the receipt. */
  finish(signOffId: string, outcome: 'done' | 'failed'): Promise<SignOffReceipt>;
  close(): Promise<void>;
};

/** Sends a request again that a server could not answer yet. Each attempt has a proof of its own: RFC 9449 §11.1. */
const patient =
  (session: DpopSession): FetchLike =>
  async (url, init = {}) => {
    const headers = new Headers(init.headers);
    for (let left = RETRIES; ; left -= 1) {
      const answer = await fetch(url, { ...init, headers });
      const seconds = answer.headers.get('retry-after');
      if (answer.status !== 503 || seconds === null || left === 0) return answer;
      await answer.body?.cancel();
      await sleep(1_000 * Number(seconds));
      if (!headers.has('dpop')) continue;
      const accessToken = /^DPoP (.+)$/.exec(headers.get('authorization') ?? '')?.[1];
      headers.set('dpop', await session.buildProof({ htm: init.method ?? 'GET', htu: url, accessToken }));
    }
  };

function dataOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`Sallyport refused: ${result.code}`);
  return result.data;
}

/** Connects an agent that is registered with DPoP, as `sallyport agents register` does by default. */
export async function openAgent({ sallyport, payments, clientId, clientSecret }: AgentOptions): Promise<Agent> {
  const session = await DpopSession.create();
  const fetchFn = patient(session);
  // The service names an authorization server, and could name its own: the secret goes to none but this issuer.
  const credentials = new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer: sallyport });
  const authProvider = Object.assign(credentials, { dpop: () => session });
  const mcp = new Client({ name: 'paying-agent', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await mcp.connect(new StreamableHTTPClientTransport(new URL(payments), { authProvider, fetch: fetchFn }));

  /** Of the API, which is another audience than the service. */
  const token = { value: '', until: 0 };
  const tokenOfApi = async (): Promise<string> => {
    if (Date.now() > token.until) {
      const metadata = await discoverAuthorizationServerMetadata(sallyport, { fetchFn });
      const issued = await fetchToken(authProvider, sallyport, { metadata, scope: 'signoffs:request', fetchFn });
      token.value = issued.access_token;
      token.until = Date.now() + 800 * (issued.expires_in ?? 0);
    }
    return token.value;
  };
  const api = createClient({
    url: sallyport,
    retries: RETRIES,
    fetch: withDpop(session, tokenOfApi)(fetch) as typeof fetch,
  });
  const of = (signOffId: string) => ({ path: { signoff_id: signOffId } });
  const read = async (signOffId: string) => dataOf(await api('GET /v1/handoff/signoffs/{signoff_id}', of(signOffId)));
  /** Accepts a refusal where an earlier attempt had succeeded and its answer was lost. */
  const assertDone = async (result: Result<SignOff>, signOffId: string, state: SignOff['state']): Promise<void> => {
    const mayBeDone = !result.ok && ['signoff_not_runnable', 'signoff_not_running'].includes(result.code);
    if (!mayBeDone || (await read(signOffId)).state !== state) dataOf(result);
  };

  return {
    api,
    pay: async (payment, signOffId) => {
      const call = { ...payment, ...(signOffId === undefined ? {} : { signoff_id: signOffId }) };
      const { structuredContent, content } = await mcp.callTool({ name: 'send_payment', arguments: call });
      if (structuredContent === undefined) throw new Error(`send_payment: ${JSON.stringify(content)}`);
      return structuredContent as Answer;
    },
    request: async (payment, { act, arguments_sha256: sha256, required_roles, request_at: requestAt }) => {
      // What the service says is compared, never followed: it chooses neither the act nor the address.
      if (act !== ACT || requestAt !== `${sallyport}/v1/handoff/signoffs`)
        throw new Error(`the service wants a sign-off of ${act} at ${requestAt}`);
      const title = `Pay ${payment.amount} (minor units) ${payment.currency} to ${payment.to}`;
      const body = { act, title, arguments: payment, ...(required_roles && { required_roles }) };
      const asked = dataOf(await api('POST /v1/handoff/signoffs', { body }));
      if (asked.arguments_sha256 !== sha256) throw new Error('the service understood another payment');
      return asked;
    },
    approved: async (signOffId, onWaiting, withinMs = 3_600_000) => {
      const until = Date.now() + withinMs;
      for (let shown = ''; ; await sleep(POLL_MS)) {
        const { state, waiting_for: roles } = await read(signOffId);
        if (state === 'approved') return;
        if (state !== 'pending' || Date.now() > until) throw new Error(`the sign-off is ${state}`);
        const waiting = roles.join(', ');
        if (waiting !== shown) onWaiting(waiting);
        shown = waiting;
      }
    },
    start: async (signOffId, payment) => {
      const body = { act: ACT, arguments: payment };
      const name = 'POST /v1/handoff/signoffs/{signoff_id}/start';
      await assertDone(await api(name, { ...of(signOffId), body, repeatable: true }), signOffId, 'running');
    },
    finish: async (signOffId, outcome) => {
      const name = 'POST /v1/handoff/signoffs/{signoff_id}/finish';
      const finished = await api(name, { ...of(signOffId), body: { outcome }, repeatable: true });
      await assertDone(finished, signOffId, outcome);
      return dataOf(await api('GET /v1/handoff/signoffs/{signoff_id}/receipt', of(signOffId)));
    },
    close: () => mcp.close(),
  };
}

async function main(payment: Payment): Promise<void> {
  const { SALLYPORT = 'http://localhost:3000', PAYMENTS = 'http://localhost:8200/mcp' } = process.env;
  const { AGENT_ID: clientId = '', AGENT_SECRET: clientSecret = '' } = process.env;
  const say = (what: string, text = ''): void => void process.stdout.write(`${what.padEnd(10)}${text}\n`);
  const agent = await openAgent({ sallyport: SALLYPORT, payments: PAYMENTS, clientId, clientSecret });
  const hint = await agent.pay(payment);
  say('refused', `${hint.error}: ${hint.required_roles?.join(', ')}`);
  const { signoff_id: id, arguments_sha256: sha256 } = await agent.request(payment, hint);
  say('request', `${id} SHA-256 ${sha256}`);
  await agent.approved(id, (roles) => say('waiting', roles));
  await agent.start(id, payment);
  say('other', (await agent.pay({ ...payment, amount: payment.amount + 1 }, id)).error);
  const paid = await agent.pay(payment, id);
  // `signoff_used` names the payment too: it was made, and its answer was lost.
  const { seq, approvals } = await agent.finish(id, paid.payment_id === id ? 'done' : 'failed');
  if (paid.payment_id !== id) throw new Error(`not paid: ${paid.error}`);
  say('paid', id);
  say('again', (await agent.pay(payment, id)).error);
  say('receipt', `${seq}: ${approvals.map(({ role, user_id: userId }) => `${role} ${userId}`).join(', ')}`);
  await agent.close();
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const [amount, currency = '', to = ''] = process.argv.slice(2);
  await main({ amount: Number(amount), currency, to });
}
