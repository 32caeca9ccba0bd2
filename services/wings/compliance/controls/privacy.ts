import { openBreakGlass } from '#services/wings/privacy/access/break-glass.ts';
import { decideAccess } from '#services/wings/privacy/access/decide-access.ts';
import { setFieldPolicy } from '#services/wings/privacy/access/field-policies.ts';
import { applyMinimumNecessary } from '#services/wings/privacy/access/minimum-necessary.ts';
import { addRestriction } from '#services/wings/privacy/access/restrictions.ts';
import { checked, type Observation } from '../control.ts';
import { insertProbeUser } from '../probes/access.store.ts';
import { inRollback, insideOf, probeClient, probeUser } from '../probes/in-rollback.ts';
import {
  deleteProbePolicies,
  expireProbeAccess,
  lateExportsTally,
  lostDisclosuresTally,
  readRestrictedUsesTally,
  unconsentedResearchTally,
  unprotectedRecordsTally,
  unreviewedAccessTally,
  widePoliciesTally,
} from '../probes/privacy.store.ts';
import { observeTally, tallied } from '../probes/tally.store.ts';

const ROLE = 'user';
const PLANTED = { name: 'probe', diagnosis: { code: 'probe' } };

const DECISIONS = 2;

/** Health data: who sees it, and what its persons may ask. */
export const privacyControls = [
  checked({
    name: 'emergency-access-reviewed',
    title: 'Another user reviews every emergency access within three days',
    clause: '164.308(a)(1)(ii)(D)',
    population: 'emergency accesses',
    probe: 'Finds emergency accesses that were opened more than 72 hours ago and are not reviewed',
    evidence: 'Number of emergency accesses, and ids of those whose review is overdue',
    threat: 'A user opens emergency access out of curiosity',
    humanDuty: 'Review each emergency access, and decide whether it was justified.',
    check: tallied(unreviewedAccessTally, 'the review of an emergency access is overdue'),
  }),
  checked({
    name: 'emergency-access-works',
    title: 'Emergency access opens one person to one user over policies and restrictions, and ends by itself',
    clause: '164.312(a)(2)(ii)',
    population: 'three decisions of a probe: during the access, for another person, and after it',
    probe:
      'Opens emergency access to a restricted person of its own in a transaction, asks the rule of the API about three uses, and rolls back',
    evidence: 'The three decisions',
    isProbe: true,
    threat: 'Care is delayed because health data cannot be read, or emergency access stays open',
    humanDuty: 'Decide who may open emergency access (permission phi:break_glass).',
    check: async ({ random, ...ports }): Promise<Observation> => {
      const subjectId = random.uuid();
      const user = probeUser(random.uuid(), []);
      const seen = await inRollback(ports, async (tx) => {
        const inside = insideOf(tx, { random });
        const isAllowed = async (to: string): Promise<boolean> =>
          (await decideAccess(inside, { subject_id: to, purpose: 'treatment' }, user)).isAllowed;
        await insertProbeUser(tx, subjectId);
        await addRestriction(inside, { subject_id: subjectId, purposes: ['treatment'], reason: 'probe' }, user);
        const opened = await openBreakGlass(inside, { subject_id: subjectId, minutes: 5, reason: 'probe' }, user);
        const during = await isAllowed(subjectId);
        const other = await isAllowed(random.uuid());
        await expireProbeAccess(tx, opened.break_glass_id);
        return { during, other, after: await isAllowed(subjectId) };
      });
      return {
        population: 3,
        exceptions: [
          ...(seen.during
            ? []
            : [{ resource: 'during the access', why: 'emergency access does not open health data' }]),
          ...(seen.other ? [{ resource: 'another person', why: 'emergency access opens another person' }] : []),
          ...(seen.after ? [{ resource: 'after the access', why: 'emergency access does not end' }] : []),
        ],
        observed: { allowed_during: seen.during, allowed_for_another: seen.other, allowed_after: seen.after },
      };
    },
  }),
  checked({
    name: 'minimum-necessary-applied',
    title: 'A user sees only the fields that a policy permits to a role, and nothing without one',
    clause: '164.502(b)',
    population: 'two decisions of a probe: a purpose with a policy, and one without',
    probe:
      'Permits one field to a role in a transaction, asks the rule of the API what a user of the role sees of a planted value, and rolls back',
    evidence: 'Names of the fields that the probe saw, and the decision without a policy',
    isProbe: true,
    threat: 'A member of staff reads health data that the work does not need',
    humanDuty: 'Write the policy that limits uses, disclosures and requests to the minimum necessary.',
    check: async ({ random, ...ports }): Promise<Observation> => {
      const subjectId = random.uuid();
      const caller = probeUser(random.uuid(), [ROLE]);
      const [seen, isOtherAllowed] = await inRollback(ports, async (tx) => {
        const inside = insideOf(tx, { random });
        await deleteProbePolicies(tx, ROLE);
        await setFieldPolicy(inside, { role: ROLE, purpose: 'payment', fields: ['name'], reason: 'probe' }, caller);
        const decision = await decideAccess(inside, { subject_id: subjectId, purpose: 'payment' }, caller);
        const other = await decideAccess(inside, { subject_id: subjectId, purpose: 'operations' }, caller);
        const shown = decision.isAllowed ? applyMinimumNecessary(PLANTED, decision.fields) : {};
        return [Object.keys(shown as object).sort(), other.isAllowed] as const;
      });
      const isExact = seen.length === 1 && seen[0] === 'name';
      return {
        population: 2,
        exceptions: [
          ...(isExact
            ? []
            : [{ resource: 'purpose with a policy', why: 'a user sees other fields than the policy permits' }]),
          ...(isOtherAllowed
            ? [{ resource: 'purpose without a policy', why: 'a user sees health data without a policy' }]
            : []),
        ],
        observed: { fields_permitted: ['name'], fields_seen: seen, allowed_without_policy: isOtherAllowed },
      };
    },
  }),
  checked({
    name: 'research-consented',
    title: 'Health data was used for research only while the person consented',
    clause: '164.508(a)(1)',
    population: 'uses for research in the last year',
    probe: 'Compares each use for research in the audit log with the version of the consent that counted at its time',
    evidence: 'Number of uses, and events of uses without a consent',
    pace: 'thorough',
    threat: 'Health data is used for research after the person withdrew the consent',
    humanDuty: 'Write the authorization that people sign, and record each decision on the day it is made.',
    check: tallied(unconsentedResearchTally, 'the person did not consent at the time of the use'),
  }),
  checked({
    name: 'field-policies-limited',
    title:
      'No role may see every field for payment, operations or public health, and the roles of every account see none',
    clause: '164.514(d)(2)',
    population: 'field policies',
    probe: 'Reads the field policies, and finds those that permit every field for a purpose that the minimum binds',
    evidence: 'Number of policies, and role and purpose of each that is too wide',
    threat: 'A member of staff reads health data that the work does not need',
    humanDuty: 'Identify the roles that need health data, the categories each needs, and the conditions of access.',
    check: tallied(widePoliciesTally, 'the policy permits more than the purpose needs'),
  }),
  checked({
    name: 'restrictions-enforced',
    title: 'A restriction that was agreed to refuses users and clients, and no use was made against one',
    clause: '164.522(a)(1)(iii)',
    population: 'restrictions, and two decisions of a probe: for a user and for a client',
    probe:
      'Restricts a person of its own in a transaction, asks the rule of the API about a use, and rolls back; and compares each restriction with the uses in the audit log',
    evidence: 'The decisions, the number of restrictions, and ids of those that a use contradicts',
    pace: 'thorough',
    threat: 'Health data is used in a way that the person was promised would not happen',
    humanDuty: 'Decide each request for a restriction, and record those you agree to.',
    check: async ({ random, ...ports }): Promise<Observation> => {
      const subjectId = random.uuid();
      const user = probeUser(random.uuid(), [ROLE]);
      const use = { subject_id: subjectId, purpose: 'payment' } as const;
      const allowed = await inRollback(ports, async (tx) => {
        const inside = insideOf(tx, { random });
        await insertProbeUser(tx, subjectId);
        await setFieldPolicy(inside, { role: ROLE, purpose: 'payment', fields: ['name'], reason: 'probe' }, user);
        await addRestriction(inside, { subject_id: subjectId, purposes: ['payment'], reason: 'probe' }, user);
        const byUser = (await decideAccess(inside, use, user)).isAllowed;
        return { user: byUser, client: (await decideAccess(inside, use, probeClient)).isAllowed };
      });
      const uses = observeTally(
        await readRestrictedUsesTally(ports.sql),
        'health data was used for a purpose that the person had restricted',
        { user_allowed: allowed.user, client_allowed: allowed.client },
      );
      const decisions = Object.entries(allowed)
        .filter(([, isAllowed]) => isAllowed)
        .map(([who]) => ({ resource: `decision for a ${who}`, why: `a restriction does not bind a ${who}` }));
      return {
        ...uses,
        population: uses.population + DECISIONS,
        exceptions: [...decisions, ...uses.exceptions],
        exceptionCount: decisions.length + (uses.exceptionCount ?? 0),
      };
    },
  }),
  checked({
    name: 'access-requests-answered',
    title: 'Every requested export is answered within 30 days',
    clause: '164.524(b)(2)',
    population: 'requested exports',
    probe: 'Finds exports that are not done after their due date, or in the last month were done after it',
    evidence: 'Number of exports, and ids of those that are or were late',
    threat: 'A person waits for records that are due',
    humanDuty:
      'Request the export on the day that the person asks, and hand it over with the records of your application.',
    check: tallied(lateExportsTally, 'the export was not done within 30 days'),
  }),
  checked({
    name: 'disclosures-recorded',
    title: 'Every recorded disclosure of six years can be accounted for, and is in the audit log',
    clause: '164.528(a)',
    population: 'disclosures that the audit log names',
    probe: 'Compares the disclosures that the audit log names with the rows of the accounting, in both directions',
    evidence: 'Number of disclosures, and those that are missing in the accounting or in the log',
    pace: 'thorough',
    threat: 'A disclosure is hidden from the person it is about',
    humanDuty: 'Decide what a disclosure is, and record it.',
    check: tallied(lostDisclosuresTally, 'accounting and audit log differ'),
  }),
  checked({
    name: 'privacy-records-kept',
    title:
      'The database refuses to change or delete consents and disclosures, and to keep evidence for less than six years',
    clause: '164.530(j)(2)',
    population: 'triggers and constraints that keep privacy records',
    probe:
      'Reads the triggers of consents and disclosures and the constraints of the retention policies from the catalogue',
    evidence: 'Triggers and constraints that are missing or disabled',
    threat: 'Records are gone when an investigation asks for them',
    humanDuty: 'Keep policies, notices and complaints for six years.',
    check: tallied(unprotectedRecordsTally, 'the database would accept the change'),
  }),
] as const;
