import type { HasKeyRing } from '../keys/key-ring.ts';
import type { Ports } from '../ports.ts';
import { confirmIfMissing, type HasStateConfirmation } from '../revocations/confirm-state.ts';
import type { HasRevocations } from '../revocations/revocation-set.ts';
import type { AccessTokenClaims } from './access-token.ts';
import {
  type EndRow,
  type FamilyTies,
  readFamilyEnd,
  readFamilyTies,
  readFirstRevocation,
  type TokenTies,
} from './explain-end.store.ts';
import { checkRefreshToken, isOfNewerKey, uuidFromBytes } from './refresh/refresh-token-format.ts';
import type { HasTokenSettings } from './token-settings.ts';
import { assertVerifiable } from './verify/assert-verifiable.ts';
import { verifyToken } from './verify/validate-token.ts';
import { DECIDING_RULES, type DecidingRule, END_REASONS, type EndReason, type Explanation } from './why-contract.ts';

export type ExplainPorts = Pick<Ports, 'sql' | 'clock'> &
  HasKeyRing &
  HasRevocations &
  HasStateConfirmation &
  HasTokenSettings;

const LIVES: Explanation = { ended: false };
const because = (reason: EndReason): Explanation => ({ ended: true, reason, rule: reason, cause: null });

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const REASONS: ReadonlySet<string> = new Set(END_REASONS);
const RULES: ReadonlySet<string> = new Set(DECIDING_RULES);
const ACTORS: ReadonlySet<string> = new Set(['user', 'client', 'system', 'anonymous']);

const EVENTS = {
  jti: 'token.revoked',
  sid: 'session.ended',
  family: 'token.family_ended',
  user: 'user.tokens_revoked',
  client: 'client.tokens_revoked',
} as const satisfies Record<EndRow['kind'], string>;

/** Reasons with their own event, which says more than that the token family ended. */
const OWN_EVENTS: Readonly<Record<string, string>> = {
  refresh_token_reused: 'token.refresh_reused',
  code_reused: 'oauth.code_reused',
};

/** Reasons that a rule writes for every actor: a deleted row, a token used twice, a newer token family. */
const RULES_FOR_EVERY_ACTOR: ReadonlySet<string> = new Set([
  'superseded',
  'refresh_token_reused',
  'code_reused',
  'user_deleted',
  'client_deleted',
]);

function actorOf({ actor_kind: actorKind, actor_id: actorId }: EndRow, userId: string | null) {
  if (actorKind === 'user' && actorId === userId) return 'self';
  return actorKind !== null && ACTORS.has(actorKind) ? (actorKind as 'user') : null;
}

/** The rule of an end with a free-text reason, from its actor and from what was ended (session, family or token). */
function ruleOfAct({ kind, rule }: EndRow, actor: ReturnType<typeof actorOf>): DecidingRule {
  if (rule !== null && RULES.has(rule)) return rule as DecidingRule;
  if (actor === null) return 'revoked';
  if (actor === 'self') return 'ended_by_user';
  return kind === 'jti' || kind === 'family' ? 'token_revoked' : 'admin_ended';
}

/** Callers that may end another user's sessions write any reason, also one that equals the name of a rule. */
function isFreeText(
  { reason, rule, actor_kind: actorKind }: EndRow,
  actor: ReturnType<typeof actorOf>,
  userId: string | null,
) {
  const isByAnother = userId !== null && actor !== 'self' && (actorKind === 'user' || actorKind === 'client');
  return rule !== null || (isByAnother && !RULES_FOR_EVERY_ACTOR.has(reason));
}

function explain(end: EndRow, { user_id: userId }: TokenTies): Explanation {
  const actor = actorOf(end, userId);
  const isRule = REASONS.has(end.reason) && !isFreeText(end, actor, userId);
  const reason = isRule ? (end.reason as EndReason) : 'revoked';
  const rule = reason === 'revoked' ? ruleOfAct(end, actor) : reason;
  const event = OWN_EVENTS[end.reason] ?? EVENTS[end.kind];
  return { ended: true, reason, rule, cause: { event, actor, at: end.ended_at } };
}

const tiesOf = (claims: AccessTokenClaims): TokenTies => ({
  token_id: claims.jti,
  session_id: claims.sid ?? null,
  family_id: claims.fid ?? null,
  user_id: claims.fid === undefined ? null : claims.sub,
  client_id: claims.client_id,
  user_epoch: claims.ue ?? 0,
  client_epoch: claims.ce ?? 0,
});

/** What ended the token, or one of the few tokens and clients that it was exchanged from. */
async function readAccessEnd({ sql }: Pick<Ports, 'sql'>, ties: TokenTies, { origins = [] }: AccessTokenClaims) {
  const none = { session_id: null, family_id: null, user_id: null, user_epoch: 0 };
  const before = origins.map(
    ({ jti, client_id, ce }): TokenTies => ({ ...none, token_id: jti, client_id, client_epoch: ce }),
  );
  for (const each of [ties, ...before]) {
    const end = await readFirstRevocation(sql, each);
    if (end !== undefined) return end;
  }
  return undefined;
}

/** An access token stays valid after its token family was replaced, so the family explains only an expired token. */
async function explainAccess(ports: ExplainPorts, token: string): Promise<Explanation> {
  const verified = await confirmIfMissing(
    ports,
    () => verifyToken(ports, token),
    (found) => found === 'unknown_key',
  );
  if (verified === 'key_compromised') return because('key_compromised');
  if (typeof verified === 'string') return because('unknown_token');
  const ties = tiesOf(verified.claims);
  const revocation = await readAccessEnd(ports, ties, verified.claims);
  if (revocation !== undefined) return explain(revocation, ties);
  if (ports.revocations.isKeyRevoked(verified.kid)) return because('key_compromised');
  const until = verified.claims.exp + ports.tokenSettings.leewaySeconds;
  if (ports.clock.now() / 1_000 < until) return LIVES;
  const { family_id: familyId } = ties;
  const end = familyId !== null && UUID.test(familyId) ? await readFamilyEnd(ports.sql, familyId) : undefined;
  return end === undefined ? because('expired') : explain(end, ties);
}

async function explainRefresh(ports: ExplainPorts, familyBytes: Buffer, nonceHash: Buffer): Promise<Explanation> {
  const familyId = uuidFromBytes(familyBytes);
  const ties = await readFamilyTies(ports.sql, familyId, nonceHash);
  // Rows of token families are kept until they can no longer be refreshed.
  if (ties === undefined) return because('expired');
  const explanation = await explainFamily(ports, familyId, ties);
  return ties.lost_answer_at === null ? explanation : { ...explanation, lost_answer_at: ties.lost_answer_at };
}

async function explainFamily(ports: ExplainPorts, familyId: string, ties: FamilyTies): Promise<Explanation> {
  const [end, revocation] = [await readFamilyEnd(ports.sql, familyId), await readFirstRevocation(ports.sql, ties)];
  // The revocation that ended the family may cover more than the family; it names the actor.
  if (end !== undefined) return explain(revocation?.reason === end.reason ? revocation : end, ties);
  if (revocation !== undefined) return explain(revocation, ties);
  return ties.is_expired ? because('expired') : LIVES;
}

/**
 * Why a token or its token family ended: the rule that decided, the actor and the time. Any holder of the token may ask.
 * A token of another issuer, or a refresh token bound to a client, gets no explanation. Reads only.
 * Throws `revocation_state_stale`, `state_rewound`, `clock_wrong`, `key_ring_behind`, `store_unavailable` (503).
 */
export async function explainEnd(ports: ExplainPorts, input: { readonly token: string }): Promise<Explanation> {
  assertVerifiable(ports);
  const refresh = await confirmIfMissing(
    ports,
    () => checkRefreshToken(input.token, [''], ports.keyRing, ports.revocations.state().incarnation),
    (found) => found === null && isOfNewerKey(input.token, ports.keyRing),
  );
  return refresh === null
    ? explainAccess(ports, input.token)
    : explainRefresh(ports, refresh.familyBytes as Buffer, refresh.nonceHash as Buffer);
}
