type FetchRules = { readonly allowsPrivate: boolean; readonly answerBytesMax: number; readonly deadlineMs: number };
/** Rejects if the rules do not allow the request or its response; follows no redirect. */
export type GuardedFetch = (rules: FetchRules, url: string, init: RequestInit) => Promise<Response>;
