/** The repository's root folder. */
export const root: string;
/** Node 24, from the npm package `node`. */
export const node24: string;
/** Ensures dependencies and generated code; idempotent and safe to run twice at once. Throws with a fix in its text. */
export function ensureReady(): Promise<void>;
/** Ends this process with the error's text, without a stack. */
export function fail(err: unknown): never;
