import { defineSettings } from '../define/setting.ts';
import { flag, optionalIssuer, optionalText, wholeNumber } from './shapes.ts';

export const tokenSettings = defineSettings({
  issuer: { env: 'JWT_ISSUER', schema: optionalIssuer(), use: '`iss` of every token; unset: BETTER_AUTH_URL.' },
  audience: { env: 'JWT_AUDIENCE', schema: optionalText(512), use: 'Default `aud`; unset: BETTER_AUTH_URL.' },
  accessTokenSeconds: {
    env: 'JWT_ACCESS_EXPIRY',
    schema: wholeNumber(900, 1, 86_400),
    use: 'Lifetime of an access token, seconds.',
  },
  refreshTokenSeconds: {
    env: 'JWT_REFRESH_EXPIRY',
    schema: wholeNumber(604_800, 60, 31_536_000),
    use: 'A token family that is not refreshed for this long expires, seconds.',
  },
  refreshAbsoluteSeconds: {
    env: 'JWT_REFRESH_ABSOLUTE_EXPIRY',
    schema: wholeNumber(2_592_000, 60, 63_072_000),
    use: 'A token family expires after this long however often it is refreshed, seconds.',
  },
  leewaySeconds: {
    env: 'JWT_LEEWAY',
    schema: wholeNumber(5, 0, 60),
    use: 'Clock skew allowed on exp, nbf and iat, seconds.',
  },
  graceSeconds: {
    env: 'REFRESH_GRACE_SECONDS',
    schema: wholeNumber(10, 0, 60),
    use: 'How long after a rotation the previous refresh token is still accepted and gets the same successor, seconds.',
  },
  graceUses: {
    env: 'REFRESH_GRACE_USES',
    schema: wholeNumber(100, 0, 1_000),
    use: 'How many times the previous refresh token is accepted within REFRESH_GRACE_SECONDS.',
  },
  lostAnswerSeconds: {
    env: 'REFRESH_LOST_ANSWER_SECONDS',
    schema: wholeNumber(120, 0, 3_600),
    use: 'Grace period for a client that did not receive the response of a rotation, seconds. The previous refresh token gets the same successor for this long if it comes from the same network and user agent and the successor has not been used. 0: only REFRESH_GRACE_SECONDS applies.',
  },
  requireSessionBinding: {
    env: 'REQUIRE_SESSION_BINDING',
    schema: flag(true),
    use: 'Tokens expire with their session.',
  },
  enableIpValidation: {
    env: 'ENABLE_IP_VALIDATION',
    schema: flag(false),
    use: 'Tokens carry a keyed hash of the client address, compared at validation.',
  },
  enableUserAgentValidation: {
    env: 'ENABLE_USER_AGENT_VALIDATION',
    schema: flag(false),
    use: 'Tokens carry a keyed hash of the user agent, compared at validation.',
  },
  enableReplayProtection: {
    env: 'ENABLE_REPLAY_PROTECTION',
    schema: flag(true),
    use: 'A replayed refresh token revokes its family.',
  },
  validateReplay: {
    env: 'VALIDATE_REPLAY_PROTECTION',
    schema: flag(false),
    use: 'Validation also refuses a token that was first presented from another address or user agent. It needs Redis; while Redis is unreachable, validation answers 503.',
  },
  requireDpopNonce: {
    env: 'DPOP_REQUIRE_NONCE',
    schema: flag(false),
    use: 'Require a server nonce in DPoP proofs, so that a proof cannot be created in advance (RFC 9449 §8).',
  },
  cacheMegabytes: {
    env: 'TOKEN_CACHE_MB',
    schema: wholeNumber(128, 1, 4_096),
    use: 'Memory for verified access tokens in each API process, MB. A token of 1,000 characters takes about 2.6 KB. When the cache is full, it keeps the tokens that are in use.',
  },
  groupCommit: {
    env: 'GROUP_COMMIT',
    schema: flag(true),
    use: 'Write concurrent refreshes in one statement, and likewise the audit rows of client credentials tokens. Turn it off only to measure the effect.',
  },
});
