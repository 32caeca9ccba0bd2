/** Why a key is refused: `invalid` if it is unknown, expired, revoked, or its owner is disabled or ended all sessions. */
export const KEY_REFUSALS = ['malformed', 'invalid', 'signature_required', 'wrong_audience'] as const;
