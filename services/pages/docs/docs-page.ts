import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { ErrorDefinition } from '#services/platform/define/error.ts';
import { DEFAULT_BRAND } from '#services/platform/html/brand.ts';
import { type Html, html, raw } from '#services/platform/html/html.ts';
import { impliedErrors } from '#services/platform/http/openapi.ts';
import { type JsonSchema, jsonSchemaOf } from '#services/platform/http/schema.ts';
import { documentOf, styleOf } from '../page.ts';
import { exampleOf } from './docs-example.ts';
import { type DocsAudience, docsAudiences } from './docs-groups.ts';

/** Exact text of the pages' only style element: their policy contains its hash. */
export const DOCS_STYLE = styleOf(
  DEFAULT_BRAND,
  `body{background:var(--card);margin:0 auto;max-width:60rem;padding:1.5rem;overflow-wrap:anywhere}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{margin:2rem 0 .25rem;font-size:1.05rem}
code,pre{font:13px/1.5 var(--mono)}pre{border:1px solid var(--line);border-radius:var(--radius);padding:.75rem;white-space:pre-wrap}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
nav ul{columns:2;padding-left:1.2rem}nav summary{font-weight:600;margin-top:.5rem}nav h3{font-size:1rem;margin:.75rem 0 .25rem}
#find{max-width:30rem;padding:.4rem .6rem}nav summary{border:0}
@media(max-width:40rem){body{padding:1rem}nav ul{columns:1}}`,
);

/**
 * Filters the list of operations while the reader types; Enter opens the first that is left. Without script the page
 * has no search field, and the browser's own search finds everything.
 */
export const DOCS_SCRIPT = `const form=document.getElementById('search'),box=document.getElementById('find'),count=document.getElementById('found');
const items=[...document.querySelectorAll('nav li')],groups=[...document.querySelectorAll('nav details,nav [data-task]')];form.hidden=false;
const closed=new Set(groups.filter(group=>group.open===false));
const look=()=>{const words=box.value.toLowerCase().split(/\\s+/).filter(Boolean);let left=0;
for(const item of items){item.hidden=!words.every(word=>item.textContent.toLowerCase().includes(word));left+=!item.hidden}
for(const group of groups){group.hidden=!group.querySelector('li:not([hidden])');if('open' in group)group.open=words.length>0||!closed.has(group)}
count.textContent=words.length?left+' found':''};
box.addEventListener('input',look);
form.addEventListener('submit',event=>{event.preventDefault();document.querySelector('nav li:not([hidden]) a')?.click()})`;

const page = (title: string, body: Html): string =>
  documentOf({ title, style: DOCS_STYLE, body: html`<main>${body}</main>` });

function typeOf(schema: JsonSchema): string {
  const options = (schema.anyOf ?? schema.oneOf) as JsonSchema[] | undefined;
  if (options) return options.map(typeOf).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return (schema.enum as unknown[]).map((value) => JSON.stringify(value)).join(' | ');
  if (schema.type === 'array') return `${typeOf((schema.items ?? {}) as JsonSchema)}[]`;
  return String(schema.type ?? 'any');
}

function shape(title: string, schema: JsonSchema | undefined): Html | null {
  const variants = (schema?.anyOf ?? schema?.oneOf) as JsonSchema[] | undefined;
  if (!schema) return null;
  if (variants) return html`${variants.map((variant, index) => shape(`${title} (${index + 1})`, variant) ?? html``)}`;
  const members = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
  if (members.length === 0) return null;
  const required = new Set((schema.required as string[] | undefined) ?? []);
  const rows = members.map(
    ([name, member]) =>
      html`<tr><td><code>${name}</code>${!required.has(name) && html` <span class="dim">optional</span>`}</td><td><code>${typeOf(member)}</code></td><td>${String(member.description ?? '')}</td></tr>`,
  );
  return html`<p class="dim">${title}</p><table>${rows}</table>`;
}

function curlOf(endpoint: Endpoint, api: string): string {
  const lines = [`curl -sS ${endpoint.method === 'GET' ? '' : `-X ${endpoint.method} `}${api}${endpoint.path}`];
  if (endpoint.auth !== 'public' && !endpoint.auth.optional)
    if (endpoint.auth.accepts.includes('client')) lines.push('-u "$CLIENT_ID:$CLIENT_SECRET"');
    else if (endpoint.auth.accepts.includes('bearer')) lines.push('-H "authorization: Bearer $ACCESS_TOKEN"');
    else lines.push('-b cookies.txt');
  if (endpoint.body && !endpoint.bodyOptional) {
    const schema = jsonSchemaOf(endpoint.body);
    const required = ((schema.required as string[] | undefined) ??
      Object.keys((schema.properties as object) ?? {}).slice(0, 1)) as string[];
    if (endpoint.bodyType === 'form') lines.push(...required.map((name) => `-d ${name}=…`));
    else lines.push(`--json '${JSON.stringify(exampleOf(schema))}'`);
  }
  return lines.join(' \\\n  ');
}

/** The usual answer, as an example. */
function answerOf({ responses }: Endpoint): Html | null {
  const [usual] = Object.entries(responses);
  if (!usual || usual[1] === null || 'contentType' in usual[1]) return null;
  const example = exampleOf(jsonSchemaOf(usual[1], 'output'));
  return html`<details><summary>Answer ${usual[0]}</summary><pre>${JSON.stringify(example, null, 2)}</pre></details>`;
}

function operation(endpoint: Endpoint, api: string): Html {
  const { auth } = endpoint;
  const who =
    auth === 'public'
      ? 'public'
      : `${auth.optional ? 'no credential, or ' : ''}${auth.accepts.join(' or ')}${auth.permission ? ` with ${auth.permission}` : ''}`;
  const errors = [...new Set([...endpoint.errors, ...impliedErrors(endpoint)])].map(
    ({ definition }, index) =>
      html`${index > 0 && ' · '}<a href="/docs/errors#${definition.code}"><code>${definition.code}</code></a> <span class="dim">${definition.status}</span>`,
  );
  return html`<h3 id="${endpoint.operation}"><code>${endpoint.method} ${endpoint.path}</code></h3><p>${endpoint.summary} <span class="dim">(${who})</span></p>
${shape('Query', endpoint.query && jsonSchemaOf(endpoint.query))}${shape('Body', endpoint.body && jsonSchemaOf(endpoint.body))}<pre>${curlOf(endpoint, api)}</pre>${answerOf(endpoint)}${errors.length > 0 && html`<p class="dim">Errors: ${errors}</p>`}`;
}

/** From nothing to a validated token. */
const startHere = (api: string): Html => html`<h2 id="start">Start here</h2>
<p>Sign up. The answer has <code>tokens.access_token</code>; keep it in <code>ACCESS_TOKEN</code>.</p>
<pre>curl -sS ${api}/api/auth/signup --json '{"email":"ada@example.com","password":"a long passphrase of mine"}'</pre>
<p>Send the token to a service. This one answers with your account:</p>
<pre>curl -sS ${api}/api/auth/user -H "authorization: Bearer $ACCESS_TOKEN"</pre>
<p>A service of yours asks whether a token is valid, or <a href="#readJwks">verifies it by itself</a>:</p>
<pre>curl -sS -X POST ${api}/v1/tokens/validate -H "authorization: Bearer $ACCESS_TOKEN"</pre>
<p>People sign up at <a href="/signup">/signup</a> and in at <a href="/login">/login</a>. Errors have a stable <code>code</code>: <a href="/docs/errors">all of them</a>. For generators of clients: <a href="/openapi.json">openapi.json</a>.</p>`;

/** One line for each thing that can be done: an operation and those that do the same under another path. */
function lineOf(same: readonly Endpoint[]): Html {
  const [first] = same as [Endpoint];
  const paths = same.map(
    ({ method, path, operation: id }, index) =>
      html`${index > 0 && ' or '}<code>${index > 0 ? html`<a href="#${id}">${path}</a>` : `${method} ${path}`}</code>`,
  );
  return html`<li><a href="#${first.operation}">${first.summary}</a> ${paths}</li>`;
}

const listed = ({ title, tasks }: DocsAudience, index: number): Html => {
  const lists = tasks.map(({ title: task, endpoints }) => {
    const byDeed = Map.groupBy(endpoints, ({ method, summary }) => `${method} ${summary}`);
    return html`<div data-task><h3>${task}</h3><ul>${[...byDeed.values()].map(lineOf)}</ul></div>`;
  });
  return html`<details${index === 0 && raw(' open')}><summary>${title}</summary>${lists}</details>`;
};

const described = ({ title, tasks }: DocsAudience, api: string): Html =>
  html`${tasks.map(
    (task) => html`<h2>${title}: ${task.title}</h2>${task.endpoints.map((endpoint) => operation(endpoint, api))}`,
  )}`;

/** The reference page: HTML made once from the contracts, without remote resources; its script only searches the list. */
export function docsPage(endpoints: readonly Endpoint[], api: string): string {
  const audiences = docsAudiences(endpoints);
  return page(
    'Sallyport API',
    html`<h1>Sallyport API</h1>${startHere(api)}<h2>All operations</h2>
<form id="search" role="search" hidden><label for="find">Search operations</label><br><input id="find" type="search" autocomplete="off"> <span id="found" role="status"></span></form>
<nav aria-label="Operations">${audiences.map(listed)}</nav>${audiences.map((audience) => described(audience, api))}<script>${raw(DOCS_SCRIPT)}</script>`,
  );
}

/** The error page, with one anchor per error code: `type` of a problem links to it. */
export function errorsDocsPage(errors: readonly ErrorDefinition[]): string {
  const entries = errors.map(
    (error) =>
      html`<h2 id="${error.code}"><code>${error.code}</code> <span class="dim">${error.status}</span></h2><p>${error.title}.</p><p><span class="dim">Cause:</span> ${error.cause}<br><span class="dim">Fix:</span> ${error.fix}</p>`,
  );
  return page(
    'Sallyport errors',
    html`<h1>Errors</h1><p>Branch on <code>code</code>: it is stable. <a href="/docs">Back to the API</a></p>${entries}`,
  );
}
