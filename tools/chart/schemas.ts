import AjvModule from 'ajv';
import { goModuleFile, KUBERNETES } from './tools.ts';

const Ajv = AjvModule.default ?? AjvModule;

type Kind = { readonly group: string; readonly version: string; readonly kind: string };
type Schema = {
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  format?: string;
  type?: string | string[];
  'x-kubernetes-group-version-kind'?: readonly Kind[];
  'x-kubernetes-preserve-unknown-fields'?: boolean;
};

/** Makes a definition of Kubernetes strict: an unknown member is an error, a port a number or a text. */
function tighten(schema: Schema): void {
  if (schema.format === 'int-or-string') schema.type = ['string', 'integer'];
  if (schema.properties && !schema['x-kubernetes-preserve-unknown-fields']) schema.additionalProperties ??= false;
  for (const part of Object.values(schema.properties ?? {})) tighten(part);
  if (typeof schema.additionalProperties === 'object') tighten(schema.additionalProperties);
}

/** What Kubernetes says against an object, by the description of its API in its Go module. */
export function kubernetesFaults(): (object: { readonly apiVersion: string; readonly kind: string }) => string[] {
  const text = goModuleFile('k8s.io/kubernetes', KUBERNETES, 'api/openapi-spec/swagger.json');
  const { definitions } = JSON.parse(text) as { definitions: Record<string, Schema> };
  for (const schema of Object.values(definitions)) tighten(schema);
  // The description calls a quantity text, and an API server reads a number as well.
  definitions['io.k8s.apimachinery.pkg.api.resource.Quantity'] = { type: ['string', 'number'] };
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ definitions }, 'kubernetes');
  return (object) => {
    const isItsKind = ({ group, version, kind }: Kind): boolean =>
      kind === object.kind && [group, version].filter(Boolean).join('/') === object.apiVersion;
    const [name] =
      Object.entries(definitions).find(([, schema]) => schema['x-kubernetes-group-version-kind']?.some(isItsKind)) ??
      [];
    if (name === undefined) return [`Kubernetes has no ${object.apiVersion} ${object.kind}`];
    ajv.validate(`kubernetes#/definitions/${name}`, object);
    return (ajv.errors ?? []).map(({ instancePath, message, params }) =>
      [instancePath, message, JSON.stringify(params)].join(' '),
    );
  };
}
