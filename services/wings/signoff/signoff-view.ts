import type { SignOffView } from './contract.ts';
import type { SignOffRow } from './signoffs.store.ts';

export const signOffViewOf = (row: SignOffRow): SignOffView => {
  const decided = new Set(row.decisions.map(({ role }) => role));
  return {
    signoff_id: row.id,
    act: row.act,
    title: row.title,
    arguments: JSON.parse(row.arguments) as unknown,
    arguments_sha256: row.argumentsSha256,
    requested_by: { kind: row.requestedByKind, id: row.requestedBy },
    client_id: row.clientId,
    required_roles: row.requiredRoles,
    quorum: row.quorum,
    conditions: { min_security_score: row.minSecurityScore, no_open_incident: row.noOpenIncident },
    state: row.state,
    waiting_for: row.state === 'pending' ? row.requiredRoles.filter((role) => !decided.has(role)) : [],
    decisions: row.decisions.map(({ userId, ...decision }) => ({ ...decision, user_id: userId })),
    requested_at: row.requestedAt,
    expires_at: row.expiresAt,
    decided_at: row.decidedAt,
    started_at: row.startedAt,
    finished_at: row.finishedAt,
    failure: row.failure,
    policy: row.policyAct === null ? null : { act: row.policyAct, version: row.policyVersion as number },
    argument_labels: row.argumentLabels,
  };
};

/** What had to be met, for events and receipts; the version is null where no policy applied. */
export const requirementsOf = ({ requiredRoles, quorum, policyVersion }: SignOffRow) => ({
  required_roles: requiredRoles,
  quorum,
  policy_version: policyVersion,
});

/** Who approved, for events: ids and roles. */
export const approvalsOf = ({ decisions }: SignOffRow) =>
  decisions.filter(({ decision }) => decision === 'approve').map(({ role, userId }) => ({ role, user_id: userId }));

/** What every event of a sign-off says about it. */
export const factsOf = ({ act, argumentsSha256 }: Pick<SignOffRow, 'act' | 'argumentsSha256'>) => ({
  act,
  arguments_sha256: argumentsSha256,
});
