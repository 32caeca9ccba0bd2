import { requestSignOffEndpoint, type SignOffView } from './contract.ts';
import type { SignOffRow } from './signoffs.store.ts';

export const signOffViewOf = (row: SignOffRow): SignOffView => {
  const decided = new Set(row.decisions.map(({ role }) => role));
  return {
    signoff_id: row.id,
    act: row.act,
    title: row.title,
    arguments: JSON.parse(row.arguments) as unknown,
    arguments_sha256: row.arguments_sha256,
    requested_by: { kind: row.requested_by_kind, id: row.requested_by },
    client_id: row.client_id,
    required_roles: row.required_roles,
    quorum: row.quorum,
    conditions: { min_security_score: row.min_security_score, no_open_incident: row.no_open_incident },
    state: row.state,
    waiting_for: row.state === 'pending' ? row.required_roles.filter((role) => !decided.has(role)) : [],
    decisions: row.decisions,
    requested_at: row.requested_at,
    expires_at: row.expires_at,
    decided_at: row.decided_at,
    started_at: row.started_at,
    finished_at: row.finished_at,
    failure: row.failure,
    policy: row.policy_act === null ? null : { act: row.policy_act, version: row.policy_version as number },
    argument_labels: row.argument_labels,
  };
};

/** What had to be met, for events and receipts; the version is null where no policy applied. */
export const requirementsOf = ({ required_roles, quorum, policy_version }: SignOffRow) => ({
  required_roles,
  quorum,
  policy_version,
});

/**
 * What the caller lacks, in the form of RFC 9396: the approval of this act with exactly these arguments, and where to
 * request it. Roles are those of an earlier request for the same act.
 */
export const signOffHint = (
  known: Pick<SignOffView, 'act' | 'required_roles' | 'quorum'> | null,
  act: string,
  sha256: string,
) => ({
  authorization_details: [
    {
      type: 'sallyport_act',
      act,
      arguments_sha256: sha256,
      ...(act === known?.act ? { required_roles: known.required_roles, quorum: known.quorum } : {}),
      request_at: requestSignOffEndpoint.path,
    },
  ],
});

/** Who approved, for events: ids and roles. */
export const approvalsOf = ({ decisions }: SignOffRow) =>
  decisions.filter(({ decision }) => decision === 'approve').map(({ role, user_id }) => ({ role, user_id }));

/** What every event of a sign-off says about it. */
export const factsOf = ({ act, arguments_sha256 }: Pick<SignOffRow, 'act' | 'arguments_sha256'>) => ({
  act,
  arguments_sha256,
});
