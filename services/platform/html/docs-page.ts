import type { Endpoint } from '../define/endpoint.ts';
import type { ErrorDefinition } from '../define/error.ts';
import { type JsonSchema, jsonSchemaOf } from '../http/schema.ts';
import { type Html, html } from './html.ts';
import { documentOf, styleOf } from './page.ts';

/** Exact text of the pages' only style element: their policy contains its hash. */
export const DOCS_STYLE =
  styleOf(`body{background:var(--card);margin:0 auto;max-width:60rem;padding:1.5rem;overflow-wrap:anywhere}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{margin:2rem 0 .25rem;font-size:1.05rem}
code,pre{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}pre{border:1px solid var(--line);border-radius:6px;padding:.75rem;white-space:pre-wrap}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
nav ul{columns:2;padding-left:1.2rem}@media(max-width:40rem){body{padding:1rem}nav ul{columns:1}}`);

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
  if (endpoint.auth !== 'public' && !endpoint.auth.optional) {
    if (endpoint.auth.accepts.includes('client')) lines.push('-u "$CLIENT_ID:$CLIENT_SECRET"');
    else if (endpoint.auth.accepts.includes('bearer')) lines.push('-H "authorization: Bearer $ACCESS_TOKEN"');
    else lines.push('-b cookies.txt');
  }
  if (endpoint.body && !endpoint.bodyOptional) {
    const schema = jsonSchemaOf(endpoint.body);
    const required = ((schema.required as string[] | undefined) ??
      Object.keys((schema.properties as object) ?? {}).slice(0, 1)) as string[];
    if (endpoint.bodyType === 'form') lines.push(...required.map((name) => `-d ${name}=…`));
    else lines.push(`--json '${JSON.stringify(Object.fromEntries(required.map((name) => [name, '…'])))}'`);
  }
  return lines.join(' \\\n  ');
}

function operation(endpoint: Endpoint, api: string): Html {
  const { auth } = endpoint;
  const who =
    auth === 'public'
      ? 'public'
      : `${auth.optional ? 'no credential, or ' : ''}${auth.accepts.join(' or ')}${auth.permission ? ` with ${auth.permission}` : ''}`;
  const errors = endpoint.errors.map(
    ({ definition }, index) =>
      html`${index > 0 && ' · '}<a href="/docs/errors#${definition.code}"><code>${definition.code}</code></a> <span class="dim">${definition.status}</span>`,
  );
  return html`<h3 id="${endpoint.operation}"><code>${endpoint.method} ${endpoint.path}</code></h3><p>${endpoint.summary} <span class="dim">(${who})</span></p>
${shape('Query', endpoint.query && jsonSchemaOf(endpoint.query))}${shape('Body', endpoint.body && jsonSchemaOf(endpoint.body))}<pre>${curlOf(endpoint, api)}</pre>${errors.length > 0 && html`<p class="dim">Errors: ${errors}</p>`}`;
}

/** The reference page: plain HTML made once from the contracts, without scripts and remote resources. */
export function docsPage(endpoints: readonly Endpoint[], api: string): string {
  const tags = Map.groupBy(
    [...endpoints].sort((a, b) => a.path.localeCompare(b.path)),
    (endpoint) => endpoint.tag,
  );
  const index = endpoints.map(
    ({ operation: id, method, path }) => html`<li><a href="#${id}"><code>${method} ${path}</code></a></li>`,
  );
  const sections = [...tags].map(
    ([tag, members]) => html`<h2>${tag}</h2>${members.map((endpoint) => operation(endpoint, api))}`,
  );
  return page(
    'Sallyport API',
    html`<h1>Sallyport API</h1><p>Contract: <a href="/openapi.json">openapi.json</a> · <a href="/docs/errors">errors</a> · <a href="/.well-known/jwks.json">keys</a></p><nav><ul>${index}</ul></nav>${sections}`,
  );
}

/** The error page, with one anchor per error code: `type` of a problem links to it. */
export function errorsDocsPage(errors: readonly ErrorDefinition[]): string {
  const entries = errors.map(
    (error) =>
      html`<h3 id="${error.code}"><code>${error.code}</code> <span class="dim">${error.status}</span></h3><p>${error.title}.</p><p><span class="dim">Cause:</span> ${error.cause}<br><span class="dim">Fix:</span> ${error.fix}</p>`,
  );
  return page(
    'Sallyport errors',
    html`<h1>Errors</h1><p>Branch on <code>code</code>: it is stable. <a href="/docs">Back to the API</a></p>${entries}`,
  );
}
