/**
 * Whether a claim of another system says yes: `true`, or exactly the text "true", as which some providers send it (Amazon
 * Cognito at UserInfo). Nothing else does.
 */
export const isTrueClaim = (value: unknown): boolean => value === true || value === 'true';
