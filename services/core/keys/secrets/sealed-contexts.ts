/** The context a sealed value of another module's row is bound to: it opens in that row only. */
export const codeContext = (id: string): string => `one-time code ${id}`;
export const mailContext = (id: string): string => `mail ${id}`;
export const importedHashKeyContext = (id: string): string => `imported hash key ${id}`;
export const alertTargetContext = (id: string): string => `alert target ${id}`;
export const streamAuthorizationContext = (id: string): string => `signal stream ${id}`;
export const phiKeyContext = (version: number): string => `phi key ${version}`;
export const importChunkContext = (importId: string, chunk: number): string => `import ${importId} chunk ${chunk}`;
