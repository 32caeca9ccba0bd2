import { existsSync, readFileSync } from 'node:fs';

/** What a start that succeeded tells its reader. */
export interface ReadyState {
  api: string;
  metrics: string;
  credentialsFile: string;
  pids: Readonly<Record<string, number>>;
  /** Worker processes that are ready. */
  workers: number;
}

/** The one line on stdout without a terminal. Credentials are there under the development profile alone. */
export function readyLine(state: ReadyState): string {
  return JSON.stringify({
    event: 'ready',
    api: state.api,
    metrics: state.metrics,
    ...(existsSync(state.credentialsFile) ? { credentials_file: state.credentialsFile } : {}),
    pids: state.pids,
  });
}

interface PublicKey {
  kid?: string;
  alg?: string;
}

/** The key ring as verifiers see it, in one line; says so when it cannot be read. */
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

interface Login {
  email: string;
  password: string;
}

function demoLogin(credentialsFile: string): Login | undefined {
  try {
    return (JSON.parse(readFileSync(credentialsFile, 'utf8')) as { user?: Login }).user;
  } catch {
    return undefined;
  }
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Five lines for a shell: sign in, validate, revoke, and see the same token refused. */
export function tour(api: string, login: Login): string[] {
  const json = `-H 'content-type: application/json'`;
  const bearer = `-H "authorization: Bearer $TOKEN"`;
  return [
    `API=${api}`,
    `TOKEN=$(curl -s $API/api/auth/signin ${json} -d ${shellQuoted(JSON.stringify({ email: login.email, password: login.password }))} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `curl -s -X POST $API/v1/tokens/validate ${bearer}; echo`,
    `curl -s $API/v1/tokens/revoke ${bearer} ${json} -d "{\\"token\\":\\"$TOKEN\\",\\"reason\\":\\"tour\\"}"; echo`,
    `curl -s -X POST $API/v1/tokens/validate ${bearer}; echo`,
  ];
}

/** What a person at a terminal sees: at most thirty lines, each usable as it stands. */
export function banner(state: ReadyState, keyRing: string): string[] {
  const login = demoLogin(state.credentialsFile);
  return [
    '',
    'Sallyport is ready. Ctrl-C stops everything; the next start reuses the data.',
    '',
    `  API       ${state.api}`,
    `  docs      ${state.api}/docs`,
    `  OpenAPI   ${state.api}/openapi.json`,
    `  JWKS      ${state.api}/.well-known/jwks.json`,
    `  metrics   ${state.metrics}`,
    `  key ring  ${keyRing}`,
    `  workers   ${state.workers > 0 ? `${state.workers} alive` : 'none here: jobs wait for workers elsewhere'}`,
    ...(login ? [`  login     ${login.email}  ${login.password}  (more in ${state.credentialsFile})`] : []),
    ...(login
      ? ['', 'Paste this: a token is validated, revoked, and then refused.', '', ...tour(state.api, login)]
      : []),
    '',
  ];
}
