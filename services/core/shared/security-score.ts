/** The share of compliance controls that pass, 0 to 100; null before the first check. */
export type HasSecurityScore = { readonly readSecurityScore: () => Promise<number | null> };
