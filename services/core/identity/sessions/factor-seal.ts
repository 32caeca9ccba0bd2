/**
 * Encrypts second factors as Better Auth does for its rows; `AuthFactors.open` opens what this seals, and the other way.
 * The library is loaded with the first factor: most processes have none to encrypt.
 */
export const createFactorSeal = (
  authSecret: string,
): { seal(plain: string): Promise<string>; open(sealed: string): Promise<string> } => ({
  seal: async (plain) => (await import('better-auth/crypto')).symmetricEncrypt({ key: authSecret, data: plain }),
  open: async (sealed) => (await import('better-auth/crypto')).symmetricDecrypt({ key: authSecret, data: sealed }),
});
