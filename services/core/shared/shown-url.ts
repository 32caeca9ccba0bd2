/** A URL of others as it may be shown: without its query, which often is a credential. */
export const shownUrl = ({ origin, pathname, search }: URL): string => `${origin}${pathname}${search && '?…'}`;
