import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import type { SignOffPolicyView } from './signoff-policy-shapes.ts';

/** A row trigger gives each change a new version. */
const policyPut = defineStatement('signoffPolicyPut')`
  INSERT INTO signoff_policies (act, application, roles, quorum, lifetime_minutes, min_security_score, no_open_incident, arguments, version)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
  ON CONFLICT (act) DO UPDATE SET roles = excluded.roles, quorum = excluded.quorum, lifetime_minutes = excluded.lifetime_minutes,
    min_security_score = excluded.min_security_score, no_open_incident = excluded.no_open_incident, arguments = excluded.arguments
  WHERE signoff_policies.application = excluded.application`;
/** By index signoff_policies_application. */
const policiesDelete = defineStatement('signoffPoliciesDelete')`
  DELETE FROM signoff_policies WHERE application = $1 AND act = ANY ($2)`;
/** At most 50 policies of each of 100 applications. */
const actsRead = defineStatement('signoffPolicyActsRead', 'SELECT act, application FROM signoff_policies');

export const putPolicy = (tx: Sql, application: string, policy: SignOffPolicyView): Promise<unknown> =>
  tx.query(policyPut, [
    policy.act,
    application,
    policy.roles,
    policy.quorum,
    policy.lifetime_minutes,
    policy.min_security_score,
    policy.no_open_incident,
    JSON.stringify(policy.arguments),
  ]);

export async function removePolicies(tx: Sql, application: string, acts: readonly string[]): Promise<void> {
  if (acts.length > 0) await tx.query(policiesDelete, [application, acts]);
}

export const readPolicyActs = (sql: Sql): Promise<{ readonly act: string; readonly application: string }[]> =>
  sql.query(actsRead);
