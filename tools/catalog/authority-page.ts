import { type Need, namesOf } from '#services/core/shared/tool.ts';
import {
  type Audience,
  asksForOwnCredential,
  type Endpoint,
  type Subject,
} from '#services/platform/define/endpoint.ts';
import { page, table } from './pages.ts';

const AUDIENCES: Readonly<Record<Audience, string>> = {
  anyone: 'anyone',
  user: 'a user',
  person: 'the user in person',
  owner: 'the owner',
  agent: 'an agent',
};

const STEP_UPS = { true: 'yes', two_factors: 'after two factors', of_others: 'for another’s' } as const;

function subjectText(subject: Subject): string {
  if (subject === 'any') return 'by the permission';
  if (subject === 'own') return 'as a missing one';
  if (subject === 'none') return '';
  if (subject === 'permitted') return 'left out';
  return `with \`${subject.others}\`, else ${subject.else === 'hidden' ? 'as a missing one' : '403'}`;
}

const permissionText = ({ permission, rightsOf }: Exclude<Endpoint['auth'], 'public'>): string =>
  [
    ...(permission === undefined ? [] : [`\`${permission}\``]),
    ...(rightsOf === undefined ? [] : [`every right of the role \`${rightsOf}\``]),
  ].join(' and ');

function rowOf({ operation, method, path, auth }: Endpoint): readonly string[] {
  const name = `\`${operation}\` ${method} \`${path}\``;
  if (auth === 'public') return [name, 'public', '', '', '', '', ''];
  const credentials = `${auth.accepts.join(', ')}${auth.optional ? ' or none' : ''}`;
  return [
    name,
    credentials,
    AUDIENCES[auth.for],
    permissionText(auth),
    auth.stepUp === undefined ? '' : STEP_UPS[`${auth.stepUp}`],
    asksForOwnCredential({ auth }) && auth.for !== 'person' ? 'yes' : '',
    subjectText(auth.subject),
  ];
}

const INTRO = `Who may do what, from the declarations of the operations. The product enforces the same declarations, and a test asks every operation as every kind of caller and compares the answers with this page (\`services/api/attacks/authority-matrix.integration.test.ts\`). The list of [endpoints](endpoints.md) says what each operation does.

A request passes these questions in this order; the first that fails decides the answer.

1. **Credential.** \`session\` is the cookie, \`bearer\` an access token or API key, \`client\` a client's or agent's own secret, key or certificate. Another or an invalid credential is answered with 401.
2. **For whom.** *Anyone*: every caller with such a credential. *A user*: also by a token that another client or an agent holds, but by no API key. *The user in person*: by the session or a token of the first-party client. *The owner*: the user in person, or a client or agent for itself. *An agent*: by its own credentials or token. All others get 403: \`api_key_not_accepted\` for an API key, else \`permission_missing\`.
3. **Permission.** Without it the answer is 403 \`permission_missing\`. Where every right of a role is asked as well, a caller who lacks one gets 403 \`rights_exceeded\`.
4. **Step-up.** A user must have signed in recently, and with a second factor if the account has one, however the session came; otherwise the answer is 403 \`step_up_required\`. A test asks every such operation by every kind of session (\`services/api/attacks/ways-in.integration.test.ts\`). A user's API key gets \`api_key_not_accepted\`. An agent is refused with \`agent_not_accepted\` where a permission is required as well. A client that acts for itself has no sign-in and is not asked. *After two factors*: how recent is asked only of a session of two factors, because the request itself verifies the password again. *For another's*: only if the resource belongs to another.
5. **Own credential.** What the operation makes or changes outlives the request, so a client or agent must authenticate itself with it: by its secret, an assertion, its certificate, or a token whose key the request proves (DPoP, certificate). An access token alone or an API key gets 403 \`own_credential_required\`. Streams of shared signals ask it only for a push to an address that the client has not registered.
6. **API keys.** A key acts by its permissions. It reads, or uses an operation that requires a permission, and gets \`api_key_not_accepted\` elsewhere.
7. **Another's resource.** *As a missing one*: the answer is that for a resource that does not exist. *By the permission*: the permission is for everybody's resources. *Left out*: the answer has of each kind what the caller may read by the permission of that kind, and nothing of the rest; a caller without any permission is refused.

## What an agent may do

- By its own secret, key, certificate or token it acts for itself, with the permissions that it was given and that its owner still has. It cannot do what is for a user or for the user in person.
- By a token of its owner it acts for the owner, with no more than the token allows. The owner is not there in person: what is for the user in person, or needs a recent sign-in, is refused.
- Where a permission and a step-up are required, it is refused: what it creates or grants there would outlive its kill. A person does it, after a sign-off if the agent prepares the act.
- It gets a token for its owner only and for no other user.`;

type McpTool = { readonly name: string; readonly need: Need };

/** One table for each tag: who may use each operation; and the permissions of the tools. */
export function authorityPage(endpoints: readonly Endpoint[], tools: readonly McpTool[]): string {
  const tags = [...new Set(endpoints.map(({ tag }) => tag))].sort();
  const columns = ['operation', 'credentials', 'for', 'permission', 'step-up', 'own credential', 'another’s resource'];
  const tables = tags.map((tag) => {
    const rows = endpoints.filter((endpoint) => endpoint.tag === tag).map(rowOf);
    return `## ${tag}\n\n${table(columns, rows)}`;
  });
  const ofTools = tools.map(({ name, need }) => [
    `\`${name}\``,
    namesOf(need)
      .map((needed) => `\`${needed}\``)
      .join(' or '),
  ]);
  const about =
    'A tool is for every caller with an access token for the MCP server: a user by a token of another client, a client, or an agent. API keys, sessions and tokens for the API get 401. A scope that begins with `own.` is granted by a user, for the account of that user; an exchanged token does not have it.';
  const mcp = `## Tools of the MCP server\n\n${about}\n\n${table(['tool', 'permission or scope'], ofTools)}`;
  return page('Authority', INTRO, [...tables, mcp].join('\n\n'));
}
