import { JsonText } from '#services/core/shared/answer.ts';
import {
  issueTokensEndpoint,
  refreshTokensEndpoint,
  revokeTokenEndpoint,
  validateTokenEndpoint,
  validateTokensEndpoint,
} from '#services/core/tokens/contract.ts';
import { type IssuePorts, issuePair } from '#services/core/tokens/issue/issue-pair.ts';
import { type RefreshTokenPorts, refreshToken } from '#services/core/tokens/refresh/refresh-token.ts';
import { type RevokeInput, type RevokePorts, revokeToken } from '#services/core/tokens/revoke/revoke-token.ts';
import { createEndOfTick } from '#services/core/tokens/verify/end-of-tick.ts';
import { inactiveAnswer } from '#services/core/tokens/verify/inactive-answer.ts';
import type { HasLegacyBridge } from '#services/core/tokens/verify/legacy-bridge-port.ts';
import {
  answerRequest,
  answerToken,
  plainTokenOf,
  type ValidateAnswerPorts,
} from '#services/core/tokens/verify/validate-answer.ts';
import { validateBatch } from '#services/core/tokens/verify/validate-batch.ts';
import type { EndpointInput } from '#services/platform/define/endpoint.ts';
import { bind, bindText, type RouteContext } from '../bind.ts';
import { extractTokenFromRequest } from '../requests/credentials.ts';

export type TokenRoutesPorts = IssuePorts & RefreshTokenPorts & ValidateAnswerPorts & RevokePorts & HasLegacyBridge;

/** Anonymous refresh: the token itself is the credential. */
const BY_NOBODY = { clientId: null, isAuthenticated: false } as const;

const MALFORMED = inactiveAnswer('malformed');

/** Exactly one member besides `reason` and `dry_run`, as the schema ensures. */
function revokeInput({
  reason,
  dry_run: isDryRun = false,
  ...named
}: EndpointInput<typeof revokeTokenEndpoint>['body']): RevokeInput {
  const [[kind, value] = ['token', '']] = Object.entries(named);
  return { kind: kind as RevokeInput['kind'], value, reason, isDryRun };
}

export function tokensRoutes(routes: RouteContext, ports: TokenRoutesPorts): void {
  const endOfTick = createEndOfTick();
  const { legacyBridge } = ports;
  bind(routes, issueTokensEndpoint, ({ body }, caller, { headers }) => {
    const idempotencyKey = headers['idempotency-key'] as string | undefined;
    const device = typeof body?.device === 'string' ? { name: body.device } : body?.device;
    return issuePair(
      ports,
      { ...body, device, userId: body?.user_id, verifiedFactors: body?.verified_factors, idempotencyKey },
      caller,
    );
  });
  bind(routes, refreshTokensEndpoint, ({ body }, caller) =>
    refreshToken(ports, { refreshToken: body.refresh_token, presentedBy: BY_NOBODY, scope: body.scope }, caller),
  );
  bindText(routes, validateTokenEndpoint, (text, parsed, request) => {
    const token = plainTokenOf(text);
    if (token === null) {
      const asked = parsed() ?? { token: extractTokenFromRequest(request) ?? '' };
      return legacyBridge?.isFor(asked.token) ? legacyBridge.answer(asked) : answerRequest(ports, asked);
    }
    const answer = (): string => {
      const decision = answerToken(ports, token);
      // Only a token of three well-formed parts shows that the text around it was JSON.
      if (decision === MALFORMED) parsed();
      return decision;
    };
    if (ports.verifiedTokens.get(token) !== undefined) return answer();
    if (legacyBridge?.isFor(token)) return legacyBridge.answer({ token });
    // Signatures verified in a row cost half the CPU time of signatures verified between other work.
    return endOfTick().then(answer);
  });
  bind(
    routes,
    validateTokensEndpoint,
    async ({ body }, caller) => new JsonText(await validateBatch(ports, body, caller)),
  );
  bind(routes, revokeTokenEndpoint, ({ body }, caller) => revokeToken(ports, revokeInput(body), caller));
}
