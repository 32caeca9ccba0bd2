import { z } from 'zod';
import { type Endpoint, permissionOf } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import { holds } from '../authority/callers.ts';
import { scopeNotGranted } from '../authority/errors.ts';
import { type OwnScope, readerOfOwn } from '../authority/own-scopes.ts';
import type { Caller } from '../ports.ts';

/**
 * What a caller needs for a tool: one of these permissions, each of which is also the scope of a token; a scope by which
 * a user lets an application read the account; or nothing.
 */
export type Need = { readonly anyOf: readonly string[] } | { readonly own: OwnScope } | null;

/** One capability of the MCP server: a tool, and a resource where reading needs no argument or only those in its URI. */
export type Tool<P = never, Input extends z.ZodObject = z.ZodObject> = {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** The permission of the endpoint that does the same, or the scope that the user grants. */
  readonly need: Need;
  readonly input: Input;
  /** What a call answers: that of the endpoint that does the same. */
  readonly output: z.ZodObject;
  /** URI, or URI template (RFC 6570) with members of the input. */
  readonly resource?: string;
  readonly run: (ports: P, input: z.output<Input>, caller: Caller) => object | Promise<object>;
};

export const tool = <P, Input extends z.ZodObject>(made: Tool<P, Input>): Tool<P> => made as unknown as Tool<P>;

/** What the endpoint that does the same needs. Throws a TypeError if that is more than a tool asks for. */
export function needOf(endpoint: Endpoint): Need {
  const { auth, operation } = endpoint;
  if (auth !== 'public' && auth.rightsOf !== undefined) throw new TypeError(`${operation} needs the rights of a role`);
  return { anyOf: [permissionOf(endpoint)] };
}

/** What the endpoint that does the same answers. Throws a TypeError if that is no object. */
export function outputOf({ operation, responses }: Endpoint, status = 200): z.ZodObject {
  const shape = responses[status];
  if (shape instanceof z.ZodObject) return shape;
  throw new TypeError(`${operation} answers no object with ${status}`);
}

/** Need and answer of the endpoint that does the same. */
export const like = (endpoint: Endpoint): Pick<Tool, 'need' | 'output'> => ({
  need: needOf(endpoint),
  output: outputOf(endpoint),
});

/** Names of the permissions, or of the scope. */
export const namesOf = (need: Need): readonly string[] =>
  need === null ? [] : 'own' in need ? [need.own] : need.anyOf;

/** Why the caller may not call a tool now: `permission_missing` or `scope_not_granted` (403); null if it may. */
export function refusalOf(need: Need, caller: Caller): AppError | null {
  if (need === null) return null;
  if ('own' in need) {
    const detail = `This requires the scope ${need.own}, which the user grants to the application.`;
    return readerOfOwn(caller, need.own) === null ? scopeNotGranted({ detail }) : null;
  }
  const { anyOf } = need;
  if (anyOf.some((permission) => holds(caller, permission))) return null;
  return permissionMissing({
    detail: `This requires the permission ${anyOf.join(' or ')}, which the token must have as a scope.`,
  });
}
