import { hash } from 'node:crypto';
import { inexactPartOf } from '#services/platform/define/inexact-json.ts';
import { canonicalOf, detailFlaw, type HasDetailTypes, SIGNED_ACT } from '../access/detail-type.ts';
import { parseStrictObject } from '../jws/strict-json.ts';
import type { Caller } from '../ports.ts';
import type { HasApprovals, SignedAct } from '../shared/approval.ts';
import { authorizationDetailsInvalid } from './errors.ts';

declare const door: unique symbol;
/**
 * Granted authorization details (RFC 9396): a list in canonical JSON (RFC 8785), sorted and each once, so that equal
 * details have equal bytes. Only this file makes it, so that nothing else is stored or put into a token.
 */
export type AuthorizationDetails = string & { readonly [door]: true };
export type AuthorizationDetail = { readonly type: string; readonly [member: string]: unknown };

/** What an OAuth endpoint grants: the details may be absent. */
export type MayHaveDetails = { readonly authorization_details?: AuthorizationDetails | null | undefined };

const DETAILS_MAX = 10;
/** With the rest of its claims a token fits in the header of a request. */
const DETAILS_BYTES_MAX = 4_096;
const DEPTH_MAX = 8;
/** RFC 6749 §5.2: the characters of an error description. */
const DESCRIBABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,200}$/;

const described = (why: string): string =>
  DESCRIBABLE.test(why) ? why : 'a detail does not have the form that its type declares';

export const detailsOf = (details: AuthorizationDetails | null | undefined): AuthorizationDetail[] =>
  details ? JSON.parse(details) : [];
const bytesOf = (detail: AuthorizationDetail): string => canonicalOf(detail, DEPTH_MAX) as string;
/** Of at least one: no request names none, and no token carries none. */
const listed = (details: readonly AuthorizationDetail[]): AuthorizationDetails =>
  `[${[...new Set(details.map(bytesOf))].sort().join(',')}]` as AuthorizationDetails;

/** A list of objects with a type each; or why the text is none. Two members of one name are refused, as in tokens. */
function readList(text: string): readonly AuthorizationDetail[] | string {
  const { list, ...others } = parseStrictObject(`{"list":${text}}`) ?? {};
  if (!Array.isArray(list) || Object.keys(others).length > 0)
    return 'authorization_details must be a JSON array of objects, each member of an object once';
  if (list.length === 0 || list.length > DETAILS_MAX)
    return `authorization_details must have 1 to ${DETAILS_MAX} entries`;
  if (list.some((detail) => typeof Object(detail).type !== 'string'))
    return 'each entry of authorization_details must be an object with a type';
  const canonical = canonicalOf(list, DEPTH_MAX);
  if (canonical === undefined)
    return 'authorization_details is nested too deeply, or has a number beyond 2^53 or a text that is not Unicode';
  // PostgreSQL reads no NUL.
  return Buffer.byteLength(canonical) > DETAILS_BYTES_MAX || canonical.includes(String.raw`\u0000`)
    ? `authorization_details is longer than ${DETAILS_BYTES_MAX} bytes, or has a NUL`
    : list;
}

const ACT = /^[a-z][a-z0-9_.:-]{0,127}$/;

const signedActOf = ({ type, ...members }: AuthorizationDetail): SignedAct =>
  type === SIGNED_ACT ? (members as SignedAct) : { act: type, arguments: members };

const isSignedAct = ({ act, ...others }: Readonly<Record<string, unknown>>): boolean =>
  typeof act === 'string' && ACT.test(act) && Object.keys(others).join() === 'arguments';

/** Why a client cannot have this detail at this audience. */
function refusalOf(
  { access }: HasDetailTypes,
  { client, audience, isOwn = false }: DetailTerms,
  { type, ...members }: AuthorizationDetail,
): string | undefined {
  const declared = access.application(audience)?.detailTypes.get(type);
  if (declared === undefined && type !== SIGNED_ACT) {
    const other = access.applications().find(({ detailTypes }) => detailTypes.has(type));
    return other === undefined
      ? `the type ${type} is not known`
      : `the type ${type} belongs to another resource: send resource=${other.audience}`;
  }
  if ((declared?.signoff ?? true) !== isOwn)
    return isOwn
      ? `users grant the type ${type}: use a grant with a user`
      : `the type ${type} needs a sign-off: request it with POST /v1/handoff/signoffs, then the token with grant_type=client_credentials`;
  if (!client.authorization_details_types.includes(type)) return `the client may not ask for the type ${type}`;
  if (declared === undefined)
    return isSignedAct(members) ? undefined : `${type} must have the members act and arguments, and no other`;
  const flaw = detailFlaw(declared, members);
  if (flaw !== undefined) return `${[type, flaw.at].filter(Boolean).join('/')} ${flaw.why}`;
  const { locations } = members;
  return Array.isArray(locations) && !locations.includes(audience)
    ? `${type}/locations names another resource than ${audience}`
    : undefined;
}

type AsksForDetails = { readonly authorization_details_types: readonly string[] };
type DetailTerms = {
  readonly client: AsksForDetails;
  /** Of the token: the details are of the application with this audience. */
  readonly audience: string;
  /** The client asks for its own token: people sign off each detail, in place of a user who grants it. */
  readonly isOwn?: boolean;
};
/** What a request asks for, or why it is refused (RFC 9396 §5). */
type DetailsAsked = { readonly details: AuthorizationDetails | undefined } | { readonly why: string };

/** Reads the parameter `authorization_details` of a request that asks for a grant. All parsers read it alike: people grant it. */
export function detailsAsked(ports: HasDetailTypes, terms: DetailTerms, text: string | undefined): DetailsAsked {
  if (text === undefined) return { details: undefined };
  const list = readList(text);
  if (typeof list === 'string') return { why: list };
  const inexact = inexactPartOf(text);
  if (inexact !== undefined) return { why: described(`authorization_details${inexact.at} ${inexact.why}`) };
  const why = list.map((detail) => refusalOf(ports, terms, detail)).find((each) => each !== undefined);
  return why === undefined ? { details: listed(list) } : { why: described(why) };
}

/** The same where an error is thrown: `authorization_details_invalid` (400). */
export function parseAuthorizationDetails(
  ports: HasDetailTypes,
  terms: DetailTerms,
  text: string | undefined,
): AuthorizationDetails | undefined {
  const asked = detailsAsked(ports, terms, text);
  if ('why' in asked) throw authorizationDetailsInvalid({ detail: asked.why });
  return asked.details;
}

/** The one act of a client's own token, which people sign off. Throws `authorization_details_invalid` (400). */
export function signedActAsked(
  ports: HasDetailTypes,
  terms: DetailTerms,
  text: string | undefined,
): { readonly details: AuthorizationDetails; readonly act: SignedAct } {
  const details = parseAuthorizationDetails(ports, { ...terms, isOwn: true }, text);
  const [detail, ...others] = detailsOf(details);
  if (details === undefined || detail === undefined || others.length > 0)
    throw authorizationDetailsInvalid({
      detail: 'send exactly one detail: a token carries one act that people signed off',
    });
  return { details, act: signedActOf(detail) };
}

/**
 * The one detail of a client's own token, with its sign-off: people have approved an act with exactly its values, which the
 * caller requested. Throws `authorization_details_invalid` (400) with what the caller lacks.
 */
export async function signedOffDetails(
  ports: HasDetailTypes & HasApprovals,
  terms: DetailTerms,
  text: string,
  caller: Caller,
): Promise<{ readonly details: AuthorizationDetails; readonly signOff: string; readonly notAfter: number }> {
  const { details, act } = signedActAsked(ports, terms, text);
  const approval = await ports.readApproval(act, caller);
  if ('why' in approval) throw authorizationDetailsInvalid({ detail: approval.why, members: approval.lacks });
  return { details, signOff: approval.id, notAfter: approval.expiresAt };
}

/**
 * The part of granted details that a token request asks for (RFC 9396 §6.1): each of them equals a granted one, byte for
 * byte; all of them without the parameter. Throws `authorization_details_invalid` (400).
 */
export function detailsWithin(
  granted: AuthorizationDetails | null | undefined,
  text: string | undefined,
): AuthorizationDetails | undefined {
  if (text === undefined) return granted ?? undefined;
  const list = readList(text);
  if (typeof list === 'string') throw authorizationDetailsInvalid({ detail: list });
  const held = new Set(detailsOf(granted).map(bytesOf));
  const wider = list.find((detail) => !held.has(bytesOf(detail)));
  if (wider !== undefined)
    throw authorizationDetailsInvalid({ detail: described(`the grant has no such detail of the type ${wider.type}`) });
  return listed(list);
}

/** Those of granted details that a token of the client for this audience carries now: the client could ask for them. */
export function detailsNow(
  access: HasDetailTypes['access'] & { client(clientId: string): AsksForDetails | undefined },
  { client_id: clientId, audience }: { readonly client_id: string; readonly audience: string },
  details: AuthorizationDetails,
): readonly AuthorizationDetail[] | undefined {
  const client = access.client(clientId);
  const kept = detailsOf(details).filter(
    (detail) => client !== undefined && refusalOf({ access }, { client, audience }, detail) === undefined,
  );
  return kept.length === 0 ? undefined : kept;
}

/** The details in the claims of a token: its issuer put them there. */
export const detailsInToken = (details: readonly AuthorizationDetail[] | undefined): AuthorizationDetails | undefined =>
  details && listed(details);

/** For audit events: types and digest, no values, which may be personal data. */
export const detailFacts = (
  details: AuthorizationDetails | null | undefined,
): { readonly detail_types?: readonly string[]; readonly details_sha256?: string } =>
  details
    ? {
        detail_types: [...new Set(detailsOf(details).map(({ type }) => type))],
        details_sha256: hash('sha256', details, 'hex'),
      }
    : {};
