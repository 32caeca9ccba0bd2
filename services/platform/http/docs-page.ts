import type { Endpoint } from '../define/endpoint.ts';
import type { ErrorDefinition } from '../define/error.ts';
import { escapeHtml } from './escape-html.ts';
import { type JsonSchema, jsonSchemaOf } from './schema.ts';

const escaped = (text: unknown): string => escapeHtml(String(text));

/** The pages' only style element, letter by letter: their policy names its hash. */
export const DOCS_STYLE = `:root{color-scheme:light dark;--ink:#1b222c;--ground:#fff;--line:#8886;--dim:#59626f;--accent:#0a58ca}@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--ground:#12161c;--dim:#a9b1bd;--accent:#7db3ff}}
body{font:16px/1.55 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1.5rem;background:var(--ground);color:var(--ink)}a{color:var(--accent)}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{margin:2rem 0 .25rem;font-size:1.05rem}
code,pre{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}pre{border:1px solid var(--line);border-radius:6px;padding:.75rem;white-space:pre-wrap}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.dim{color:var(--dim)}nav ul{columns:2;padding-left:1.2rem}@media(max-width:40rem){body{padding:1rem}nav ul{columns:1}}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}`;

const html = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escaped(title)}</title><style>${DOCS_STYLE}</style></head><body><main>${body}</main></body></html>`;

function typeOf(schema: JsonSchema): string {
  const options = (schema.anyOf ?? schema.oneOf) as JsonSchema[] | undefined;
  if (options) return options.map(typeOf).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return (schema.enum as unknown[]).map((value) => JSON.stringify(value)).join(' | ');
  if (schema.type === 'array') return `${typeOf((schema.items ?? {}) as JsonSchema)}[]`;
  return String(schema.type ?? 'any');
}

function shape(title: string, schema: JsonSchema | undefined): string {
  const variants = (schema?.anyOf ?? schema?.oneOf) as JsonSchema[] | undefined;
  if (!schema) return '';
  if (variants) return variants.map((variant, index) => shape(`${title} (${index + 1})`, variant)).join('');
  const members = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
  if (members.length === 0) return '';
  const required = new Set((schema.required as string[] | undefined) ?? []);
  const rows = members.map(
    ([name, member]) =>
      `<tr><td><code>${escaped(name)}</code>${required.has(name) ? '' : ' <span class="dim">optional</span>'}</td><td><code>${escaped(typeOf(member))}</code></td><td>${escaped(member.description ?? '')}</td></tr>`,
  );
  return `<p class="dim">${escaped(title)}</p><table>${rows.join('')}</table>`;
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

function operation(endpoint: Endpoint, api: string): string {
  const { auth } = endpoint;
  const who =
    auth === 'public'
      ? 'public'
      : `${auth.optional ? 'anyone, or ' : ''}${auth.accepts.join(' or ')}${auth.permission ? ` with ${auth.permission}` : ''}`;
  const errors = endpoint.errors
    .map(
      ({ definition }) =>
        `<a href="/docs/errors#${definition.code}"><code>${definition.code}</code></a> <span class="dim">${definition.status}</span>`,
    )
    .join(' · ');
  return `<h3 id="${escaped(endpoint.operation)}"><code>${endpoint.method} ${escaped(endpoint.path)}</code></h3><p>${escaped(endpoint.summary)} <span class="dim">(${escaped(who)})</span></p>
${shape('Query', endpoint.query && jsonSchemaOf(endpoint.query))}${shape('Body', endpoint.body && jsonSchemaOf(endpoint.body))}<pre>${escaped(curlOf(endpoint, api))}</pre>${errors ? `<p class="dim">Errors: ${errors}</p>` : ''}`;
}

/** The reference page: plain HTML made once from the contracts; no script, no remote part. */
export function docsPage(endpoints: readonly Endpoint[], api: string): string {
  const tags = Map.groupBy(
    [...endpoints].sort((a, b) => a.path.localeCompare(b.path)),
    (endpoint) => endpoint.tag,
  );
  const index = [...endpoints]
    .map(
      ({ operation: id, method, path }) =>
        `<li><a href="#${escaped(id)}"><code>${method} ${escaped(path)}</code></a></li>`,
    )
    .join('');
  const sections = [...tags]
    .map(([tag, members]) => `<h2>${escaped(tag)}</h2>${members.map((endpoint) => operation(endpoint, api)).join('')}`)
    .join('');
  return html(
    'Sallyport API',
    `<h1>Sallyport API</h1><p>Contract: <a href="/openapi.json">openapi.json</a> · <a href="/docs/errors">errors</a> · <a href="/.well-known/jwks.json">keys</a></p><nav><ul>${index}</ul></nav>${sections}`,
  );
}

/** One anchor per error code: where `type` of a problem points. */
export function errorsDocsPage(errors: readonly ErrorDefinition[]): string {
  const entries = errors.map(
    (error) =>
      `<h3 id="${error.code}"><code>${error.code}</code> <span class="dim">${error.status}</span></h3><p>${escaped(error.title)}.</p><p><span class="dim">Cause:</span> ${escaped(error.cause)}<br><span class="dim">Fix:</span> ${escaped(error.fix)}</p>`,
  );
  return html(
    'Sallyport errors',
    `<h1>Errors</h1><p>Decide by <code>code</code>. <a href="/docs">Back to the API</a></p>${entries.join('')}`,
  );
}
