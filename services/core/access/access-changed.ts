/** Called after a commit that changed roles or clients. This copy reloads before it responds, the others at their next poll. */
export type HasAccessChanged = { readonly accessChanged: () => Promise<void> | void };
