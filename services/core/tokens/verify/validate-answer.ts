import type { Ports } from '#services/core/ports.ts';
import type { ValidateRequest } from '../contract.ts';
import { detectReplayAttack, type ReplayContext } from './detect-replay.ts';
import { inactiveAnswer } from './inactive-answer.ts';
import type { HasReplayLog } from './replay-log.ts';
import { decideToken, type ValidatePorts } from './validate-token.ts';
import type { VerifiedToken } from './verified-token-cache.ts';

/** Redis and the log are used only while VALIDATE_REPLAY_PROTECTION is on; it is off by default. */
export type ValidateAnswerPorts = ValidatePorts & Pick<Ports, 'redis'> & HasReplayLog;

const PLAIN_START = '{"token":"';

/** Returns the token of a body that is exactly `{"token":"…"}`, without a JSON parser; null for any other text. */
export function plainTokenOf(body: string): string | null {
  const end = body.length - 2;
  if (!body.startsWith(PLAIN_START) || body.charCodeAt(end + 1) !== 0x7d) return null;
  if (body.indexOf('"', PLAIN_START.length) !== end || body.includes('\\')) return null;
  return body.slice(PLAIN_START.length, end);
}

/** Returns the validate response as JSON text for a token without further requirements. */
export function answerToken(ports: ValidatePorts, token: string): string {
  const decision = decideToken(ports, token);
  return typeof decision === 'string' ? inactiveAnswer(decision) : decision.answer;
}

/**
 * Returns the validate response as JSON text; a promise only while VALIDATE_REPLAY_PROTECTION is on.
 * Throws `revocation_state_stale`, `state_rewound`, `clock_wrong`, `key_ring_behind`, `replay_store_unavailable` (503).
 */
export function answerRequest(ports: ValidateAnswerPorts, request: ValidateRequest): string | Promise<string> {
  const { context } = request;
  const decision = decideToken(ports, request.token, {
    audience: request.audience,
    requiredScope: request.required_scope,
    ip: context?.ip,
    userAgent: context?.user_agent,
    dpop: context?.dpop,
    x5t: context?.['x5t#S256'],
  });
  if (typeof decision === 'string') return inactiveAnswer(decision);
  if (ports.tokenSettings.validateReplay && context !== undefined)
    return answerUnlessReplayed(ports, decision, { ip: context.ip, userAgent: context.user_agent });
  return decision.answer;
}

async function answerUnlessReplayed(
  ports: ValidateAnswerPorts,
  verified: VerifiedToken,
  context: ReplayContext,
): Promise<string> {
  const isReplayed = await detectReplayAttack(ports, verified.claims, context);
  if (!isReplayed) return verified.answer;
  await ports.recordReplay(verified.claims, context);
  return inactiveAnswer('binding_mismatch');
}
