/** The repository's root folder. */
export const root: string;
/** Node 24, from the npm package `node`. */
export const node24: string;
/** Ensures dependencies and generated code; idempotent and safe to run concurrently. Throws an error with a fix. */
export function ensureReady(): Promise<void>;
/** Ends this process with the error's message, without a stack trace. */
export function fail(err: unknown): never;
