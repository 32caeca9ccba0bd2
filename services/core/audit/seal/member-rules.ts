import { isBuiltInClient } from '#services/core/authority/callers.ts';
import { type AuditEvent, declaredEvent } from '#services/platform/define/audit-event.ts';
import type { AuditMember, AuditMembers } from '#services/platform/define/audit-member.ts';
import type { Json } from '../log/canonical-json.ts';
import { OWN_NAMES } from './own-names.ts';
import { REASON_CODES } from './reason-codes.ts';

type Fits = (value: Json) => boolean;

type MemberRule = {
  readonly fits: Fits;
  /** The owner of a value that is committed to: the person of the row, the user that it names, or no one. */
  readonly belongsTo: 'row' | 'value' | 'none';
  /** Whether a text is committed to alone: then it is searched for, or erased, by itself. */
  readonly isOwnField: boolean;
};

const matches =
  (pattern: RegExp): Fits =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const never: Fits = () => false;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const isOwnId = matches(UUID);
/** The thumbprint of a public key (RFC 7638), the id of a shared secret, or the name of a server secret. */
export const isKid = matches(/^([\w-]{43}|[0-9a-f]{32}|server_secret:[a-z_]{1,16}:\d{1,9}|phi key \d{1,9})$/);
const isInstant = matches(/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)$/);
const isDigest = matches(/^([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$/);
/** Semantic versions, Git commits and names of migrations. */
export const isRelease = matches(/^(\d+\.\d+\.\d+(-[a-z0-9.]{1,16})?|[0-9a-f]{7,40}|\d{14}_[a-z0-9_]{1,64})$/);

/** What `errorCodeOf` gives for failures of Node, of the libraries that send for us, and of Postgres. */
const TRANSPORT_CODES: ReadonlySet<string> = new Set(
  `ECONNREFUSED ECONNRESET ECONNABORTED ETIMEDOUT ENOTFOUND EPIPE EHOSTUNREACH ENETUNREACH EAI_AGAIN EPROTO EADDRNOTAVAIL
  EAUTH EENVELOPE EDNS ESOCKET EMESSAGE ETLS ECONNECTION ENOENT EACCES ENOSPC EROFS CERT_HAS_EXPIRED
  CERT_NOT_YET_VALID DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_GET_ISSUER_CERT
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY UNABLE_TO_VERIFY_LEAF_SIGNATURE ERR_TLS_CERT_ALTNAME_INVALID ERR_SSL_WRONG_VERSION_NUMBER
  ERR_STREAM_PREMATURE_CLOSE ERR_INVALID_URL Error TypeError RangeError SyntaxError AggregateError AbortError TimeoutError
  unknown`.split(/\s+/),
);
const STATUS_OR_SQLSTATE = /^(http_\d{3}|\d{2}[0-9A-Z]{3})$/;
const isCode: Fits = (value) =>
  typeof value === 'string' &&
  (OWN_NAMES.has(value) || REASON_CODES.has(value) || TRANSPORT_CODES.has(value) || STATUS_OR_SQLSTATE.test(value));
const isReason: Fits = (value) => typeof value === 'string' && REASON_CODES.has(value);
/** A host and path, as C2SP wants the origin of a log. */
const isLogName = matches(/^[a-z0-9][a-z0-9.:-]{0,127}(\/[\w.~+-]{1,64}){1,8}$/i);
const SCOPES: ReadonlySet<string> = new Set(
  'openid profile email offline_access roles groups address phone'.split(' '),
);
const isScope: Fits = (value) =>
  typeof value === 'string' && value.split(' ').every((word) => word === '' || SCOPES.has(word) || OWN_NAMES.has(word));

function objectFits(members: AuditMembers): Fits {
  const rules = rulesOf(members);
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).every(([member, of]) => {
      const rule = rules.get(member);
      return rule !== undefined && (of === null || rule.fits(of));
    });
}

function fitsOf(member: AuditMember): Fits {
  switch (member.kind) {
    case 'count':
      return (value) => typeof value === 'number';
    case 'flag':
      return (value) => typeof value === 'boolean';
    case 'instant':
      return isInstant;
    case 'id':
    case 'person':
      return isOwnId;
    case 'digest':
      return isDigest;
    case 'release':
      return isRelease;
    case 'code':
    case 'label':
      return isCode;
    case 'reason':
      return isReason;
    case 'log_name':
      return isLogName;
    case 'scope':
      return isScope;
    case 'one_of': {
      const values: ReadonlySet<unknown> = new Set(member.values);
      return (value) => values.has(value);
    }
    case 'list': {
      const fits = fitsOf(member.of);
      return (value) => Array.isArray(value) && value.every(fits);
    }
    case 'object':
      return objectFits(member.members);
    case 'text':
    case 'personal':
    case 'name':
    case 'patient':
      return never;
  }
}

const BELONGS_TO_ROW: ReadonlySet<AuditMember['kind']> = new Set(['text', 'personal', 'reason', 'code']);
const OWN_FIELD: ReadonlySet<AuditMember['kind']> = new Set(['text', 'personal', 'reason', 'patient', 'person']);

const ruleOf = (member: AuditMember): MemberRule => ({
  fits: fitsOf(member),
  belongsTo: member.kind === 'person' ? 'value' : BELONGS_TO_ROW.has(member.kind) ? 'row' : 'none',
  isOwnField: OWN_FIELD.has(member.kind),
});

const rulesOf = (members: AuditMembers): ReadonlyMap<string, MemberRule> =>
  new Map(Object.entries(members).map(([member, of]) => [member, ruleOf(of)]));

/** An id that we make, or the name of a client that is built in. */
export const isOwnClient = (id: string): boolean => isOwnId(id) || isBuiltInClient(id);

export type EventRules = { readonly members: ReadonlyMap<string, MemberRule>; readonly outcomes: ReadonlySet<string> };

const compiled = new WeakMap<AuditEvent, EventRules>();

/** The rules of a type, compiled once; undefined if no module of this process declares it. */
export function rulesOfType(type: string): EventRules | undefined {
  const event = declaredEvent(type);
  if (event === undefined) return undefined;
  let rules = compiled.get(event);
  if (rules === undefined) {
    rules = { members: rulesOf(event.detail), outcomes: new Set(event.outcomes) };
    compiled.set(event, rules);
  }
  return rules;
}
