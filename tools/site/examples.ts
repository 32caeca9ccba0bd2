import { exampleOf } from '#services/pages/docs/docs-example.ts';
import { BODY_TYPES, type Endpoint } from '#services/platform/define/endpoint.ts';
import { jsonSchemaOf } from '#services/platform/http/schema.ts';
import given from './examples.json' with { type: 'json' };

type Override = { readonly query?: object; readonly body?: unknown; readonly cookie?: true };
type Language = Readonly<Record<'text' | 'header' | 'body' | 'empty' | 'template', string>>;
const {
  values,
  operations: overrides,
  app,
} = given as {
  readonly values: Readonly<Record<string, unknown>>;
  readonly operations: Readonly<Record<string, Override>>;
  readonly app: readonly string[];
};

/** A value of the contract with what we know by the name of a member. `$NAME` is a variable of the environment. */
const named = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (name, each) => {
      if (/^(…|ada@|a long)/.test(each)) return values[name] ?? each;
      return /_id$/.test(name) && /^0197b6a4-/.test(each) ? `$${name.toUpperCase()}` : each;
    }),
  );

const encoded = (pairs: object): string =>
  new URLSearchParams(pairs as Record<string, string>).toString().replaceAll('%24', '$');

function credentialOf({ auth, operation }: Endpoint): Readonly<Record<string, string>> {
  const accepts = overrides[operation]?.cookie ? ['session'] : auth === 'public' ? [] : auth.accepts;
  if (accepts.includes('bearer')) return { authorization: 'Bearer $ACCESS_TOKEN' };
  if (accepts.includes('session')) return { cookie: '$COOKIE', origin: '$API' };
  return accepts.includes('client') ? { authorization: 'Basic $BASIC' } : {};
}

/** An example of the request of an operation, from its contract. */
function requestOf(endpoint: Endpoint) {
  const { operation, method, path, query, body, bodyType = 'json', bodyOptional } = endpoint;
  const override = overrides[operation] ?? {};
  const schema = query && jsonSchemaOf(query);
  const asked = override.query ?? (schema?.required ? (named(exampleOf(schema)) as object) : {});
  const pathValues = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [
    name,
    values[name] ?? `$${name.toUpperCase()}`,
  ]);
  const data = override.body ?? (body && !bodyOptional ? named(exampleOf(jsonSchemaOf(body))) : undefined);
  const isForm = bodyType === 'form';
  return {
    name: `${method} ${path}`,
    method,
    headers: { ...credentialOf(endpoint), ...(data === undefined ? {} : { 'content-type': BODY_TYPES[bodyType] }) },
    /** As the client takes it. */
    input: { path: Object.fromEntries(pathValues), query: asked, [isForm ? 'form' : 'body']: data },
    url: `$API${pathValues.reduce((to, [name, value]) => to.replace(`{${name}}`, String(value)), path as string)}${Object.keys(asked).length > 0 ? `?${encoded(asked)}` : ''}`,
    raw: isForm && data ? encoded(data as object) : typeof data === 'string' ? data : JSON.stringify(data),
  };
}
type Request = ReturnType<typeof requestOf>;

const withoutEmpty = (parts: object): object =>
  Object.fromEntries(Object.entries(parts).filter(([, part]) => JSON.stringify(part) !== '{}'));

/** JSON whose variables are those of a program. */
const literal = (value: unknown): string =>
  JSON.stringify(value, null, 2).replaceAll(/"((?:[^"\\]|\\.)*)"(:?)/g, (string, text: string, colon: string) => {
    if (colon && /^\w+$/.test(text)) return `${text}:`;
    if (/^\$[A-Z_]+$/.test(text)) return text.slice(1);
    if (/\$[A-Z_]/.test(text)) return `\`${text.replaceAll(/\$([A-Z_]+)/g, '$${$1}').replaceAll('\\"', '"')}\``;
    return /['\\]/.test(text) ? string : `'${text}'${colon}`;
  });

function typescriptOf({ name, method, headers, input, url, raw }: Request, isForPrograms: boolean): string {
  const { 'content-type': _, ...credential } = headers as Readonly<Record<string, string>>;
  const code = isForPrograms
    ? `const api = createClient(${literal(withoutEmpty({ url: '$API', headers: credential }))});\nconst answer = await api('${name}', ${literal(withoutEmpty(input))});\nconsole.log(answer);`
    : `const answer = await fetch(${literal(url)}, ${literal(withoutEmpty({ method, headers, body: raw }))});\nconsole.log(answer.status, await answer.text());`;
  const used = new Set(
    [...JSON.stringify([url, headers, input]).matchAll(/\$([A-Z_]+)/g)].map(([, each]) => `${each} = ''`),
  );
  return `${isForPrograms ? "import { createClient } from '@sallyport/client';\n\n" : ''}const {${used.size > 2 ? `\n  ${[...used].join(',\n  ')},\n` : ` ${[...used].join(', ')} `}} = process.env;\n${code}`;
}

function renderedIn({ text, header, body, empty, template }: Language, { method, headers, url, raw }: Request): string {
  const filled = (pattern: string, parts: Readonly<Record<string, string>>): string =>
    pattern.replaceAll(/\b(?:TEXT|RAW|LINES|NAME|VALUE)\b|METHOD|URL|HEADERS|CONTENT/g, (slot) => parts[slot] ?? slot);
  const quoted = (value: string): string =>
    value.includes('$') ? filled(text, { TEXT: JSON.stringify(value) }) : JSON.stringify(value);
  return filled(method === 'GET' ? template.replace(' -X METHOD', '') : template, {
    METHOD: method,
    URL: quoted(url),
    HEADERS: Object.entries(headers)
      .map(([name, value]) =>
        filled(header, { TEXT: JSON.stringify(`${name}: ${value}`), NAME: JSON.stringify(name), VALUE: quoted(value) }),
      )
      .join(''),
    CONTENT:
      raw === undefined
        ? empty
        : filled(body, { RAW: raw, LINES: raw.startsWith('{') ? JSON.stringify(JSON.parse(raw), null, 2) : raw }),
  });
}

/** How programs send the request, by language: curl and TypeScript, and others where apps call the operation. */
export function examplesOf(endpoint: Endpoint): Readonly<Record<string, string>> {
  const request = requestOf(endpoint);
  const isForPrograms =
    endpoint.bodyType !== 'secevent' &&
    Object.values(endpoint.responses).every((shape) => shape === null || !('contentType' in shape));
  const { sh, ...others } = given.languages as Readonly<Record<string, Language>>;
  const ofApps = app.includes(endpoint.operation) ? Object.entries(others) : [];
  return {
    sh: renderedIn(sh as Language, request),
    ts: typescriptOf(request, isForPrograms),
    ...Object.fromEntries(ofApps.map(([name, language]) => [name, renderedIn(language, request)])),
  };
}

/** The code by which an example is refused on its own, and what it lacks. */
export function refusalOf(operation: string): { readonly code: string; readonly reason: string } | undefined {
  const refused: Readonly<Record<string, Readonly<Record<string, string>>>> = given.refused;
  return Object.entries(refused).flatMap(([reason, codes]) =>
    codes[operation] ? [{ code: codes[operation], reason }] : [],
  )[0];
}
