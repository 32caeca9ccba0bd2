import { z } from 'zod';
import { pageQuery, reads, text } from '#services/core/access/admin-shapes.ts';
import { argumentLabel } from '#services/core/access/signoff-policy-shapes.ts';
import { auditEventUnknown, auditLogDamaged, auditProofPending } from '#services/core/audit/errors.ts';
import { backchannelParts } from '#services/core/oauth/contract.ts';
import { componentNames } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { agentNotAccepted, permissionMissing } from '#services/platform/errors.ts';
import {
  agentAmountUnreadable,
  agentLimitReached,
  signOffAlreadyDecided,
  signOffApprovalVoid,
  signOffArgumentsChanged,
  signOffArgumentsInvalid,
  signOffBelowPolicy,
  signOffClosed,
  signOffConditionUnmet,
  signOffNotRunnable,
  signOffNotRunning,
  signOffOwnerRequired,
  signOffQuorumInvalid,
  signOffRequesterEnded,
  signOffRoleMissing,
  signOffRoleNotRequired,
  signOffSelfApproval,
  signOffSignInRequired,
  signOffTooMany,
  signOffUnfinished,
  signOffUnknown,
} from './errors.ts';
import { signoffsApprove, signoffsRead, signoffsRequest } from './permissions.ts';
import { COMMENT_LENGTH_MAX, DECISIONS, LIFE_MINUTES_MAX, SIGNOFF_ROLES, SIGNOFF_STATES } from './signoff-shapes.ts';

const defineEndpoint = endpointsOf('Sign-off');
const instant = z.iso.datetime();
const ofSignOff = z.strictObject({ signoff_id: z.uuid() });
const role = z.enum(SIGNOFF_ROLES);
const act = z
  .string()
  .max(128)
  .regex(/^[a-z][a-z0-9_.:-]*$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Any JSON value of at most 32 KiB in canonical form (RFC 8785), with numbers that a double keeps, within ±(2^53 − 1). */
const argumentsOf = z.unknown();

const signOffView = z
  .object({
    signoff_id: z.string(),
    act: z.string(),
    title: z.string(),
    arguments: z.unknown(),
    /** SHA-256 of the canonical form (RFC 8785) of `arguments`, hex: what people approve. */
    arguments_sha256: z.string(),
    requested_by: z.object({ kind: z.enum(['user', 'client', 'system']), id: z.string() }),
    client_id: z.string().nullable(),
    required_roles: z.array(role),
    /** How many of the roles must approve. */
    quorum: z.int(),
    conditions: z.object({ min_security_score: z.int().nullable(), no_open_incident: z.boolean() }),
    state: z.enum(SIGNOFF_STATES),
    /** Required roles that have not decided; empty once the sign-off is decided or expired. */
    waiting_for: z.array(role),
    decisions: z.array(
      z.object({ role, user_id: z.string(), decision: z.enum(DECISIONS), comment: z.string().nullable(), at: instant }),
    ),
    requested_at: instant,
    /** An act that has not started by then never starts. */
    expires_at: instant,
    decided_at: instant.nullable(),
    started_at: instant.nullable(),
    finished_at: instant.nullable(),
    failure: z.string().nullable(),
    /** Of the act when it was requested. */
    policy: z.object({ act: z.string(), version: z.int() }).nullable(),
    /** How the policy shows arguments. */
    argument_labels: z.array(argumentLabel),
  })
  .register(componentNames, { id: 'SignOff' });
export type SignOffView = z.output<typeof signOffView>;

const receiptView = z
  .object({
    signoff_id: z.string(),
    act: z.string(),
    arguments_sha256: z.string(),
    outcome: z.enum(['done', 'failed']),
    required_roles: z.array(role),
    quorum: z.int(),
    /** Of the policy of the act; null if it had none. */
    policy_version: z.int().nullable(),
    approvals: z.array(z.object({ role: z.string(), user_id: z.string() })),
    finished_at: instant,
    /** The event `signoff.finished` in the sealed log, and its place there. */
    event_id: z.string(),
    seq: z.int(),
    /** `.tlog-proof`: inclusion proof and checkpoint. */
    proof: z.string(),
  })
  .register(componentNames, { id: 'SignOffReceipt' });
export type ReceiptView = z.output<typeof receiptView>;

const ASKING = {
  accepts: ['bearer', 'client', 'session'],
  for: 'anyone',
  permission: signoffsRequest.name,
  subject: 'own',
} as const;
const READING = {
  accepts: ['bearer', 'client', 'session'],
  for: 'anyone',
  subject: { others: signoffsRead.name, else: 'hidden' },
} as const;
const DECIDING = {
  accepts: ['bearer', 'session'],
  for: 'person',
  permission: signoffsApprove.name,
  subject: 'any',
  stepUp: true,
} as const;

export const requestSignOffEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/handoff/signoffs',
  operation: 'requestSignOff',
  summary: 'Request the approval of an act with exactly these arguments, by people in several roles',
  auth: ASKING,
  idempotency: 'answer',
  exactBody: signOffArgumentsInvalid,
  body: z.strictObject({
    /** Name of the act, such as `keys.rotate`. */
    act,
    title: text(256),
    arguments: argumentsOf,
    /** Those of the policy of the act by default; required if the act has none. */
    required_roles: z.array(role).min(1).max(6).optional(),
    /** All named roles by default, or as the policy says. */
    quorum: z.int().min(1).max(6).optional(),
    /** Checked when the act starts. */
    conditions: z
      .strictObject({
        /** Percentage of the checked compliance controls that pass. */
        min_security_score: z.int().min(0).max(100).optional(),
        /** No incident of severity high or critical is open. */
        no_open_incident: z.boolean().optional(),
      })
      .optional(),
    /** By default and at most as the policy says, else a day. */
    expires_in_minutes: z.int().min(1).max(LIFE_MINUTES_MAX).optional(),
  }),
  responses: { 201: signOffView },
  errors: [
    signOffArgumentsInvalid,
    signOffQuorumInvalid,
    signOffBelowPolicy,
    signOffOwnerRequired,
    signOffSignInRequired,
    agentNotAccepted,
    signOffRequesterEnded,
    signOffTooMany,
  ],
});

export const listSignOffsEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/handoff/signoffs',
  operation: 'listSignOffs',
  summary: 'List sign-offs, newest first',
  auth: reads(signoffsRead),
  query: z.strictObject({ ...pageQuery, state: z.enum(SIGNOFF_STATES).optional(), role: role.optional() }),
  responses: { 200: z.object({ signoffs: z.array(signOffView), next: z.string().nullable() }) },
});

export const readSignOffEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/handoff/signoffs/{signoff_id}',
  operation: 'readSignOff',
  summary: 'Get a sign-off: for its requester, and for callers who may read all',
  auth: READING,
  params: ofSignOff,
  responses: { 200: signOffView },
  errors: [permissionMissing, signOffUnknown],
});

const decision = z.strictObject({
  role,
  comment: text(COMMENT_LENGTH_MAX).optional(),
  /** Of the arguments that you have read. */
  arguments_sha256: sha256,
  /** Refuses what the decision refuses, and decides nothing; the answer is the sign-off as it would be. */
  dry_run: z.boolean().optional(),
});
export type DecideSignOffInput = z.output<typeof decision> & z.output<typeof ofSignOff>;

export const approveSignOffEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/handoff/signoffs/{signoff_id}/approve',
  operation: 'approveSignOff',
  summary: 'Approve an act in one of your roles',
  auth: DECIDING,
  params: ofSignOff,
  body: decision,
  responses: { 200: signOffView },
  errors: [
    signOffRoleMissing,
    signOffSelfApproval,
    signOffUnknown,
    signOffArgumentsChanged,
    signOffClosed,
    signOffRoleNotRequired,
    signOffAlreadyDecided,
  ],
});

export const denySignOffEndpoint = defineEndpoint({
  ...approveSignOffEndpoint,
  path: '/v1/handoff/signoffs/{signoff_id}/deny',
  operation: 'denySignOff',
  summary: 'Deny an act in one of your roles; one denial ends the sign-off',
});

export const startSignOffEndpoint = defineEndpoint({
  ...approveSignOffEndpoint,
  path: '/v1/handoff/signoffs/{signoff_id}/start',
  operation: 'startSignOff',
  summary: 'Start an approved act: succeeds once, for its requester, with the approved arguments',
  auth: ASKING,
  exactBody: signOffArgumentsInvalid,
  body: z.strictObject({ act, arguments: argumentsOf }),
  errors: [
    signOffArgumentsInvalid,
    signOffSignInRequired,
    signOffRequesterEnded,
    agentAmountUnreadable,
    signOffUnknown,
    signOffArgumentsChanged,
    signOffNotRunnable,
    signOffApprovalVoid,
    signOffConditionUnmet,
    agentLimitReached,
  ],
});

export const finishSignOffEndpoint = defineEndpoint({
  ...approveSignOffEndpoint,
  path: '/v1/handoff/signoffs/{signoff_id}/finish',
  operation: 'finishSignOff',
  summary: 'Report the end of an act that you started',
  auth: ASKING,
  body: z.strictObject({
    outcome: z.enum(['done', 'failed']),
    /** A code of yours: it is in the audit log. */
    failure: z
      .string()
      .regex(/^\w{1,64}$/)
      .optional(),
  }),
  errors: [signOffSignInRequired, signOffRequesterEnded, signOffUnknown, signOffNotRunning],
});

export const readReceiptEndpoint = defineEndpoint({
  ...readSignOffEndpoint,
  path: '/v1/handoff/signoffs/{signoff_id}/receipt',
  operation: 'readSignOffReceipt',
  summary: 'Get the receipt of an act that ended, with its inclusion proof of the sealed log',
  responses: { 200: receiptView },
  errors: [permissionMissing, signOffUnknown, signOffUnfinished, auditProofPending, auditEventUnknown, auditLogDamaged],
});

export const requestBackchannelEndpoint = defineEndpoint({
  method: 'POST',
  path: '/oauth2/bc-authorize',
  operation: 'requestBackchannel',
  summary: 'Ask people to sign off an act, and get a token for it once they have (OpenID Connect CIBA Core §7)',
  ...backchannelParts,
  auth: { ...ASKING, accepts: ['client'], for: 'agent' },
  errors: [
    ...backchannelParts.errors,
    signOffArgumentsInvalid,
    signOffBelowPolicy,
    signOffRequesterEnded,
    signOffTooMany,
  ],
});
