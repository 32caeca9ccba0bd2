// For tests only: what the matrix of authority does not derive from declarations, each with its reason.
import { isPage } from '#services/platform/define/endpoint.ts';
import type { Answered, Cell } from './authority-cells-harness.ts';

/** Errors with the status 401 or 403 that are about what a request contains or proves, not about its caller. */
const ABOUT_CONTENTS: ReadonlyMap<string, string> = new Map([
  ['challenge_over', 'no sign-in waits for this second factor'],
  ['second_factor_refused', 'the code is wrong'],
  ['passkey_refused', 'the passkey’s answer is wrong'],
  ['current_password_wrong', 'the password is wrong'],
  ['login_refused', 'the password is wrong'],
  ['refresh_token_invalid', 'the refresh token is unknown'],
  ['rights_exceeded', 'the change grants what the caller does not have'],
]);

/** A page refuses a form that it has not shown to this browser. */
const isForeignForm = ({ endpoint }: Cell, { status, code }: Answered): boolean =>
  endpoint.method === 'POST' && isPage(endpoint) && status === 403 && code === undefined;

type Exception = {
  readonly operation: string;
  readonly applies?: (cell: Cell) => boolean;
  readonly status: 401 | 403;
  readonly code?: string;
  readonly why: string;
};

const hasNoClient = ({ kind }: Cell): boolean => kind === 'anonymous' || kind === 'userBySession';
const unnamed = ['beginDeviceGrant', 'pushAuthorizationRequest', 'revokeOAuthToken'].map(
  (operation): Exception => ({
    operation,
    applies: hasNoClient,
    status: 401,
    code: 'client_unauthenticated',
    why: 'a public client names itself in the form, and the sample names none',
  }),
);
const forApprovers = ['showSignOffs', 'showSignOff'].map(
  (operation): Exception => ({
    operation,
    applies: ({ kind }) => kind === 'userBySession',
    status: 403,
    why: 'a page that finds its user by the cookie: the user is no approver',
  }),
);

/** Public, because they find their user by the cookie of the console. */
const ofConsole = `readAsConsole postAsConsole putAsConsole patchAsConsole deleteAsConsole readConsoleSession
  leaveConsole`
  .split(/\s+/)
  .map(
    (operation): Exception => ({
      operation,
      status: 403,
      code: 'origin_refused',
      why: 'only the script of the console may send it, whatever the credential of the caller',
    }),
  );

/** Refusals of operations that their declarations do not promise. */
const EXCEPTIONS: readonly Exception[] = [
  ...unnamed,
  ...forApprovers,
  ...ofConsole,
  {
    operation: 'readSession',
    applies: ({ kind }) => kind !== 'userBySession',
    status: 401,
    code: 'unauthenticated',
    why: 'public, so that a page can ask whether its user is signed in: it reads the cookie itself',
  },
  {
    operation: 'validateTokens',
    applies: ({ kind, request }) => kind === 'anonymous' && 'token_ids' in request.body,
    status: 401,
    code: 'unauthenticated',
    why: 'a token may be validated by anyone who has it; an id only with tokens:read',
  },
  {
    operation: 'validateTokens',
    applies: ({ kind, request }) => kind !== 'anonymous' && 'token_ids' in request.body,
    status: 403,
    code: 'permission_missing',
    why: 'a token may be validated by anyone who has it; an id only with tokens:read',
  },
  {
    operation: 'issueTokens',
    applies: ({ kind, request, rights }) => kind !== 'userBySession' && rights === 'none' && !request.isNaming,
    status: 403,
    code: 'permission_missing',
    why: 'only a session gives a pair of one’s own',
  },
  {
    operation: 'requestSignOff',
    applies: ({ kind }) => kind.startsWith('client'),
    status: 403,
    code: 'signoff_owner_required',
    why: 'behind a client that is no agent stands no person who could be barred from deciding',
  },
  {
    operation: 'decryptPhi',
    status: 403,
    code: 'phi_access_refused',
    why: 'field policies of the roles decide, and the roles of the matrix have none',
  },
];

/** Creates the check of answers that are refusals though the declaration allows the caller. */
export function createExceptions() {
  const used = new Set<Exception>();
  return {
    /** Whether an answer with 401 or 403 refuses something else than the caller, or is an exception. */
    admits(cell: Cell, answered: Answered): boolean {
      const { status, code } = answered;
      // Who may do everything lacks no right.
      if (cell.rights === 'all' && code === 'rights_exceeded') return false;
      if (status !== 401 && status !== 403) return status < 500;
      if ((code !== undefined && ABOUT_CONTENTS.has(code)) || isForeignForm(cell, answered)) return true;
      const found = EXCEPTIONS.find(
        (each) =>
          each.operation === cell.endpoint.operation &&
          each.status === status &&
          each.code === code &&
          (each.applies?.(cell) ?? true),
      );
      if (found !== undefined) used.add(found);
      return found !== undefined;
    },
    /** Exceptions that no answer needed. */
    unused: (): string[] =>
      EXCEPTIONS.filter((each) => !used.has(each)).map(({ operation, why }) => `${operation}: ${why}`),
  };
}

/**
 * Acts that need a permission and no reason. The purpose of a use of health data is its reason; a compliance report
 * changes nothing; RFC 7662 and RFC 7591 bodies name no resource; a sign-off has a title, and its decisions comments; a
 * rotation is what the schedule does anyway; and stopping, resuming or retrying a queue concerns no user's resources.
 */
export const NO_REASON: ReadonlySet<string> = new Set(
  `introspectToken rehearseImport selfRegisterClient rotateSigningKeys changeQueue encryptPhi decryptPhi
  validateDataAccess logPhiAccess recordDisclosure recordUserConsent requestReport requestSecurityReport
  requestSignOff requestBackchannel approveSignOff denySignOff startSignOff finishSignOff receiveAlertmanager createStream updateStream
  replaceStream deleteStream updateStreamStatus addStreamSubject removeStreamSubject verifyStream pollStream
  testAlertTarget`.split(/\s+/),
);

/** Ids in paths that no user owns: of the audit log, providers, the installation's keys, compliance and hand-offs. */
export const OF_NOBODY: ReadonlySet<string> = new Set(
  `mail origin seq tile part queue job_id page file path provider rotation_id purpose restriction_id break_glass_id
  request_id hold_id run_id report_id import_id control_id violation_id delivery_id siem_target`.split(/\s+/),
);
