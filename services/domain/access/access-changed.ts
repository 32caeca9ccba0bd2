/** After a commit that changed roles or clients: this copy knows before it answers, the others within their poll. */
export type HasAccessChanged = { readonly accessChanged: () => Promise<void> | void };
