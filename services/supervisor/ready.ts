import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot } from '../platform/local/data-dir.ts';
import { type DemoLogin, readDemoLogin } from '../platform/local/demo-login.ts';

/** What a successful start shows the operator. */
export type ReadyState = {
  /** On this machine. */
  api: string;
  /** The address that browsers open: BETTER_AUTH_URL, else that of `api`. */
  publicUrl: string;
  /** URL of the MCP server, where one is started. */
  mcp?: string;
  metrics: string;
  /** Of the tasks API, if it was asked for. */
  tasks?: string;
  credentialsFile: string;
  pids: Readonly<Record<string, number>>;
  hasWorker: boolean;
};

/** The one line on stdout without a terminal. It has credentials only under the development profile. */
export const readyLine = (state: ReadyState): string =>
  JSON.stringify({
    event: 'ready',
    api: state.api,
    ...(state.publicUrl === state.api ? {} : { public_url: state.publicUrl }),
    ...(state.mcp === undefined ? {} : { mcp: state.mcp }),
    metrics: state.metrics,
    ...(state.tasks === undefined ? {} : { tasks: state.tasks }),
    ...(existsSync(state.credentialsFile) ? { credentials_file: state.credentialsFile } : {}),
    pids: state.pids,
  });

type PublicKey = { kid?: string; alg?: string };

/** The public key ring in one line; says so when it cannot be read. */
export async function describeKeyRing(api: string): Promise<string> {
  try {
    const answer = await fetch(`${api}/.well-known/jwks.json`, { signal: AbortSignal.timeout(2_000) });
    const { keys } = (await answer.json()) as { keys: PublicKey[] };
    const listed = keys.map((key) => `${key.kid} (${key.alg})`).join(', ');
    return `${keys.length} published: ${listed}`;
  } catch (err) {
    return `not readable (${(err as Error).message})`;
  }
}

const HEAD_WAIT_MS = 3_000;

/** The newest signed head of the audit log, in one line; waits a moment for the first of a new installation. */
export async function describeAuditHead(api: string, waitMs: number = HEAD_WAIT_MS): Promise<string> {
  const deadline = performance.now() + waitMs;
  try {
    for (;;) {
      const answer = await fetch(`${api}/v1/audit/log/checkpoint`, { signal: AbortSignal.timeout(2_000) });
      const [origin, size, root] = (await answer.text()).split('\n');
      if (answer.ok) return `${origin}  size ${size}, root ${root}`;
      if (answer.status !== 404 || performance.now() > deadline) return 'no event sealed yet';
      await sleep(100);
    }
  } catch (err) {
    return `not readable (${(err as Error).message})`;
  }
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Five lines for a shell: sign in, validate, revoke and see the same token refused, and check an audit proof offline. */
export function tour(api: string, login: DemoLogin, dataDir: string): string[] {
  const json = `-H 'content-type: application/json'`;
  const bearer = `-H "authorization: Bearer $TOKEN"`;
  const validate = `curl -s -X POST $API/v1/tokens/validate ${bearer}; echo`;
  const prove = `SALLYPORT_DATA_DIR=${shellQuoted(dataDir)} npx sallyport audit prove 0 --out "$(mktemp -d)"`;
  return [
    `API=${api}`,
    `TOKEN=$(curl -s $API/api/auth/signin ${json} -d ${shellQuoted(JSON.stringify({ email: login.email, password: login.password }))} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    validate,
    `curl -s $API/v1/tokens/revoke ${bearer} ${json} -d "{\\"token\\":\\"$TOKEN\\",\\"reason\\":\\"tour\\"}"; echo; ${validate}`,
    `(cd ${shellQuoted(repositoryRoot)} && ${prove} | sh)`,
  ];
}

/** Where mails can be read that a development start does not send. */
const mailsOf = ({ publicUrl, credentialsFile }: ReadyState): string | undefined =>
  existsSync(credentialsFile) && !process.env.SMTP_URL ? `${publicUrl}/dev/mail` : undefined;

/** Where administrators work, and the demo administrator, unless the installation leaves the console out. */
function consoleLines({ publicUrl, credentialsFile }: ReadyState): string[] {
  if (/\bconsole\b/.test(process.env.SALLYPORT_LEAVE_OUT ?? '')) return [];
  const admin = readDemoLogin(credentialsFile, 'admin');
  return [`  console   ${publicUrl}/console${admin ? `  (${admin.email}  ${admin.password})` : ''}`];
}

/** What to do next, for a person who reads the messages of a start without a terminal. It shows no password. */
export function nextSteps(state: ReadyState): string {
  const mails = mailsOf(state);
  return [
    `ready: open ${state.publicUrl}/ in a browser`,
    `reference: ${state.publicUrl}/docs`,
    ...(existsSync(state.credentialsFile) ? ['demo login: npx sallyport demo env'] : []),
    ...(mails ? [`mails: ${mails}`] : []),
    `stop: Ctrl-C, or kill -TERM ${process.pid}`,
  ].join('; ');
}

/** The banner for a terminal: at most thirty lines, each usable as it is. */
export function banner(state: ReadyState, keyRing: string, auditHead: string): string[] {
  const login = readDemoLogin(state.credentialsFile);
  const mails = mailsOf(state);
  return [
    '',
    'Sallyport is ready. Ctrl-C stops everything; the next start reuses the data.',
    '',
    `  API       ${state.publicUrl}/  (open it in a browser)`,
    ...consoleLines(state),
    `  docs      ${state.publicUrl}/docs`,
    `  OpenAPI   ${state.publicUrl}/openapi.json`,
    `  JWKS      ${state.publicUrl}/.well-known/jwks.json`,
    ...(state.mcp === undefined ? [] : [`  MCP       ${state.mcp}`]),
    `  metrics   ${state.metrics}`,
    ...(state.tasks === undefined ? [] : [`  tasks     ${state.tasks}  (npm run tour)`]),
    `  key ring  ${keyRing}`,
    `  audit     ${auditHead}`,
    `  workers   ${state.hasWorker ? '1 alive' : 'none here: jobs wait for workers elsewhere'}`,
    ...(mails ? [`  mails     ${mails}  (npx sallyport mail show)`] : []),
    ...(login ? [`  login     ${login.email}  ${login.password}  (more in ${state.credentialsFile})`] : []),
    ...(login
      ? [
          '',
          'Paste this: a token is validated, revoked and refused, and an audit proof verified.',
          '',
          ...tour(state.api, login, dirname(state.credentialsFile)),
        ]
      : []),
    '',
  ];
}
